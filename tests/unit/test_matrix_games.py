"""Matrix games: what they state and pay, which tables they refuse, and how their players act."""

import re
from dataclasses import replace
from itertools import pairwise, product
from typing import Any

import pytest
from tests.unit.playing import points_of, reply_of

from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game, game_names, wordings
from social_dilemmas.games.game import SEATS, Match
from social_dilemmas.games.matrix_game import MatrixGame, Table
from social_dilemmas.games.matrix_wordings import WORDINGS

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


# How they are told

PLAIN = (
    "You meet one other player again and again. In every round you both choose A or B at the same time, and only "
    "afterwards learn what the other chose. If you choose A and the other chooses A, you get 3 and the other gets 3 "
    "points. If you choose A and the other chooses B, you get 0 and the other gets 5 points. If you choose B and the "
    "other chooses A, you get 5 and the other gets 0 points. If you choose B and the other chooses B, you get 1 and "
    "the other gets 1 points. Your aim is to collect as many points as you can over all rounds. Reply with <A> or <B> "
    "and nothing else."
)


def told(kind: str = "prisoners_dilemma", seed: int = 0, **rules: Any) -> str:
    """The first prompt."""
    return build_game(kind, 3, rules).start(seed).turns()[0].prompt


def test_the_words_of_old_stay_as_they_were() -> None:
    """Agents trained on them know no others."""
    assert told() == told(actions=["A", "B"], order=["A", "B"], wording="plain") == PLAIN


def test_names_of_actions_stand_where_the_letters_stood() -> None:
    share = told(actions=["share", "keep"])
    assert share == re.sub(r"\bB\b", "keep", re.sub(r"\bA\b", "share", PLAIN))
    assert told(actions=[1, 2]).endswith("Reply with <1> or <2> and nothing else.")


def test_where_the_other_letter_cooperates_only_points_differ() -> None:
    swapped = told(actions=["B", "A"], order=["A", "B"])
    assert re.sub(r"\d", "", swapped) == re.sub(r"\d", "", PLAIN)
    assert re.findall(r"\d", swapped) == list("11500533")


def test_the_order_is_turned_round() -> None:
    turned = told(order=["B", "A"])
    assert "you both choose B or A at the same time" in turned
    assert re.findall(r"choose (\w) and the other chooses (\w), you get (\d)", turned) == [
        *(("B", "B", "1"), ("B", "A", "5"), ("A", "B", "0"), ("A", "A", "3"))
    ]
    assert turned.endswith("Reply with <B> or <A> and nothing else.")


@pytest.mark.parametrize("wording", WORDINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_wording_states_all_points_and_the_news(kind: str, wording: str) -> None:
    match = build_game(kind, 3, {"wording": wording, "actions": ["X", "Y"]}).start(0)
    prompt = match.turns()[0].prompt
    assert isinstance(match.game, MatrixGame)
    for (own, other), points in match.game.payoffs.items():
        pattern = rf"\b{own}\b[^.<]*\b{other}\b\D*\b{points[0]}\b\D*\b{points[1]}\b"
        assert re.search(pattern, prompt)
    assert "<X> or <Y>" in prompt
    assert not re.search(r"[{}]|\bA\b|\bB\b|  ", prompt)
    match.take({0: "<X>", 1: "<Y>"})
    assert [re.findall("<.>", turn.prompt) for turn in match.turns()] == [["<Y>"], ["<X>"]]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"actions": ["A"]}, "actions must be 2 different names"),
        ({"actions": ["A", "A"]}, "actions must be 2 different names"),
        ({"actions": ["A", "<B>"]}, "names without < or >"),
        ({"actions": "AB"}, "actions must be 2 different names"),
        ({"actions": [True, False]}, "actions must be 2 different names"),
        ({"actions": [None, "A"]}, "actions must be 2 different names"),
        ({"actions": ["A\nB", "C"]}, "actions must be 2 different names"),
        ({"order": ["A", "C"]}, "order must list A, B, but is"),
        ({"alternate_actions": "no"}, "the rule alternate_actions must be true or false"),
        ({"wording": "short"}, "wording must be one of plain, brief, shops, but is 'short'"),
        ({"payoffs": {}}, "unknown rule 'payoffs'; its rules are: reward, .*, alternate_actions"),
    ],
)
def test_words_that_make_no_sense_are_refused(rules: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=f"^prisoners_dilemma: .*{message}"):
        build_game("prisoners_dilemma", 1, rules)


OTHER_NAMES = [{"actions": ["B", "A"]}, {"actions": ["X", "Y"], "order": ["Y", "X"]}]


@pytest.mark.parametrize("rules", OTHER_NAMES)
def test_cooperation_is_what_an_action_means(rules: dict[str, Any]) -> None:
    cooperate, defect = rules["actions"]
    match = build_game("prisoners_dilemma", 3, rules).start(0)
    play_all(match, cooperate + defect, defect + cooperate, defect + defect)
    assert match.rewards(0) == [0, 5, 1]
    seen = [(name, value) for name, value in match.game.observe(match, 0) if "_" in name]
    assert seen == [
        ("cooperation_at_start", 1),
        ("cooperation_after_CD", 0),
        ("cooperation_after_DC", 0),
    ]


@pytest.mark.parametrize("rules", OTHER_NAMES)
def test_players_go_by_what_an_action_means(rules: dict[str, Any]) -> None:
    for seed in range(3):
        standard, renamed = (build_game("prisoners_dilemma", 8, r).start(seed) for r in ({}, rules))
        for pair in product(
            ("always_defect", "grim", "tit_for_tat", "win_stay_lose_shift"), repeat=2
        ):
            first, second = (replace(match, history=[]) for match in (standard, renamed))
            assert points_of(first, *pair) == points_of(second, *pair)


def test_letters_alternate_from_seed_to_seed() -> None:
    game = build_game("prisoners_dilemma", 2, {"alternate_actions": True})
    assert isinstance(game, MatrixGame)
    matches = [game.start(seed) for seed in range(200)]
    assert 70 < sum(match.actions == ("B", "A") for match in matches) < 130
    assert game.start(5).actions == matches[5].actions  # all matches of a group
    assert len({turn.grammar for match in matches for turn in match.turns()}) == 1
    for match in matches:
        cooperate, defect = match.actions
        by_letter = told(actions=[cooperate, defect], order=["A", "B"])
        assert match.turns()[0].prompt == by_letter
        play_all(match, cooperate + defect, defect + defect)
        assert match.rewards(0) == [0, 1]
        assert [value for name, value in game.observe(match, 0) if name == "cooperation"] == [1, 0]
        assert points_of(game.start(match.seed), "always_cooperate", "always_defect") == (0, 10)


def test_behaviours_name_the_action_by_its_place_where_letters_alternate() -> None:
    game = build_game("stag_hunt", 2, {"alternate_actions": True})
    assert (
        game.behaviours["choice_A_after_AB"] == "... after it chose action 1 and the other action 2"
    )
    named = build_game("stag_hunt", 2, {"actions": ["X", "Y"]})
    assert named.behaviours["choice_A"] == "chooses X"


def test_only_rules_that_change_sentences_reach_the_tokenizer() -> None:
    def entry(**rules: Any) -> dict[str, Any]:
        return {"name": "prisoners_dilemma", "rounds": 2, "rules": rules}

    assert wordings([entry(), entry(reward=4, alternate_actions=True, system="Hello.")]) == [
        {"name": "prisoners_dilemma", "rules": {}}
    ]
    assert len(wordings([entry(), entry(wording="brief"), entry(actions=["X", "Y"])])) == 3


# Players


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
