"""Deal-or-No-Deal: what it draws, tells and pays, and how its players bargain."""

import itertools
import re
from random import Random
from typing import Any

import pytest

from social_dilemmas.agents.play import play
from social_dilemmas.agents.scripted.player import scripted_player
from social_dilemmas.games.deal_or_no_deal import (
    DealOrNoDeal,
    DealOrNoDealMatch,
    Offer,
    all_values,
    tell_values,
    told_values,
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


def talk(match: DealOrNoDealMatch, message: str = "hello") -> None:
    """All messages of the current round."""
    while match.speaker is not None:
        match.take({match.speaker: f"<message>{message}</message>"})


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


@pytest.mark.parametrize("messages", [1, 3])
@pytest.mark.parametrize("seed", range(4))
def test_it_pays_what_it_tells(messages: int, seed: int) -> None:
    """The rewards follow from the prompts alone, and each hears what the other says."""
    match, random = DealOrNoDeal(6, messages=messages).start(seed), Random(seed)
    opening = match.turns()[0].prompt
    assert "all items of a round are worth 10 points together to you" in opening
    assert "in the form <n books><n hats><n balls>" in opening
    said_so = "one message of" if messages == 1 else f"{messages} messages in turn, each of"
    assert f"First each of you sends {said_so} at most 200 characters" in opening
    starters: list[int] = []
    last: dict[int, list[int]] = {}
    deal = False
    while not match.finished:
        values: dict[int, list[int]] = {}
        said: dict[int, str] = {}
        for step in range(2 * messages):
            (turn,) = match.turns()
            seat = turn.seat
            if step == 0:
                starters.append(seat)
            if step < 2:
                told = re.search(
                    r"You value books at (\d+), hats at (\d+), and balls at (\d+)\.", turn.prompt
                )
                there = re.search(
                    r"Now there is <(\d+) books><(\d+) hats><(\d+) balls>\.", turn.prompt
                )
                assert told is not None
                assert there is not None
                values[seat] = [int(number) for number in told.groups()]
                counts = [int(number) for number in there.groups()]
                if last:
                    outcome = "You had a deal." if deal else "There was no deal."
                    asked = items(*last[1 - seat])
                    assert turn.prompt.startswith(f"The other player asked for {asked}. {outcome} ")
            else:
                assert "You value" not in turn.prompt
            heard = f"The other player says: <message>{said.get(1 - seat)}</message>"
            assert (heard in turn.prompt) == (step > 0)
            said[seat] = f"message {step}"
            match.take({seat: f"<message>{said[seat]}</message>"})
        for turn in match.turns():
            heard = f"The other player says: <message>{said[1 - turn.seat]}</message> "
            expected = heard if turn.seat == starters[-1] else ""
            assert turn.prompt == f"{expected}What do you ask for?"
        claims = {seat: [random.randint(0, count // 2 + 1) for count in counts] for seat in SEATS}
        match.take({seat: items(*claims[seat]) for seat in SEATS})
        deal = all(a + b <= c for a, b, c in zip(claims[0], claims[1], counts, strict=True))
        for seat in SEATS:
            points = sum(v * c for v, c in zip(values[seat], claims[seat], strict=True))
            assert match.rewards(seat)[-1] == (points if deal else 0)
        last = claims
    assert match.invalid == [0, 0]
    assert all(a != b for a, b in itertools.pairwise(starters))


def test_values_are_private() -> None:
    match = of(OFFER)
    first = match.turns()[0].prompt
    talk(match)
    assert "books at 2, hats at 0, and balls at 3" in first
    assert "books at 1" not in first


@pytest.mark.parametrize(
    ("first", "second", "rewards"),
    [
        ((2, 0, 1), (0, 1, 1), (7, 5)),
        ((0, 0, 0), (0, 0, 0), (0, 0)),
        ((2, 1, 2), (0, 0, 0), (10, 0)),
        ((2, 0, 2), (0, 1, 1), (0, 0)),  # three balls of two
        ((3, 0, 0), (0, 1, 0), (0, 0)),  # three books of two
        ((2, 0, 1), (0, 0, 1), (7, 3)),  # the hat is left over
    ],
)
def test_only_what_fits_is_paid(
    first: tuple[int, ...], second: tuple[int, ...], rewards: tuple[int, int]
) -> None:
    match = of(OFFER)
    talk(match)
    match.take({0: items(*first), 1: items(*second)})
    assert match.history[0].rewards == rewards
    assert match.game.welfare_optimum(match) == 2 * 2 + 1 * 2 + 2 * 3


def test_forfeits_say_and_ask_nothing() -> None:
    match = of(OFFER)
    match.take({0: "I want all books"})
    match.take({1: "<message></message>"})
    match.take({0: "all", 1: items(0, 1, 2)})
    assert match.history[0].messages == ((" ",), (" ",))
    assert match.history[0].claims == ((0, 0, 0), (0, 1, 2))
    assert (match.rewards(0), match.rewards(1), match.invalid) == ([0], [8], [2, 1])


@pytest.mark.parametrize(
    ("message", "values"),
    [
        ("I value books at 2, hats at 0, and balls at 3", (2, 0, 3)),
        ("balls at 1 books at 10 hats at 4!", (10, 4, 1)),
        ("books at 2, hats at 0, balls at 3; no, books at 1", (1, 0, 3)),
        ("books at 2, hats at 0", None),
        ("books and hats and balls", None),
        ("", None),
    ],
)
def test_messages_tell_values_or_none(message: str, values: tuple[int, ...] | None) -> None:
    assert told_values(KINDS, message) == values


def test_told_values_are_understood() -> None:
    assert told_values(KINDS, tell_values(KINDS, (7, 0, 10))) == (7, 0, 10)


def test_behaviour_by_hand() -> None:
    match = of(OFFER, OFFER, OFFER)
    rounds = [((2, 0, 1), (0, 1, 1)), ((2, 0, 2), (0, 1, 2)), ((0, 0, 0), (0, 1, 2))]
    for first, second in rounds:
        while match.speaker is not None:
            told = tell_values(KINDS, (2, 0, 3))  # true for seat 0 only
            match.take({match.speaker: f"<message>I {told}</message>"})
        match.take({0: items(*first), 1: items(*second)})
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


def reply_of(player: str, match: DealOrNoDealMatch, seat: int) -> str:
    turn = next(turn for turn in match.turns() if turn.seat == seat)
    return scripted_player("deal_or_no_deal", player).reply([turn])[0]


@pytest.mark.parametrize("player", ["greedy", "fair_half", "welfare_maximising", "reciprocator"])
def test_honest_players_tell_their_values(player: str) -> None:
    told = "<message>I value books at 2, hats at 0, and balls at 3</message>"
    assert reply_of(player, of(OFFER), 0) == told


def test_the_liar_overstates() -> None:
    told = "<message>I value books at 10, hats at 10, and balls at 10</message>"
    assert reply_of("greedy_lying", of(OFFER), 0) == told


@pytest.mark.parametrize(
    ("player", "heard", "seat", "expected"),
    [
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
    ],
)
def test_players_claim_as_expected(
    player: str, heard: str, seat: int, expected: tuple[int, ...]
) -> None:
    match = of(OFFER)
    talk(match, heard)
    assert reply_of(player, match, seat) == items(*expected)


@pytest.mark.parametrize(
    ("other_claims", "wronged"),
    [
        ((0, 1, 1), False),  # leaves 2 books and a ball: 7 of 10 points
        ((2, 1, 1), True),  # leaves a ball: 3, less than a third
        ((0, 1, 2), False),  # leaves 2 books: 4
        ((2, 1, 2), True),
        ((5, 5, 5), True),  # more than there is leaves nothing
    ],
)
def test_reciprocator_answers_the_last_treatment(
    other_claims: tuple[int, ...], wronged: bool
) -> None:
    match = of(OFFER, OFFER, OFFER)
    truth = "I value books at 1, hats at 2, and balls at 3"
    talk(match, truth)
    match.take({0: items(2, 0, 1), 1: items(*other_claims)})
    talk(match, truth)
    assert reply_of("reciprocator", match, 0) == items(*((2, 0, 2) if wronged else (2, 0, 1)))
    match.take({0: items(2, 0, 2), 1: items(0, 1, 1)})  # treated well again
    talk(match, truth)
    assert reply_of("reciprocator", match, 0) == items(2, 0, 1)


def test_equal_divisions_always_fit() -> None:
    player = scripted_player("deal_or_no_deal", "fair_half")
    matches = [DealOrNoDeal(10).start(seed) for seed in range(50)]
    play(matches, [(player, player)] * len(matches))
    for match in matches:
        for finished in match.history:
            assert finished.deal
            assert tuple(map(sum, zip(*finished.claims, strict=True))) == finished.offer.counts


def test_two_greedy_players_never_have_a_deal() -> None:
    """Something is worth points to both, and both ask for all of it."""
    player = scripted_player("deal_or_no_deal", "greedy")
    match = DealOrNoDeal(30).start(0)
    play([match], [(player, player)])
    assert sum(match.rewards(0)) + sum(match.rewards(1)) == 0
