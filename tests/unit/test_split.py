"""Split: what it draws, states in prompts and pays, and how its players claim."""

import itertools
import re
from collections import Counter
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from tests.unit.playing import points_of, reply_of

from social_dilemmas.games.dividing import asks_little, half
from social_dilemmas.games.game import SEATS
from social_dilemmas.games.split import Split, SplitMatch

RULES: dict[str, dict[str, Any]] = {
    "default": {},
    "two kinds": {"kinds": ["apples", "pears"], "quantity": 7, "unit_values": [2, 3, 12]},
    "four kinds": {"kinds": ["a", "b", "c", "d"], "quantity": 2, "unit_values": [0.5, 0]},
    "exclusive": {"value_draw": "exclusive"},
    "range": {"value_draw": "range", "unit_values": [1, 20]},
}
ROUND = ((10, 1, 10), (10, 10, 1))  # hats alike; seat 0 values balls more, seat 1 books


def split_of(*values: tuple[tuple[int, ...], tuple[int, ...]], quantity: int = 10) -> SplitMatch:
    """A match with these values of both seats, round by round."""
    return SplitMatch(seed=0, game=Split(len(values), quantity=quantity), values=list(values))


def claims(*numbers: int) -> str:
    return "<{} hats><{} books><{} balls>".format(*numbers)


def stated_values(prompt: str, kinds: list[str]) -> list[list[float]]:
    """The values that a prompt states: own, other's."""
    found = re.search(r"You value (.*)\. The other player values (.*)\.$", prompt)
    assert found is not None
    phrases = [re.split(r",? and |, ", text) for text in found.groups()]
    assert [[phrase.split(" at ")[0] for phrase in side] for side in phrases] == [kinds, kinds]
    return [[float(phrase.split(" at ")[1]) for phrase in side] for side in phrases]


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
@pytest.mark.parametrize("seed", range(5))
def test_it_pays_what_it_states(rules: dict[str, Any], seed: int) -> None:
    """The rewards follow from the prompts alone."""
    match, streams = Split(8, **rules).start(seed), [Random(seed), Random(-seed - 1)]
    opening = match.turns()[0].prompt
    listed = re.search(r"divide (.*) in every round", opening)
    assert listed is not None
    items = [item.split() for item in listed[1].split(" and ")]
    kinds = [kind for _, kind in items]
    (quantity,) = {int(number) for number, _ in items}
    assert f"ask for more than {quantity} units" in opening
    assert f"a number from 0 to {quantity}." in opening
    form = "".join(f"<n {kind}>" for kind in kinds)
    assert f"Reply in the form {form} and nothing else" in opening
    replies: dict[int, str] = {}
    while not match.finished:
        turns = match.turns()
        for turn in turns if replies else ():
            last = replies[1 - turn.seat]
            assert turn.prompt.startswith(f"The other player asked for {last}. You value ")
        values = [stated_values(turn.prompt, kinds) for turn in turns]
        assert values[0] == values[1][::-1]
        claims = {seat: [streams[seat].randint(0, quantity) for _ in kinds] for seat in SEATS}
        replies = {seat: form.replace("n ", "{} ").format(*claims[seat]) for seat in SEATS}
        match.take(replies)
        for seat in SEATS:
            expected = sum(
                Fraction(value) * claim * Fraction(quantity, max(quantity, claim + other))
                for value, claim, other in zip(
                    values[seat][0], claims[seat], claims[1 - seat], strict=True
                )
            )
            assert match.rewards(seat)[-1] == pytest.approx(float(expected))
    assert match.invalid == [0, 0]


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_values_are_those_of_the_rules(rules: dict[str, Any]) -> None:
    game = Split(8, **rules)
    values = [pair for seed in range(50) for pair in game.start(seed).values]
    assert {value for pair in values for own in pair for value in own} == set(game.unit_values)
    for first, second in values:
        assert first != second
        if game.value_draw == "exclusive":
            assert all({*pair} == {1, 10} for pair in zip(first, second, strict=True))
            assert max(first) == max(second) == 10
        else:
            assert sum(first) == sum(second)


def allowed_values() -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """All equally likely values of a round of the default game."""
    draws = list(itertools.product((1, 10), repeat=3))
    return [(a, b) for a in draws for b in draws if a != b and sum(a) == sum(b)]


# Of the default game twelve, else six of the eight ways to give three kinds to two owners.
@pytest.mark.parametrize(("value_draw", "ways"), [("set", 12), ("exclusive", 6)])
def test_all_allowed_values_are_equally_likely(value_draw: str, ways: int) -> None:
    game = Split(rounds=200, value_draw=value_draw)
    counts = Counter(values for seed in range(30) for values in game.start(seed).values)
    assert len(counts) == ways
    assert all(abs(count - 6000 / ways) < 5 * (6000 / ways) ** 0.5 for count in counts.values())
    assert value_draw == "exclusive" or set(counts) == set(allowed_values())


