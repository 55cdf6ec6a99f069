"""Intervals: known cases, missing values, determinism, and what coverage they really have."""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pytest

from social_dilemmas.statistics.intervals import DRAWS, Interval, Sample, bootstrap_intervals


def interval_of(
    values: Mapping[int, Sequence[float]], draws: int = DRAWS, stream: Sequence[object] = ()
) -> Interval:
    """The interval of one quantity from its values in the matches of each seed; NaN is missing."""
    samples = []
    for seed, of_seed in values.items():
        column = np.asarray(of_seed, float).reshape(-1, 1)
        observed = np.isfinite(column)
        sums = np.where(observed, column, 0.0)
        samples.append(Sample((("naive", seed),), sums, observed.astype(float)))
    return bootstrap_intervals(samples, draws=draws, stream=stream)[0]


@pytest.mark.parametrize(
    ("values", "interval", "counts"),
    [
        ({seed: [0.1] * 64 for seed in (0, 42, 1337)}, (0.1, 0.1, 0.1), (3, 192, 0)),
        # without noise of matches, the range of three seeds
        ({0: [1.0] * 8, 42: [2.0] * 8, 1337: [6.0] * 8}, (3, 1, 6), (3, 24, 0)),
        # the mean is over seeds, however many matches each has
        ({0: [0.0] * 30, 1: [1.0] * 10}, (0.5, 0, 1), (2, 40, 0)),
        # missing values are dropped and counted
        ({0: [1.0, np.nan, 3.0], 1: [np.nan, np.nan], 2: [2.0]}, (2, 1, 3), (2, 3, 3)),
        ({0: [np.nan], 1: [np.nan]}, (np.nan,) * 3, (0, 0, 2)),
    ],
)
def test_known_intervals(
    values: dict[int, list[float]], interval: tuple[float, ...], counts: tuple[int, ...]
) -> None:
    found = interval_of(values)
    np.testing.assert_array_equal((found.mean, found.low, found.high), interval)
    assert (found.seeds, found.matches, found.missing) == counts
    assert found.interval_over == ("seeds and matches" if found.seeds else "matches")


def test_a_single_seed_falls_back_to_matches_and_says_so() -> None:
    values = list(np.random.default_rng(0).normal(size=400))
    interval = interval_of({0: values})
    assert interval.interval_over == "matches"
    assert interval.high - interval.low == pytest.approx(2 * 1.96 / 20, rel=0.15)


def test_equal_streams_give_equal_intervals_and_others_differ() -> None:
    values = {seed: list(np.random.default_rng(seed).normal(size=20)) for seed in range(3)}
    first, again = (interval_of(values, stream=("a", 1)) for _ in range(2))
    other = interval_of(values, stream=("a", 2))
    assert first == again
    assert first.mean == other.mean
    assert first.low != other.low


def test_observations_are_weighted_within_a_run() -> None:
    sums, counts = np.array([[1.0], [9.0]]), np.array([[1.0], [9.0]])
    never = np.array([[0.0], [0.0]]), np.array([[4.0], [6.0]])
    intervals = bootstrap_intervals(
        [Sample((("naive", 0),), sums, counts), Sample((("naive", 1),), *never)]
    )
    assert intervals[0].mean == 0.5
    assert (intervals[0].matches, intervals[0].observations) == (4, 20)


def test_runs_of_both_players_are_resampled() -> None:
    """Here payoffs depend on the opponent's run only."""
    samples = []
    for agent, opponent in product(range(3), repeat=2):
        runs = (("naive", agent), ("alignment", opponent))
        samples.append(Sample(runs, np.full((8, 1), float(opponent)), np.ones((8, 1))))
    interval = bootstrap_intervals(samples)[0]
    assert (interval.mean, interval.low, interval.high) == (1, 0, 2)
    assert interval.seeds == 6


def test_fixed_players_leave_matches_only() -> None:
    sample = Sample((), np.array([[1.0], [2.0]]), np.ones((2, 1)))
    interval = bootstrap_intervals([sample])[0]
    assert (interval.mean, interval.low, interval.high) == (1.5, 1, 2)
    assert interval.interval_over == "matches"
    assert interval.seeds == 0


def coverage(seeds: int, spread_of_seeds: float, repetitions: int = 300) -> float:
    """Share of simulated experiments whose interval holds the true mean, 0."""
    random = np.random.default_rng(7)
    covered = 0
    for repetition in range(repetitions):
        means = spread_of_seeds * random.normal(size=seeds)
        values = {seed: list(mean + random.normal(size=16)) for seed, mean in enumerate(means)}
        interval = interval_of(values, draws=400, stream=(repetition,))
        covered += interval.low <= 0 <= interval.high
    return covered / repetitions


@pytest.mark.parametrize(
    ("seeds", "spread_of_seeds", "least", "most"),
    [
        (3, 0.0, 0.93, 1.0),  # seeds don't matter: resampling them as well is careful
        (3, 10.0, 0.68, 0.82),  # seeds are all that matters: 3/4, as the module says
        (20, 10.0, 0.88, 0.98),
        (1, 0.0, 0.85, 0.98),  # matches only
    ],
)
def test_coverage_is_what_the_module_says(
    seeds: int, spread_of_seeds: float, least: float, most: float
) -> None:
    assert least <= coverage(seeds, spread_of_seeds) <= most
