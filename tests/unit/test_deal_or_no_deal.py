"""Deal-or-No-Deal: what it draws, states in prompts and pays, and how its players bargain."""

import re
from random import Random
from typing import Any

import pytest
from tests.unit.playing import points_of, reply_of, say, take_all, talk

from social_dilemmas.games.deal_or_no_deal import (
    DealOrNoDeal,
    DealOrNoDealMatch,
    Offer,
    all_values,
    state_values,
    stated_values,
    worth,
)
from social_dilemmas.games.game import SEATS

KINDS = ("books", "hats", "balls")
OFFER = Offer((2, 1, 2), ((2, 0, 3), (1, 2, 3)))  # seat 0 wants books more, seat 1 hats


def items(*numbers: int) -> str:
    return "".join(f"<{number} {kind}>" for number, kind in zip(numbers, KINDS, strict=True))


def of(*offers: Offer, **rules: Any) -> DealOrNoDealMatch:
    """A match with these offers, round by round, in which seat 0 starts."""
    game = DealOrNoDeal(len(offers), **{"messages": 1, **rules})
    return DealOrNoDealMatch(seed=0, game=game, first_starter=0, offers=list(offers))


def test_offers_are_those_of_the_paper() -> None:
    """Five to seven items of three kinds, worth 10 points to either; each item is wanted by
    somebody, and some by both.
    """
    game = DealOrNoDeal(rounds=20)
    sizes = set()
    for seed in range(100):
        for offer in game.start(seed).offers:
            sizes.add(sum(offer.counts))
            assert min(offer.counts) >= 1
            assert [worth(values, offer.counts) for values in offer.values] == [10, 10]
            assert all(a + b for a, b in zip(*offer.values, strict=True))
            assert any(a * b for a, b in zip(*offer.values, strict=True))
    assert sizes == {5, 6, 7}


def test_all_values_come_to_the_total() -> None:
    found = all_values((1, 2, 1), 3)
    assert sorted(found) == [(0, 0, 3), (0, 1, 1), (1, 0, 2), (1, 1, 0), (2, 0, 1), (3, 0, 0)]


