"""Trust-and-Split: what it deals, states in prompts and pays, and how its players talk and propose."""

import itertools
import re
from collections import Counter
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from tests.unit.playing import points_of, reply_of, say, take_all, talk

from social_dilemmas.games.game import SEATS
from social_dilemmas.games.trust_and_split import (
    BEATS,
    HANDS,
    TrustAndSplit,
    TrustAndSplitMatch,
    named_hand,
    upper_seat,
)

PAIRS = list(itertools.permutations(HANDS, 2))
UPPER, LOWER = ("rock", "scissors"), ("rock", "paper")  # seat 0 has the upper or the lower hand
OTHER: dict[str, Any] = {"coins": 3, "upper_value": 2.5, "lower_value": 0, "message_limit": 15}


def trust_of(*hands: tuple[str, str], starter: int = 0) -> TrustAndSplitMatch:
    """A match with these hands of both seats, round by round."""
    game = TrustAndSplit(len(hands))
    return TrustAndSplitMatch(seed=0, game=game, first_starter=starter, hands=list(hands))


def ask(number: int) -> str:
    return f"<{number} coins>"


def only(pattern: str, prompt: str) -> str:
    (found,) = re.findall(pattern, prompt)
    return str(found)


@pytest.mark.parametrize("rules", [{}, OTHER], ids=["default", "other"])
@pytest.mark.parametrize("seed", range(8))
def test_it_pays_what_it_states(rules: dict[str, Any], seed: int) -> None:
    """The rewards follow from the prompts alone."""
    match, random = TrustAndSplit(8, **rules).start(seed), Random(seed)
    opening = match.turns()[0].prompt
    coins = int(only(r"divide (\d+) coins", opening))
    assert f"ask for more than {coins} coins, they are shared in proportion" in opening
    upper = float(only(r"upper hand a coin is worth (\S+) points", opening))
    lower = float(only(r"lower hand (\S+) points", opening))
    assert "in the form <n coins>" in opening
    beats = dict(re.findall(r"(rock|paper|scissors) beats (rock|paper|scissors)", opening))
    assert len(beats) == 3
    last: dict[int, tuple[str, int]] = {}  # the level of the hand, coins asked for; by seat
    while not match.finished:
        hands: dict[int, str] = {}
        while (seat := match.speaker) is not None:
            (turn,) = match.turns()
            hands[seat] = only(r"Now you hold (rock|paper|scissors)\.", turn.prompt)
            if last:
                level, asked = last[1 - seat]
                before = f"The other player had the {level} hand and asked for {ask(asked)}. Now "
                assert turn.prompt.startswith(before)
            match.take({seat: say("hello")})
        asked_for = {seat: random.randint(0, coins) for seat in SEATS}
        match.take({seat: ask(asked_for[seat]) for seat in SEATS})
        assert hands[0] != hands[1]
        for seat in SEATS:
            won = beats[hands[seat]] == hands[1 - seat]
            cut = Fraction(coins, max(coins, sum(asked_for.values())))
            expected = Fraction(upper if won else lower) * asked_for[seat] * cut
            assert match.rewards(seat)[-1] == pytest.approx(float(expected))
            last[seat] = ("upper" if won else "lower", asked_for[seat])
    assert match.invalid == [0, 0]


def test_all_pairs_of_different_hands_are_dealt_and_either_seat_starts() -> None:
    matches = [TrustAndSplit(10).start(seed) for seed in range(300)]
    deals = Counter(hands for match in matches for hands in match.hands)
    assert set(deals) == set(PAIRS)
    assert all(abs(count - 500) < 5 * 500**0.5 for count in deals.values())
    assert 100 < sum(match.first_starter for match in matches) < 200


REFERENCES = [  # coins that both ask for with the (upper, lower) hand, and their points
    ((10, 0), (10, 0), (50, 50)),
    ((10, 10), (10, 10), (27.5, 27.5)),
    ((10, 10), (10, 0), (52.5, 25)),
    ((5, 5), (5, 5), (27.5, 27.5)),
    ((0, 0), (10, 10), (0, 55)),
]


def test_reference_points() -> None:
    """On average over all deals."""
    game = TrustAndSplit(rounds=1)
    for claim, other_claim, expected in REFERENCES:
        points = []
        for hands in PAIRS:
            first_lost = upper_seat(hands)
            points.append(game.rewards(hands, (claim[first_lost], other_claim[1 - first_lost])))
        mean = tuple(sum(column) / len(points) for column in zip(*points, strict=True))
        assert mean == pytest.approx(expected)


def test_hands_beat_each_other_as_ever() -> None:
    winners = {hands for hands in PAIRS if upper_seat(hands) == 0}
    assert winners == {("rock", "scissors"), ("scissors", "paper"), ("paper", "rock")}
    assert winners == set(BEATS.items())


def test_messages_name_a_hand_or_none() -> None:
    naming = ("I have rock", "PAPER", "scissors! scissors!", "<paper>")
    assert [*map(named_hand, naming)] == ["rock", "paper", "scissors", "paper"]
    for message in ("rock, not paper", "hello", " ", "rocket", "newspaper"):
        assert named_hand(message) is None


