"""How many rounds a match has."""

from collections import Counter
from typing import Any

import pytest

from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game
from social_dilemmas.games.horizon import horizon_of


def drawn(rounds: Any, draws: int = 20_000) -> Counter[int]:
    horizon = horizon_of(rounds)
    return Counter(horizon.draw(seed) for seed in range(draws))


def test_a_number_is_the_number_of_rounds() -> None:
    assert drawn(7, 50) == {7: 50}


def test_every_length_between_least_and_most_is_as_likely() -> None:
    counts = drawn({"least": 3, "most": 6})
    assert set(counts) == {3, 4, 5, 6}
    assert all(abs(count - 5000) < 5 * 5000**0.5 for count in counts.values())
    assert drawn({"least": 4, "most": 4}, 50) == {4: 50}


def test_after_each_round_the_match_goes_on_with_the_continuation_probability() -> None:
    counts = drawn({"continuation": 0.8, "most": 4})
    expected = {1: 0.2, 2: 0.16, 3: 0.128, 4: 0.512}  # what would be longer is cut
    assert set(counts) == set(expected)
    for rounds, probability in expected.items():
        mean = 20_000 * probability
        assert abs(counts[rounds] - mean) < 5 * (mean * (1 - probability)) ** 0.5
    assert drawn({"continuation": 0, "most": 9}, 50) == {1: 50}


def test_the_same_seed_gives_the_same_length_in_every_game() -> None:
    rounds = {"least": 1, "most": 100}
    games = [build_game(name, rounds) for name in ("split", "trust_and_split", "chicken")]
    for seed in range(5):
        assert len({game.start(seed).rounds for game in games}) == 1
    assert len({games[0].start(seed).rounds for seed in range(30)}) > 20


@pytest.mark.parametrize(
    ("rounds", "message"),
    [
        (0, "rounds must be at least 1, but is 0"),
        (-1, "rounds must be at least 1"),
        (2.5, "rounds must be a whole number, but is 2.5"),
        ("ten", "rounds must be a whole number, but is 'ten'"),
        (True, "rounds must be a whole number"),
        ({"least": 0, "most": 3}, "rounds.least must be at least 1, but is 0"),
        ({"least": 4, "most": 3}, "rounds.least must be at most rounds.most, 3, but is 4"),
        ({"continuation": 0.5, "most": 0}, "rounds.most must be at least 1, but is 0"),
        ({"continuation": 1, "most": 3}, "continuation must be at least 0 and less than 1"),
        ({"continuation": -0.1, "most": 3}, "continuation must be at least 0 and less than 1"),
        ({"continuation": float("nan"), "most": 3}, "continuation must be at least 0"),
        ({"least": 1, "continuation": 0.5, "most": 3}, "least, most. or .continuation, most"),
        ({"most": 3}, "must be a number, .least, most. or .continuation, most., but holds most"),
        ({}, "but holds nothing"),
    ],
)
def test_horizons_that_make_no_sense_are_refused(rounds: Any, message: str) -> None:
    with pytest.raises(UserError, match=f"^split: .*{message}"):
        build_game("split", rounds)