@pytest.mark.parametrize("seed", range(4))
def test_it_pays_what_it_states(seed: int) -> None:
    """The rewards follow from the prompts alone."""
    match, random = DealOrNoDeal(6, messages=1).start(seed), Random(seed)
    opening = match.turns()[0].prompt
    assert "all items of a round are worth 10 points together to you" in opening
    assert "in the form <n books><n hats><n balls>" in opening
    claims: dict[int, list[int]] = {}
    outcome = ""
    while not match.finished:
        values: dict[int, list[int]] = {}
        while (seat := match.speaker) is not None:
            (turn,) = match.turns()
            if claims:
                asked = items(*claims[1 - seat])
                assert turn.prompt.startswith(f"The other player asked for {asked}. {outcome} Now")
            (there,) = re.findall(r"Now there is (<\d+ books><\d+ hats><\d+ balls>)\.", turn.prompt)
            counts = [int(number) for number in re.findall(r"\d+", there)]
            (stated,) = re.findall(
                r"You value (books at .*, hats at .*, and balls at \d+)\.", turn.prompt
            )
            values[seat] = [int(number) for number in re.findall(r"\d+", stated)]
            match.take({seat: say("hello")})
        claims = {seat: [random.randint(0, count // 2 + 1) for count in counts] for seat in SEATS}
        match.take({seat: items(*claims[seat]) for seat in SEATS})
        deal = all(a + b <= c for a, b, c in zip(claims[0], claims[1], counts, strict=True))
        outcome = "You had a deal." if deal else "There was no deal."
        for seat in SEATS:
            points = sum(v * c for v, c in zip(values[seat], claims[seat], strict=True))
            assert match.rewards(seat)[-1] == (points if deal else 0)
    assert match.invalid == [0, 0]


def test_values_are_private() -> None:
    match = of(OFFER)
    first = match.turns()[0].prompt
    talk(match, "hello")
    assert "books at 2, hats at 0, and balls at 3" in first
    assert "books at 1" not in first


DEALS = [
    ((2, 0, 1), (0, 1, 1), (7, 5)),
    ((0, 0, 0), (0, 0, 0), (0, 0)),
    ((2, 1, 2), (0, 0, 0), (10, 0)),
    ((2, 0, 2), (0, 1, 1), (0, 0)),  # three balls of two
    ((3, 0, 0), (0, 1, 0), (0, 0)),  # three books of two
    ((2, 0, 1), (0, 0, 1), (7, 3)),  # the hat is left over
]


def test_only_what_fits_is_paid() -> None:
    for first, second, rewards in DEALS:
        match = of(OFFER)
        take_all(match, "hello", (items(*first), items(*second)))
        assert match.history[0].rewards == rewards
        assert match.game.welfare_optimum(match) == 2 * 2 + 1 * 2 + 2 * 3


def test_messages_tell_values_or_none() -> None:
    assert stated_values(KINDS, f"I {state_values(KINDS, (7, 0, 10))}") == (7, 0, 10)
    assert stated_values(KINDS, "balls at 1 books at 10 hats at 4!") == (10, 4, 1)
    corrected = "books at 2, hats at 0, balls at 3; no, books at 1"
    assert stated_values(KINDS, corrected) == (1, 0, 3)
    for message in ("books at 2, hats at 0", "books and hats and balls", ""):
        assert stated_values(KINDS, message) is None


def test_behaviour_by_hand() -> None:
    match = of(OFFER, OFFER, OFFER)
    told = f"I {state_values(KINDS, (2, 0, 3))}"  # true for seat 0 only
    for first, second in (((2, 0, 1), (0, 1, 1)), ((2, 0, 2), (0, 1, 2)), ((0, 0, 0), (0, 1, 2))):
        take_all(match, told, (items(*first), items(*second)))
    assert list(match.game.observe(match, 0)) == [
        ("deal", 1),
        ("share_claimed", 0.7),
        ("share_claimed_at_start", 0.7),
        ("truthfulness", 1),
        ("deal", 0),
        ("share_claimed", 1),
        ("share_claimed_after_deal", 1),
        ("truthfulness", 1),
        ("deal", 1),
        ("share_claimed", 0),
        ("share_claimed_after_no_deal", 0),
        ("truthfulness", 1),
    ]
    assert ("truthfulness", 0) in list(match.game.observe(match, 1))


# Players


@pytest.mark.parametrize("player", ["greedy", "fair_half", "welfare_maximising", "reciprocator"])
def test_honest_players_tell_their_values(player: str) -> None:
    assert reply_of(player, of(OFFER)) == say("I value books at 2, hats at 0, and balls at 3")


def test_the_liar_overstates() -> None:
    told = say("I value books at 10, hats at 10, and balls at 10")
    assert reply_of("greedy_lying", of(OFFER)) == told


CLAIMS = [
    ("greedy", "hello", 0, (2, 0, 2)),  # all but what is worth nothing
    ("greedy", "hello", 1, (2, 1, 2)),
    ("greedy_lying", "hello", 0, (2, 0, 2)),
    ("fair_half", "hello", 0, (1, 1, 1)),  # the odd hat goes to the first speaker
    ("fair_half", "hello", 1, (1, 0, 1)),
    ("welfare_maximising", "hello", 0, (1, 1, 1)),  # told nothing, half of everything
    ("welfare_maximising", "books at 1, hats at 2, balls at 3", 0, (2, 0, 1)),
    ("welfare_maximising", "books at 2, hats at 0, balls at 3", 1, (0, 1, 1)),
    ("welfare_maximising", "books at 10, hats at 10, balls at 10", 0, (0, 0, 0)),
    ("reciprocator", "books at 1, hats at 2, balls at 3", 0, (2, 0, 1)),
]


def test_players_claim_as_expected() -> None:
    for player, heard, seat, expected in CLAIMS:
        match = of(OFFER)
        talk(match, heard)
        assert reply_of(player, match, seat) == items(*expected)


TREATMENTS = {
    (0, 1, 1): False,  # leaves 2 books and a ball: 7 of 10 points
    (2, 1, 1): True,  # leaves a ball: 3, less than a third
    (0, 1, 2): False,  # leaves 2 books: 4
    (2, 1, 2): True,
    (5, 5, 5): True,  # more than there is leaves nothing
}


def test_reciprocator_answers_the_last_treatment() -> None:
    truth = "I value books at 1, hats at 2, and balls at 3"
    for other_claims, wronged in TREATMENTS.items():
        match = of(OFFER, OFFER, OFFER)
        take_all(match, truth, (items(2, 0, 1), items(*other_claims)))
        talk(match, truth)
        assert reply_of("reciprocator", match) == items(*((2, 0, 2) if wronged else (2, 0, 1)))
        take_all(match, truth, (items(2, 0, 2), items(0, 1, 1)))  # treated well again
        talk(match, truth)
        assert reply_of("reciprocator", match) == items(2, 0, 1)


def test_equal_divisions_always_fit() -> None:
    for seed in range(50):
        match = DealOrNoDeal(10).start(seed)
        points_of(match, "fair_half", "fair_half")
        for finished in match.history:
            assert finished.deal
            assert tuple(map(sum, zip(*finished.claims, strict=True))) == finished.offer.counts


def test_two_greedy_players_never_have_a_deal() -> None:
    """Something is worth points to both, and both ask for all of it."""
    assert points_of(DealOrNoDeal(30).start(0), "greedy", "greedy") == (0, 0)
