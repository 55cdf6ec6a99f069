"""Cross-play: pairs of agents, trained or not, play each other in both seats, in one process."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from social_dilemmas.agents.agent import Agent
from social_dilemmas.agents.play import Players, Slips, play_batch
from social_dilemmas.config.schema.evaluation import Evaluation
from social_dilemmas.evaluation.sampling import SamplerOf, load_policy, sampling
from social_dilemmas.games import game_of
from social_dilemmas.games.game import (
    SEATS,
    Game,
    Match,
    Turn,
    normalised_payoffs,
    welfare_share,
)
from social_dilemmas.policy.sampler import NamesOf
from social_dilemmas.randomness import derive_seed
from social_dilemmas.run.progress import Progress

Pair = tuple[Agent, Agent]
Meetings = dict[Match, tuple[int, Pair]]
"""Matches, with the number of each within its pair and who sits where."""


def play_pairs(
    *,
    model: Path,
    pairs: Sequence[Pair],
    game: Mapping[str, Any],
    settings: Evaluation,
    output: Path,
) -> None:
    """Play all pairs in the game of a configuration's entry, and write one row per match and seat as parquet.

    Every pair meets in the same `matches` matches: half of them with swapped seats under the same chance events.
    `model` is the directory of the model that all adapters belong to.

    Columns of `output`: game, agent, agent_seed, opponent, opponent_seed, match, seat, payoff and payoff_opponent
    (points a round), welfare_share (of both together), normalised_welfare, normalised_payoff and
    normalised_payoff_opponent (0 is each one's security, 1 the welfare optimum), and for each behaviour of `agent` its
    mean over the match and, with the ending `_count`, how often it was observed.

    Raises:
        UserError: the model or an adapter isn't there, or the adapter belongs to another base model; the server that
            samples can't be started or reached, isn't the right one or is lost.
    """
    rules = game_of(game)
    agents = [agent for pair in pairs for agent in pair]
    policy = load_policy(model, rules, agents, settings.sampler)
    meetings = meet(rules, pairs, settings.matches)
    with sampling(policy, settings, game=game, agents=agents, output=output) as sampler_of:
        play_meetings(rules, meetings, settings, sampler_of)
    rows = [match_row(*met, seat) for met in meetings.items() for seat in SEATS]
    pd.DataFrame(rows).to_parquet(output, index=False)


def meet(game: Game, pairs: Sequence[Pair], matches: int) -> Meetings:
    """New matches of every pair, the same for all."""
    return {
        game.start(derive_seed("cross-play match", index // 2)): (
            index,
            pair[::-1] if index % 2 else pair,
        )
        for pair in pairs
        for index in range(matches)
    }


def stream_names(meetings: Meetings) -> NamesOf:
    """Names the random streams of the agents in these matches, the same wherever they meet."""

    def names_of(turn: Turn) -> tuple[object, ...]:
        index, agents = meetings[turn.match]
        identities = [(agent.name, agent.seed) for agent in agents]
        return "cross-play", turn.match.game.name, *identities, index, turn.seat

    return names_of


def play_meetings(
    game: Game,
    meetings: Meetings,
    settings: Evaluation,
    sampler_of: SamplerOf,
    slips: Slips | None = None,
) -> None:
    """Play all matches to their end, a batch at a time; `slips` as for `play`."""
    sampler = sampler_of(stream_names(meetings))
    players, matches = Players(game), list(meetings)
    with Progress(len(matches), f"{game.name}, matches") as progress:
        for first in range(0, len(matches), settings.batch):
            batch = matches[first : first + settings.batch]
            play_batch(
                batch, [meetings[match][1] for match in batch], players, sampler, slips=slips
            )
            progress.advance(steps=len(batch))


def match_row(match: Match, meeting: tuple[int, Pair], seat: int) -> dict[str, Any]:
    """A finished match as a seat saw it; see `play_pairs`."""
    index, agents = meeting
    game, agent, opponent = match.game, agents[seat], agents[1 - seat]
    own, other = sum(match.rewards(seat)), sum(match.rewards(1 - seat))
    observed: dict[str, list[float]] = {behaviour: [] for behaviour in game.behaviours}
    for behaviour, value in game.observe(match, seat):
        observed[behaviour].append(value)
    normalised = normalised_payoffs(match)
    row: dict[str, Any] = {
        "game": game.name,
        "agent": agent.name,
        "agent_seed": agent.seed,
        "opponent": opponent.name,
        "opponent_seed": opponent.seed,
        "match": index,
        "seat": seat,
        "payoff": own / len(match.history),
        "payoff_opponent": other / len(match.history),
        "welfare_share": welfare_share(own + other, game.welfare_optimum(match)),
        "normalised_welfare": sum(normalised) / len(SEATS),
        "normalised_payoff": normalised[seat],
        "normalised_payoff_opponent": normalised[1 - seat],
    }
    for behaviour, values in observed.items():
        row[behaviour] = sum(values) / len(values) if values else float("nan")
        row[f"{behaviour}_count"] = len(values)
    return row
