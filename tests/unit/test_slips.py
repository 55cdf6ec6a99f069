"""Hands that slip: what is played in place of what players want, and what they make of it."""

from collections import Counter

import pytest

from social_dilemmas.agents.play import play
from social_dilemmas.agents.scripted.player import scripted_player
from social_dilemmas.agents.slips import one_slip, trembles
from social_dilemmas.games import build_game
from social_dilemmas.games.game import Turn
from social_dilemmas.games.grammar import Choice

DILEMMA = "prisoners_dilemma"


@pytest.mark.parametrize(
    ("player", "first", "second"),
    [
        ("always_cooperate", "AABAAAAA", "AAAAAAAA"),
        ("always_defect", "BBBBBBBB", "BBBBBBBB"),
        ("tit_for_tat", "AABABABA", "AAABABAB"),  # they take turns for ever
        ("win_stay_lose_shift", "AABBAAAA", "AAABAAAA"),  # back after two rounds
        ("grim", "AABABBBB", "AAABBBBB"),  # never back
    ],
)
def test_what_scripted_players_make_of_one_slip(player: str, first: str, second: str) -> None:
    match = build_game(DILEMMA, 8).start(0)
    agent, greedy = (scripted_player(DILEMMA, name) for name in (player, "always_defect"))
    play([match], [(agent, agent)], slips=one_slip(2, greedy))
    played = ["".join(each.actions[seat] for each in match.history) for seat in (0, 1)]
    assert played == [first, second]


@pytest.mark.parametrize("name", ["trust_and_split", "deal_or_no_deal"])
def test_actions_tremble_as_often_as_asked_and_messages_never(name: str) -> None:
    game, probability = build_game(name, 10), 0.25
    turns: dict[str, list[Turn]] = {}
    matches = [game.start(seed) for seed in range(40)]
    player = scripted_player(name, "random")
    slips = trembles(probability, lambda turn: (turn.match.seed, turn.seat))
    play(
        matches,
        [(player, player)] * len(matches),
        lambda turn, _: turns.setdefault(turn.step, []).append(turn),
        slips,
    )
    assert {turn.slip for turn in turns["message"]} == {None}
    replaced = [turn.slip for turn in turns["proposal"] if turn.slip]
    assert len(turns["proposal"]) == 800
    assert len(replaced) == pytest.approx(200, abs=4 * (800 * 0.25 * 0.75) ** 0.5)
    grammar = turns["proposal"][0].grammar
    kind, options = next((p.name, p.options) for p in grammar.parts if isinstance(p, Choice))
    found = Counter(parsed[kind] for reply in replaced if (parsed := grammar.parse(reply)))
    assert found.keys() == {*options}
    assert max(found.values()) < 3 * len(replaced) / len(options)


def test_a_tremble_depends_on_the_place_alone() -> None:
    """Not on what else is played, so that ranks and resumed runs have the same."""
    slips = trembles(0.5, lambda turn: (turn.match.seed, turn.seat))
    matches = [build_game(DILEMMA, 20).start(seed) for seed in range(2)]
    again = build_game(DILEMMA, 20).start(1)
    player = scripted_player(DILEMMA, "tit_for_tat")
    play(matches, [(player, player)] * 2, slips=slips)
    play([again], [(player, player)], slips=slips)
    assert again.history == matches[1].history != matches[0].history
