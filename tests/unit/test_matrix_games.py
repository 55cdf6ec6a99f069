"""Matrix games: what they tell and pay, which tables they refuse, and how their players act."""

import re
from itertools import pairwise, product
from typing import Any

import pytest

from social_dilemmas.agents.play import play
from social_dilemmas.agents.scripted.player import scripted_player, scripted_player_names
from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game, game_names
from social_dilemmas.games.game import SEATS, Match
from social_dilemmas.games.matrix_game import MatrixGame, Table, read_table

KINDS = [name for name in game_names() if isinstance(build_game(name, 1), MatrixGame)]
UNEQUAL: Table = {"A": {"A": [0, 1.5], "B": [2, -3]}, "B": {"A": [4, 7], "B": [-1, 0]}}
ROCK_PAPER_SCISSORS = {
    "A": {"A": [0, 0], "B": [-1, 1], "C": [1, -1]},
    "B": {"A": [1, -1], "B": [0, 0], "C": [-1, 1]},
    "C": {"A": [-1, 1], "B": [1, -1], "C": [0, 0]},
}
GAMES = [build_game(kind, 4) for kind in KINDS]
GAMES += [build_game("matrix_game", 4, {"payoffs": p}) for p in (UNEQUAL, ROCK_PAPER_SCISSORS)]


@pytest.mark.parametrize("game", GAMES, ids=lambda game: f"{game.kind}-{game.reward_bounds}")
def test_every_outcome_pays_both_seats_what_they_were_told(game: MatrixGame) -> None:
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


@pytest.mark.parametrize("game", GAMES, ids=lambda game: f"{game.kind}-{game.reward_bounds}")
def test_no_game_tells_its_name(game: MatrixGame) -> None:
    prompt = game.start(0).turns()[0].prompt.lower()
    for word in ("prison", "dilemma", "stag", "hunt", "chicken", "penn", "coordinat", "cooperat"):
        assert word not in prompt


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


def test_in_matching_pennies_what_one_gets_the_other_does_not() -> None:
    game = build_game("matching_pennies", 1)
    assert isinstance(game, MatrixGame)
    assert {sum(pair) for pair in game.payoffs.values()} == {1}
    assert [pair[0] for pair in game.payoffs.values()] == [1, 0, 0, 1]


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


def test_the_table_is_read_by_row_and_column() -> None:
    assert read_table(UNEQUAL) == {
        ("A", "A"): (0, 1.5),
        ("A", "B"): (2, -3),
        ("B", "A"): (4, 7),
        ("B", "B"): (-1, 0),
    }


def test_an_invalid_reply_counts_as_the_action_that_leaves_the_other_most() -> None:
    """By the worst that may come: seat 0 leaves the other -3 or more with A and 0 with B; seat 1
    leaves the other 0 or more with A and -1 with B.
    """
    match = build_game("matrix_game", 1, {"payoffs": UNEQUAL}).start(0)
    match.take({0: "what?", 1: "well"})
    assert match.history[0].actions == ("B", "A")
    assert match.invalid == [1, 1]


def test_behaviour_by_hand() -> None:
    game = build_game("matrix_game", 3, {"payoffs": UNEQUAL})
    match = game.start(0)
    for actions in ("AB", "BB", "AA"):
        match.take({seat: f"<{actions[seat]}>" for seat in SEATS})
    assert list(game.observe(match, 0)) == [
        ("choice_A", 1),
        ("choice_A_at_start", 1),
        ("choice_A", 0),
        ("choice_A_after_AB", 0),
        ("choice_A", 1),
        ("choice_A_after_BB", 1),
    ]
    assert ("choice_A_after_BA", 0) in list(game.observe(match, 1))
    assert game.behaviours["choice_A_after_BA"] == "... after it chose B and the other A"


def test_every_action_but_the_last_is_observed() -> None:
    game = build_game("matrix_game", 3, {"payoffs": ROCK_PAPER_SCISSORS})
    assert len(game.behaviours) == 2 * (1 + 1 + 9)
    assert "choice_C" not in game.behaviours


# Players


def after(kind: str, own: str, other: str, seat: int = 0, **rules: Any) -> Match:
    """A match in which a seat played `own` and the other `other`, oldest first."""
    match = build_game(kind, 20, rules).start(3)
    for action, other_action in zip(own, other, strict=True):
        match.take({seat: f"<{action}>", 1 - seat: f"<{other_action}>"})
    return match


