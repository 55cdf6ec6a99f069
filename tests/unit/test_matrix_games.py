"""Matrix games: what they state and pay, which tables they refuse, and how their players act."""

import re
from itertools import pairwise, product
from typing import Any

import pytest
from tests.unit.playing import points_of, reply_of

from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game, game_names
from social_dilemmas.games.game import SEATS, Match
from social_dilemmas.games.matrix_game import MatrixGame, Table

KINDS = [name for name in game_names() if isinstance(build_game(name, 1), MatrixGame)]
UNEQUAL: Table = {"A": {"A": [0, 1.5], "B": [2, -3]}, "B": {"A": [4, 7], "B": [-1, 0]}}
DILEMMA = {"reward": 4.125, "punishment": 0.3333333333, "temptation": 7, "sucker": -1_234_567}
ROCK_PAPER_SCISSORS = {
    "A": {"A": [0, 0], "B": [-1, 1], "C": [1, -1]},
    "B": {"A": [1, -1], "B": [0, 0], "C": [-1, 1]},
    "C": {"A": [-1, 1], "B": [1, -1], "C": [0, 0]},
}
GAMES = [build_game(kind, 4) for kind in KINDS]
GAMES += [build_game("prisoners_dilemma", 4, DILEMMA)]
GAMES += [build_game("matrix_game", 4, {"payoffs": p}) for p in (UNEQUAL, ROCK_PAPER_SCISSORS)]


@pytest.mark.parametrize("game", GAMES, ids=lambda game: f"{game.kind}-{game.reward_bounds}")
def test_every_outcome_pays_both_seats_what_was_stated(game: MatrixGame) -> None:
    for actions in product(game.actions, repeat=2):
        match = game.start(0)
        prompts = {turn.seat: turn.prompt for turn in match.turns()}
        match.take({seat: f"<{actions[seat]}>" for seat in SEATS})
        for seat in SEATS:
            own, other = actions[seat], actions[1 - seat]
            told = re.search(
                rf"If you choose {own} and the other chooses {other}, "
                r"you get (\S+) and the other gets (\S+) points\.",
                prompts[seat],
            )
            assert told is not None
            assert float(told[1]) == match.rewards(seat)[0]
            assert float(told[2]) == match.rewards(1 - seat)[0]
        for turn in match.turns():
            assert turn.prompt == f"The other player chose <{actions[1 - turn.seat]}>."


@pytest.mark.parametrize("game", GAMES, ids=lambda game: f"{game.kind}-{game.reward_bounds}")
def test_no_game_tells_its_name(game: MatrixGame) -> None:
    prompt = game.start(0).turns()[0].prompt.lower()
    names = r"prison|dilemma|defect|betray|stag|hunt|chicken|penn|coordinat|cooperat"
    assert not re.search(names, prompt)


def test_all_actions_are_offered() -> None:
    game = build_game("matrix_game", 1, {"payoffs": ROCK_PAPER_SCISSORS})
    prompt = game.start(0).turns()[0].prompt
    assert "both choose A, B or C at the same time" in prompt
    assert prompt.endswith("Reply with <A>, <B> or <C> and nothing else.")


@pytest.mark.parametrize(
    ("kind", "holds"),
    [
        ("prisoners_dilemma", lambda r, s, t, p: t > r > p > s),
        ("stag_hunt", lambda r, s, t, p: r > t >= p > s),
        ("chicken", lambda r, s, t, p: t > r > s > p),
    ],
)
def test_default_payoffs_make_the_game(kind: str, holds: Any) -> None:
    """Reward, sucker, temptation, punishment, in the orders that define the games: Rapoport and
    Guyer, A taxonomy of 2x2 games, General Systems 11, 1966.
    """
    game = build_game(kind, 1)
    assert isinstance(game, MatrixGame)
    first, second = ([pair[seat] for pair in game.payoffs.values()] for seat in SEATS)
    assert holds(*first)
    assert second == [first[0], first[2], first[1], first[3]]


def play_all(match: Match, *rounds: str) -> None:
    """Play these actions of both seats, such as `AB`."""
    for actions in rounds:
        match.take({seat: f"<{actions[seat]}>" for seat in SEATS})


@pytest.mark.parametrize(
    ("kind", "first", "second", "best"),
    [
        ("prisoners_dilemma", [3, 0, 5, 1], [3, 5, 0, 1], 6),
        ("matching_pennies", [1, 0, 0, 1], [0, 1, 1, 0], 1),
        ("matrix_game", [0, 2, 4, -1], [1.5, -3, 7, 0], 11),  # by row and column of UNEQUAL
    ],
)
def test_known_payoffs(kind: str, first: list[float], second: list[float], best: int) -> None:
    rules = {"payoffs": UNEQUAL} if kind == "matrix_game" else {}
    match = build_game(kind, 4, rules).start(0)
    play_all(match, "AA", "AB", "BA", "BB")
    assert (match.rewards(0), match.rewards(1)) == (first, second)
    assert match.game.welfare_optimum(match) == 4 * best