def test_by_range_every_whole_number_is_drawn() -> None:
    assert Split(1, unit_values=(20, 1), value_draw="range").unit_values == tuple(range(1, 21))


def test_reference_points() -> None:
    """On average over all values: 127.5 a seat at the optimum, 82.5 if both are greedy."""
    for player, expected in (("welfare_maximising", 127.5), ("greedy", 82.5)):
        points = [points_of(split_of(values), player, player) for values in allowed_values()]
        assert sum(map(sum, points)) / 2 / len(points) == pytest.approx(expected)


def test_behaviour_by_hand() -> None:
    match = split_of(ROUND, ROUND, ROUND)
    for first, second in (((1, 2, 3), (4, 5, 4)), ((5, 6, 7), (0, 0, 5)), ((8, 9, 10), (10,) * 3)):
        match.take({0: claims(*first), 1: claims(*second)})
    for seat, preferred, others in ((0, (3, 7, 10), (2, 6, 9)), (1, (5, 0, 10), (4, 5, 10))):
        expected = [("claim_preferred", claim) for claim in preferred]
        for claim, treatment in zip(others, ("at_start", "after_fair", "after_grab"), strict=True):
            expected += [("claim_other", claim), (f"claim_other_{treatment}", claim)]
        assert sorted(match.game.observe(match, seat)) == sorted(expected)


def test_fair_is_fewer_than_half() -> None:
    assert [asks_little([claim], 10) for claim in (4, 5)] == [True, False]
    assert [asks_little([9, claim], 10) for claim in (0, 1)] == [True, False]
    assert [asks_little([claim], 7) for claim in (3, 4)] == [True, False]
    assert [half(quantity) for quantity in (1, 2, 7, 10)] == [1, 1, 4, 5]


# Players

KIND, WRONGED = (5, 0, 10), (10, 10, 10)
OPENINGS = {  # of seats 0 and 1
    "greedy": [WRONGED, WRONGED],
    "welfare_maximising": [KIND, (5, 10, 0)],
    "fair_half": [(5, 5, 5), (5, 5, 5)],
    "reciprocator": [KIND, (5, 10, 0)],
}


@pytest.mark.parametrize("player", OPENINGS)
def test_players_open_as_expected(player: str) -> None:
    for seat in SEATS:
        assert reply_of(player, split_of(ROUND), seat) == claims(*OPENINGS[player][seat])


def test_reciprocator_answers_the_last_treatment() -> None:
    """Only balls count: what seat 0 valued more."""
    kind = [((0, 0, 0), KIND), ((10, 10, 4), KIND), ((5, 10, 0), KIND)]
    grabs = [((10, 10, 5), WRONGED), ((0, 0, 5), WRONGED), ((10, 10, 10), WRONGED)]
    for other_claims, expected in kind + grabs:
        match = split_of(ROUND, ROUND, ROUND)
        match.take({0: claims(5, 0, 10), 1: claims(*other_claims)})
        assert reply_of("reciprocator", match) == claims(*expected)
        match.take({0: claims(10, 10, 10), 1: claims(5, 10, 0)})  # treated well again
        assert reply_of("reciprocator", match) == claims(*KIND)


def test_reciprocator_sums_over_all_kinds_that_it_valued_more() -> None:
    one, two = ((10, 10, 1), (1, 10, 10)), ((10, 10, 1), (1, 1, 19))
    for claimed, wronged in (((4, 5), False), ((0, 9), False), ((0, 10), True), ((5, 5), True)):
        match = split_of(two, one)
        match.take({0: claims(10, 10, 0), 1: claims(*claimed, 10)})
        assert reply_of("reciprocator", match) == claims(*(WRONGED if wronged else (10, 5, 0)))


def test_half_of_an_odd_quantity_leaves_nothing_over() -> None:
    match = split_of(ROUND, quantity=7)
    assert reply_of("welfare_maximising", match) == claims(4, 0, 7)
    assert points_of(match, "welfare_maximising", "welfare_maximising") == (105, 105)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("welfare_maximising", "welfare_maximising", (300, 300)),
        ("greedy", "greedy", (210, 210)),
        ("fair_half", "fair_half", (210, 210)),
        # greedy: 10 hats against 5, all books or half of them, half of the balls or all of them
        ("greedy", "welfare_maximising", (2 * (200 / 3 + 5 + 100), 2 * (100 / 3 + 50))),
        # kind in the first round, greedy in the second
        ("reciprocator", "greedy", (100 / 3 + 50 + 105, 200 / 3 + 100 + 5 + 105)),
        ("reciprocator", "reciprocator", (300, 300)),
        ("reciprocator", "welfare_maximising", (300, 300)),
    ],
)
def test_matches_end_as_expected(first: str, second: str, expected: tuple[float, float]) -> None:
    assert points_of(split_of(ROUND, ROUND), first, second) == pytest.approx(expected)
