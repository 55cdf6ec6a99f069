"""How the scripted players of matrix games act."""

from dataclasses import replace
from itertools import pairwise, product
from typing import Any

import pytest
from tests.unit.matrices import OTHER_NAMES, ROCK_PAPER_SCISSORS, UNEQUAL
from tests.unit.playing import points_of, reply_of

from social_dilemmas.games import build_game
from social_dilemmas.games.game import SEATS, Match


def after(kind: str, own: str, other: str, seat: int = 0, **rules: Any) -> Match:
    """A match in which a seat played `own` and the other `other`, oldest first."""
    match = build_game(kind, 20, rules).start(3)
    for action, other_action in zip(own, other, strict=True):
        match.take({seat: f"<{action}>", 1 - seat: f"<{other_action}>"})
    return match


# By kind and player: past actions, its own and the other's, and what it plays then.
EXPECTED = {
    "prisoners_dilemma always_cooperate": "/:A AAA/BBB:A",
    "prisoners_dilemma always_defect": "/:B BBB/AAA:B",
    "prisoners_dilemma tit_for_tat": "/:A A/B:B AB/BA:A BBB/AAA:A",
    "prisoners_dilemma win_stay_lose_shift": "/:A A/A:A A/B:B B/A:B B/B:A ABA/BBB:B",
    "prisoners_dilemma grim": "/:A AAA/AAA:A AAAAA/AAABA:B ABBBB/BAAAA:B "
    "BBB/AAA:A",  # it forgives its own slips
    "stag_hunt first_action": "AB/BB:A",
    "stag_hunt second_action": "AB/AA:B",
    "stag_hunt welfare_maximising": "/:A",
    "stag_hunt maximin": "A/A:B",  # the hare is safe
    "chicken maximin": "/:A",  # giving way is
    "stag_hunt tit_for_tat": "/:A AA/AB:B AB/BA:A",
    "stag_hunt best_reply": "/:B B/A:A AAA/AAB:B",  # first 3 + 2 against 4 + 0
    "chicken best_reply": "A/A:B A/B:A",
    "matching_pennies best_reply": "A/B:B",
    "stag_hunt fictitious_play": "AA/AB:B AAAA/AAAB:A",  # 4 + 0 against 3 + 2, 12 against 11
    "stag_hunt win_stay_lose_shift": "/:A A/A:A A/B:B B/A:B B/B:A",  # the mean is 2.25
    "chicken turn_taking": "A/B:B BA/AB:B",
}


@pytest.mark.parametrize("player", EXPECTED)
@pytest.mark.parametrize("seat", SEATS)
def test_players_act_as_expected(player: str, seat: int) -> None:
    kind, name = player.split()
    for past, expected in (case.split(":") for case in EXPECTED[player].split()):
        if seat == 0 or kind != "matching_pennies":
            own, other = past.split("/")
            assert reply_of(name, after(kind, own, other, seat), seat) == f"<{expected}>"


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("always_cooperate", "always_cooperate", (30, 30)),
        ("always_cooperate", "always_defect", (0, 50)),
        ("tit_for_tat", "tit_for_tat", (30, 30)),
        ("tit_for_tat", "always_defect", (9, 14)),
        ("always_defect", "grim", (14, 9)),
        ("win_stay_lose_shift", "always_defect", (5, 30)),
        ("win_stay_lose_shift", "grim", (30, 30)),
    ],
)
def test_dilemmas_end_as_expected(first: str, second: str, expected: tuple[float, float]) -> None:
    game = build_game("prisoners_dilemma", 10)
    assert points_of(game.start(0), first, second) == expected
    assert points_of(game.start(0), second, first) == expected[::-1]


def test_players_see_their_own_side_of_the_table() -> None:
    """The best reply to A: seat 0 gets 0 or 4, seat 1 gets 1.5 or -3."""
    for seat, expected in ((0, "<B>"), (1, "<A>")):
        match = after("matrix_game", "A", "A", seat, payoffs=UNEQUAL)
        assert reply_of("best_reply", match, seat) == expected
    assert reply_of("best_reply", after("matching_pennies", "A", "A", 1), 1) == "<B>"


def test_win_stay_lose_shift_goes_through_all_actions() -> None:
    for own, beaten_by in ("AB", "BC", "CA"):
        match = after("matrix_game", own, beaten_by, payoffs=ROCK_PAPER_SCISSORS)
        assert reply_of("win_stay_lose_shift", match) == f"<{beaten_by}>"


def test_turn_taking_finds_its_turns_and_keeps_them() -> None:
    for seed in range(10):
        match = build_game("chicken", 40).start(seed)
        points_of(match, "turn_taking", "turn_taking")
        settled = [r.actions for r in match.history[-10:]]
        assert set(settled) == {("A", "B"), ("B", "A")}
        assert all(a == b[::-1] for a, b in pairwise(settled))


@pytest.mark.parametrize("rules", OTHER_NAMES)
def test_players_go_by_what_an_action_means(rules: dict[str, Any]) -> None:
    for seed in range(3):
        standard, renamed = (build_game("prisoners_dilemma", 8, r).start(seed) for r in ({}, rules))
        for pair in product(
            ("always_defect", "grim", "tit_for_tat", "win_stay_lose_shift"), repeat=2
        ):
            first, second = (replace(match, history=[]) for match in (standard, renamed))
            assert points_of(first, *pair) == points_of(second, *pair)