def test_dilemma_welfare_may_need_turns_in_exploiting() -> None:
    match = build_game("prisoners_dilemma", 1, {"temptation": 9}).start(0)
    play_all(match, "AB")
    assert match.game.welfare_optimum(match) == 9


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (3, "a table of two or more actions, but is 3"),
        ([[3, 0], [5, 1]], "a table of two or more actions"),
        ({}, "a table of two or more actions"),
        ({"A": {"A": [1, 1]}}, "a table of two or more actions"),
        ({"stag": {}, "hare": {}}, "must be A, B in this order, but are stag, hare"),
        ({"B": {}, "A": {}}, "must be A, B in this order, but are B, A"),
        ({"A": {"A": [1, 1]}, "B": {}}, "payoffs.A must have points against A, B .*but has A"),
        ({"A": [1, 2], "B": [3, 4]}, r"payoffs.A must have points against A, B .*\[1, 2\]"),
        ({**UNEQUAL, "C": UNEQUAL["A"]}, "payoffs.A must have points against A, B, C"),
        ({**UNEQUAL, "B": {"A": [1], "B": [1, 2]}}, r"payoffs.B.A must be two numbers.*\[1\]"),
        ({**UNEQUAL, "B": {"A": [1, 2, 3], "B": [1, 2]}}, "payoffs.B.A must be two numbers"),
        ({**UNEQUAL, "B": {"A": [1, 2], "B": 3}}, "payoffs.B.B must be two numbers.* 3$"),
        ({**UNEQUAL, "B": {"A": [1, 2], "B": "12"}}, "payoffs.B.B must be two numbers.*'12'"),
        ({**UNEQUAL, "B": {"A": [1, 2], "B": [1, "2"]}}, "payoffs.B.B must be two numbers"),
        ({**UNEQUAL, "B": {"A": [1, 2], "B": [1, True]}}, "payoffs.B.B must be two numbers"),
        ({**UNEQUAL, "B": {"A": [1, 2], "B": [1, float("nan")]}}, "payoffs.B.B must be two num"),
        ({**UNEQUAL, "B": {"A": [1, 2], "B": [1, float("inf")]}}, "payoffs.B.B must be two num"),
    ],
)
def test_tables_of_the_wrong_shape_are_refused_in_one_sentence(table: Any, message: str) -> None:
    with pytest.raises(UserError, match=f"^matrix_game: .*{message}"):
        build_game("matrix_game", 1, {"payoffs": table})


def test_an_invalid_reply_counts_as_the_action_that_leaves_the_other_most() -> None:
    """By the worst that may come: seat 0 leaves the other -3 or more with A and 0 with B; seat 1
    leaves the other 0 or more with A and -1 with B.
    """
    match = build_game("matrix_game", 1, {"payoffs": UNEQUAL}).start(0)
    match.take({0: "what?", 1: "well"})
    assert match.history[0].actions == ("B", "A")
    assert match.invalid == [1, 1]


def test_dilemma_counts_an_invalid_reply_as_cooperation() -> None:
    match = build_game("prisoners_dilemma", 1).start(0)
    match.take({0: "<B>", 1: "gibberish"})
    assert (match.rewards(0), match.rewards(1), match.invalid) == ([5], [0], [0, 1])


@pytest.mark.parametrize(
    ("kind", "rounds", "name", "seen"),
    [
        ("matrix_game", "AB BB AA", "choice_A", "1 at_start, 0 after_AB, 1 after_BB"),
        (
            "prisoners_dilemma",
            "AA AB BA BB AB",
            "cooperation",
            "1 at_start, 1 after_CC, 0 after_CD, 0 after_DC, 1 after_DD",
        ),
    ],
)
def test_behaviour_by_hand(kind: str, rounds: str, name: str, seen: str) -> None:
    match = build_game(kind, 5).start(0)
    play_all(match, *rounds.split())
    expected = []
    for value, when in map(str.split, seen.split(", ")):
        expected += [(name, int(value)), (f"{name}_{when}", int(value))]
    assert list(match.game.observe(match, 0)) == expected
    mirror = build_game(kind, 5).start(0)
    play_all(mirror, *(actions[::-1] for actions in rounds.split()))
    assert list(mirror.game.observe(mirror, 1)) == expected


def test_every_action_but_the_last_is_observed() -> None:
    game = build_game("matrix_game", 3, {"payoffs": ROCK_PAPER_SCISSORS})
    assert len(game.behaviours) == 2 * (1 + 1 + 9)
    assert "choice_C" not in game.behaviours
    assert game.behaviours["choice_A_after_BA"] == "... after it chose B and the other A"


# Players


def after(kind: str, own: str, other: str, seat: int = 0, **rules: Any) -> Match:
    """A match in which a seat played `own` and the other `other`, oldest first."""
    match = build_game(kind, 20, rules).start(3)
    for action, other_action in zip(own, other, strict=True):
        match.take({seat: f"<{action}>", 1 - seat: f"<{other_action}>"})
    return match


# By kind and player: past actions, its own and the other's, and what it plays then.
EXPECTED = {
    "prisoners_dilemma always_a": "/:A AAA/BBB:A",
    "prisoners_dilemma always_b": "/:B BBB/AAA:B",
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
        ("always_a", "always_a", (30, 30)),
        ("always_a", "always_b", (0, 50)),
        ("tit_for_tat", "tit_for_tat", (30, 30)),
        ("tit_for_tat", "always_b", (9, 14)),
        ("always_b", "grim", (14, 9)),
        ("win_stay_lose_shift", "always_b", (5, 30)),
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
