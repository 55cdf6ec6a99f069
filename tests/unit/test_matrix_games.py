"""Matrix games: what they state and pay, which tables they refuse, and what they observe."""

import re
from itertools import product
from typing import Any

import pytest
from tests.unit.matrices import KINDS, ROCK_PAPER_SCISSORS, UNEQUAL, play_all

from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game
from social_dilemmas.games.game import SEATS
from social_dilemmas.games.matrix_game import MatrixGame

DILEMMA = {"reward": 4.125, "punishment": 0.3333333333, "temptation": 7, "sucker": -1_234_567}

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