def action_of(kind: str, player: str, match: Match, seat: int = 0) -> str:
    turn = match.turns()[seat]
    return scripted_player(kind, player).reply([turn])[0].strip("<>")


@pytest.mark.parametrize(
    ("kind", "player", "own", "other", "expected"),
    [
        ("stag_hunt", "first_action", "AB", "BB", "A"),
        ("stag_hunt", "second_action", "AB", "AA", "B"),
        ("stag_hunt", "welfare_maximising", "", "", "A"),
        ("stag_hunt", "maximin", "A", "A", "B"),  # the hare is safe
        ("chicken", "maximin", "", "", "A"),  # giving way is
        ("stag_hunt", "tit_for_tat", "", "", "A"),
        ("stag_hunt", "tit_for_tat", "AA", "AB", "B"),
        ("stag_hunt", "tit_for_tat", "AB", "BA", "A"),
        ("stag_hunt", "best_reply", "", "", "B"),  # 3 + 2 against 4 + 0
        ("stag_hunt", "best_reply", "B", "A", "A"),
        ("stag_hunt", "best_reply", "AAA", "AAB", "B"),
        ("chicken", "best_reply", "A", "A", "B"),
        ("chicken", "best_reply", "A", "B", "A"),
        ("matching_pennies", "best_reply", "A", "B", "B"),
        ("stag_hunt", "fictitious_play", "AA", "AB", "B"),  # 4 + 0 against 3 + 2
        ("stag_hunt", "fictitious_play", "AAAA", "AAAB", "A"),  # 12 against 11
        ("stag_hunt", "win_stay_lose_shift", "", "", "A"),
        ("stag_hunt", "win_stay_lose_shift", "A", "A", "A"),  # 4 is above the mean of 2.25
        ("stag_hunt", "win_stay_lose_shift", "A", "B", "B"),
        ("stag_hunt", "win_stay_lose_shift", "B", "A", "B"),
        ("stag_hunt", "win_stay_lose_shift", "B", "B", "A"),
        ("chicken", "turn_taking", "A", "B", "B"),
        ("chicken", "turn_taking", "BA", "AB", "B"),
    ],
)
def test_players_act_as_expected(
    kind: str, player: str, own: str, other: str, expected: str
) -> None:
    assert action_of(kind, player, after(kind, own, other)) == expected


def test_players_see_their_own_side_of_the_table() -> None:
    """The best reply to A: seat 0 gets 0 or 4, seat 1 gets 1.5 or -3."""
    for seat, expected in ((0, "B"), (1, "A")):
        match = after("matrix_game", "A", "A", seat, payoffs=UNEQUAL)
        assert action_of("matrix_game", "best_reply", match, seat) == expected
    pennies = after("matching_pennies", "A", "A", 1)
    assert action_of("matching_pennies", "best_reply", pennies, 1) == "B"


def test_win_stay_lose_shift_goes_through_all_actions() -> None:
    for own, expected in ("AB", "BC", "CA"):
        beaten_by = {"A": "B", "B": "C", "C": "A"}[own]
        match = after("matrix_game", own, beaten_by, payoffs=ROCK_PAPER_SCISSORS)
        assert action_of("matrix_game", "win_stay_lose_shift", match) == expected


def test_turn_taking_finds_its_turns_and_keeps_them() -> None:
    player = scripted_player("chicken", "turn_taking")
    for seed in range(10):
        match = build_game("chicken", 40).start(seed)
        play([match], [(player, player)])
        settled = [r.actions for r in match.history[-10:]]
        assert set(settled) == {("A", "B"), ("B", "A")}
        assert all(a == b[::-1] for a, b in pairwise(settled))


def test_games_without_players_of_their_own_have_those_of_every_matrix_game() -> None:
    names = scripted_player_names("matrix_game")
    for kind in ("stag_hunt", "chicken", "matching_pennies"):
        assert scripted_player_names(kind) == names
    assert {"tit_for_tat", "best_reply", "turn_taking", "random"} <= set(names)
    assert "always_a" in scripted_player_names("prisoners_dilemma")