def test_behaviour_by_hand() -> None:
    match = trust_of(UPPER, LOWER, UPPER, LOWER)
    said = [("rock", "rock"), ("none", "I have paper"), ("paper", " "), ("rock", "scissors")]
    for messages, proposals in zip(said, ((9, 4), (1, 10), (8, 5), (10, 7)), strict=True):
        talk(match, *messages)
        match.take({seat: ask(proposals[seat]) for seat in SEATS})
    assert list(match.game.observe(match, 0)) == [
        ("truthfulness", 1),
        ("coins_upper_hand", 9),
        ("coins_lower_hand", 1),
        ("coins_lower_after_fair", 1),
        ("truthfulness", 0),
        ("coins_upper_hand", 8),
        ("truthfulness", 1),
        ("coins_lower_hand", 10),
        ("coins_lower_after_grab", 10),
    ]
    observed = list(match.game.observe(match, 1))
    assert [value for name, value in observed if name == "truthfulness"] == [0, 1, 0]
    assert observed[1:3] == [("coins_lower_hand", 4), ("coins_lower_at_start", 4)]


# Players

RULES = ("greedy", "welfare_maximising", "fair_half", "reciprocator")


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("hand", HANDS)
def test_truthful_senders_name_their_hand(rule: str, hand: str) -> None:
    other = "paper" if hand == "rock" else "rock"
    assert reply_of(rule, trust_of((hand, other))) == say(f"I have {hand}")
    second = trust_of((other, hand))
    second.take({0: say("I have scissors")})
    assert reply_of(rule, second, 1) == say(f"I have {hand}")


# By what was heard: what liars say who hold rock, paper, scissors. They name the hand that beats
# what was heard, unless it is the true one, or nothing is known: then the one that the true one
# beats.
LIES = {
    "I have rock": ("paper", "rock", "paper"),
    "I have paper": ("scissors", "scissors", "paper"),
    "I have scissors": ("scissors", "rock", "rock"),
    "rock, paper or scissors": ("scissors", "rock", "paper"),
    "hello": ("scissors", "rock", "paper"),
    "": ("scissors", "rock", "paper"),  # they speak first
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("heard", LIES)
def test_lying_senders_name_another_hand(rule: str, heard: str) -> None:
    for hand, expected in zip(HANDS, LIES[heard], strict=True):
        match = trust_of(("paper" if hand == "rock" else "rock", hand), starter=0 if heard else 1)
        if heard:
            match.take({0: say(heard)})
        assert reply_of(f"{rule}_lying", match, 1) == say(f"I have {expected}")


PROPOSALS = {
    "greedy": [("rock", "I have paper", 10), ("rock", "I have scissors", 10)],
    "fair_half": [("rock", "I have paper", 5), ("rock", "I have scissors", 5)],
    "welfare_maximising": [
        ("rock", "I have scissors", 10),
        ("paper", "I have rock", 10),
        ("scissors", "PAPER!", 10),
        ("rock", "I have paper", 0),
        ("paper", "I have scissors", 0),
        ("scissors", "rock", 0),
        ("rock", "I have rock", 5),  # cannot be true
        ("rock", "hello", 5),  # says nothing
    ],
    "reciprocator": [("rock", "scissors", 10), ("rock", "paper", 0), ("rock", "hello", 5)],
}


@pytest.mark.parametrize("rule", PROPOSALS)
@pytest.mark.parametrize("suffix", ["", "_lying"])
@pytest.mark.parametrize("starter", [0, 1])
def test_proposals_follow_what_was_heard(rule: str, suffix: str, starter: int) -> None:
    for hand, heard, expected in PROPOSALS[rule]:
        match = trust_of((hand, "scissors" if hand == "rock" else "rock"), starter=starter)
        talk(match, "whatever", heard)
        assert reply_of(f"{rule}{suffix}", match) == ask(expected)


PASTS: list[tuple[list[tuple[tuple[str, str], int]], int]] = [  # hands and the other's coins
    ([], 0),
    ([(UPPER, 4)], 0),
    ([(UPPER, 5)], 10),
    ([(UPPER, 10)], 10),
    ([(LOWER, 10)], 0),  # the other may ask for all with the upper hand
    ([(UPPER, 10), (LOWER, 0)], 10),  # leaving worthless coins makes no amends
    ([(UPPER, 10), (UPPER, 0)], 0),
    ([(UPPER, 0), (UPPER, 10), (LOWER, 10)], 10),
]


def test_reciprocator_answers_its_last_treatment_with_the_upper_hand() -> None:
    for past, expected in PASTS:
        match = trust_of(*(hands for hands, _ in past), LOWER)
        for _, other_proposal in past:
            take_all(match, "hello", (ask(5), ask(other_proposal)))
        talk(match, "I have rock", "I have paper")
        assert reply_of("reciprocator", match) == ask(expected)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("welfare_maximising", "welfare_maximising", (100, 100)),
        ("greedy", "greedy", (55, 55)),
        ("fair_half", "fair_half", (55, 55)),
        ("greedy", "welfare_maximising", (105, 50)),
        ("greedy_lying", "greedy", (55, 55)),
        ("reciprocator", "reciprocator", (100, 100)),
        # round 1: 10 coins against 10 with the upper hand; round 2: again, it was wronged
        ("reciprocator", "greedy", (50 + 5, 5 + 50)),
    ],
)
def test_matches_end_as_expected(first: str, second: str, expected: tuple[float, float]) -> None:
    assert points_of(trust_of(UPPER, LOWER), first, second) == pytest.approx(expected)


def test_a_lie_pays_against_a_believer() -> None:
    """With the lower hand, a liar who answers makes the believer give way."""
    for player, expected in (("greedy_lying", (0, 10)), ("greedy", (50, 5))):
        assert points_of(trust_of(UPPER), "welfare_maximising", player) == expected
