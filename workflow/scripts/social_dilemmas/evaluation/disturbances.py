"""Disturbed matches: does cooperation outlive a slip of the hand, and does it live on what messages say?

All conditions have the same matches and the same random streams, those of the cross-play: until something disturbs
them, matches are the same.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd

from social_dilemmas.agents.conditions import NOISE, Condition, conditions_in
from social_dilemmas.agents.play import Slips
from social_dilemmas.agents.roles import reference_player
from social_dilemmas.agents.slips import one_slip, trembles
from social_dilemmas.config.settings import DisturbanceSettings
from social_dilemmas.evaluation.cross_play import (
    Meetings,
    Pair,
    match_row,
    meet,
    play_meetings,
    stream_names,
)
from social_dilemmas.evaluation.sampling import SamplerOf, load_policy, sampling
from social_dilemmas.games import game_of
from social_dilemmas.games.game import NO_WORDS, SEATS, Game, Match
from social_dilemmas.games.talk import Messages, TalkingGame, TalkingMatch
from social_dilemmas.randomness import stream


def play_disturbed(
    *,
    model: Path,
    pairs: Sequence[Pair],
    game: Mapping[str, Any],
    settings: DisturbanceSettings,
    output: Path,
) -> None:
    """Play all pairs under all conditions of the game, and write one row per condition, match and seat as parquet.

    Other messages than those sent are read by agents that play copies of themselves only. In the condition `one_slip`
    it is seat 0 whose hand slips, to what the game's greedy player does, in games without one to any valid action.

    Columns of `output`: those of `play_pairs`, and condition, slip_round (from 1; whether or not there is a slip),
    points and points_opponent (lists of those of every round). Raises as `play_pairs`.
    """
    rules = game_of(game)
    agents = [agent for pair in pairs for agent in pair]
    policy = load_policy(model, rules, agents, settings.sampler)
    with sampling(policy, settings, game=game, agents=agents, output=output) as sampler_of:
        rows = _played(rules, pairs, settings, sampler_of)
    pd.DataFrame(rows).to_parquet(output, index=False)


def _played(
    rules: Game, pairs: Sequence[Pair], settings: DisturbanceSettings, sampler_of: SamplerOf
) -> list[dict[str, Any]]:
    """The rows of all conditions."""
    rows = []
    sent: Meetings = {}
    for condition in conditions_in(type(rules)):
        met = [pair for pair in pairs if condition in NOISE or pair[0] == pair[1]]
        meetings = meet(rules, met, settings.matches)
        if condition not in NOISE:
            put_in_place(condition, meetings, sent)
        slips = slips_of(condition, rules, meetings, settings)
        play_meetings(rules, meetings, settings, sampler_of, slips)
        if condition == Condition.NONE:
            sent = meetings
        for (match, meeting), seat in product(meetings.items(), SEATS):
            rows.append(
                {
                    **match_row(match, meeting, seat),
                    "condition": condition.value,
                    "slip_round": settings.slip_round,
                    "points": match.rewards(seat),
                    "points_opponent": match.rewards(1 - seat),
                }
            )
    return rows


def slips_of(
    condition: Condition, game: Game, meetings: Meetings, settings: DisturbanceSettings
) -> Slips | None:
    """How hands slip under a condition."""
    if condition == Condition.TREMBLES:
        return trembles(settings.tremble, stream_names(meetings))
    if condition == Condition.ONE_SLIP:
        return one_slip(settings.slip_round - 1, reference_player(game.kind))
    return None


def put_in_place(condition: Condition, meetings: Meetings, sent: Meetings) -> None:
    """Give new matches of agents with themselves the messages that are read in them.

    These are none, or shuffled: those that the same agent sent, speaking first or second as here, in the same round of
    `sent` matches with itself that had other chance events. They are as likely as what is sent, and know nothing of
    this match. (Where no other match has so many rounds, they are those of another one's last round.)
    """
    for match, (index, (agent, _)) in meetings.items():
        assert isinstance(match, TalkingMatch)
        if condition == Condition.NO_MESSAGES:
            match.in_place = [silence(match.game)] * match.rounds
            continue
        others = [
            other
            for other, (_, pair) in sent.items()
            if pair == (agent, agent) and other.seed != match.seed
        ]
        random = stream("shuffled messages", match.game.name, agent.name, agent.seed, index)
        match.in_place = [_sent(round, others, random) for round in range(match.rounds)]


def silence(game: TalkingGame) -> Messages:
    """A round's messages that say nothing, as a forfeited one."""
    return ((NO_WORDS,) * game.messages,) * 2


def _sent(round: int, matches: Sequence[Match], random: Random) -> Messages:
    """The messages of a round (from 0) in one of these finished matches, of any that has it."""
    match = random.choice([each for each in matches if each.rounds > round] or matches)
    assert isinstance(match, TalkingMatch)
    return match.sent(min(round, match.rounds - 1))
