"""Intervals: known cases, missing values, and the coverage that the module promises."""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pytest

from social_dilemmas.statistics.intervals import Interval, Run, Sample, intervals, t_quantile

T_OF_3 = 4.30265272975  # Student's t of three observations, from tables


def sample(values: Sequence[float], *runs: Run) -> Sample:
    """One quantity in one match of each deal; NaN is missing."""
    column = np.asarray(values, float).reshape(-1, 1)
    observed = np.isfinite(column)
    sums = np.where(observed, column, 0.0)
    return Sample(runs, np.arange(len(column)), sums, observed.astype(float))


def interval_of(values: Mapping[int, Sequence[float]]) -> Interval:
    """The interval of one quantity from its values in the deals of each seed."""
    (found,) = intervals([sample(each, ("naive", seed)) for seed, each in values.items()])
    return found


@pytest.mark.parametrize(
    ("values", "mean", "reach", "counts"),
    [
        ({seed: [0.1] * 64 for seed in (0, 42, 1337)}, 0.1, 0, (3, 192, 0)),
        # runs alone: the standard error of the mean of 1, 2 and 6
        ({0: [1.0] * 8, 42: [2.0] * 8, 7: [6.0] * 8}, 3, T_OF_3 * np.sqrt(7 / 3), (3, 24, 0)),
        # deals alone, the same in all runs: that of 1, 2 and 6 again
        ({seed: [1.0, 2.0, 6.0] for seed in range(9)}, 3, T_OF_3 * np.sqrt(7 / 3), (9, 27, 0)),
        # both, which are independent: the square root of the sum of squares
        (
            {seed: [run + deal for deal in (1.0, 2.0, 6.0)] for seed, run in enumerate((1, 2, 6))},
            *(6, T_OF_3 * np.sqrt(14 / 3), (3, 9, 0)),
        ),
        # the mean is over seeds, however many matches each has
        ({0: [0.0] * 30, 1: [0.0] * 10, 2: [3.0] * 9}, 1, T_OF_3, (3, 49, 0)),
        # missing values are dropped and counted
        ({0: [1.0, np.nan, 1.0], 1: [np.nan, np.nan], 2: [1.0]}, 1, 0, (2, 3, 3)),
        ({0: [np.nan], 1: [np.nan]}, np.nan, np.nan, (0, 0, 2)),
    ],
)
def test_known_intervals(
    values: dict[int, list[float]], mean: float, reach: float, counts: tuple[int, ...]
) -> None:
    found = interval_of(values)
    ends = pytest.approx([mean - reach, mean, mean + reach], nan_ok=True)
    assert [found.low, found.mean, found.high] == ends
    assert reach != 0 or found.low == found.mean == found.high
    assert (found.seeds, found.matches, found.missing) == counts
    assert found.interval_over == ("seeds and matches" if found.seeds else "nothing")


def test_a_seed_in_which_nothing_was_observed_has_no_value_of_its_own() -> None:
    assert interval_of({0: [1.0, 3.0], 1: [np.nan, np.nan], 2: [5.0, 5.0]}).by_seed == "2 nan 5"
    assert interval_of({0: [np.nan], 1: [np.nan]}).by_seed == ""


def test_a_single_seed_falls_back_to_matches_and_says_so() -> None:
    values = list(np.random.default_rng(0).normal(size=400))
    interval = interval_of({0: values})
    assert (interval.interval_over, interval.seeds) == ("matches", 1)
    assert interval.high - interval.low == pytest.approx(2 * 1.96 / 20, rel=0.15)


def test_a_single_deal_leaves_seeds_and_with_a_single_seed_nothing() -> None:
    interval = interval_of({0: [1.0], 1: [2.0], 2: [6.0]})
    assert interval.interval_over == "seeds"
    assert interval.high == pytest.approx(3 + T_OF_3 * np.sqrt(7 / 3))
    alone = interval_of({0: [1.0]})
    assert (alone.mean, alone.interval_over) == (1, "nothing")
    assert np.isnan([alone.low, alone.high]).all()


def test_observations_are_weighted_within_a_run() -> None:
    sums, counts = np.array([[1.0], [9.0]]), np.array([[1.0], [9.0]])
    never, deals = (np.array([[0.0], [0.0]]), np.array([[4.0], [6.0]])), np.arange(2)
    (found,) = intervals(
        [Sample((("naive", 0),), deals, sums, counts), Sample((("naive", 1),), deals, *never)]
    )
    assert found.mean == 0.5
    assert (found.matches, found.observations, found.by_seed) == (4, 20, "1 0")


def test_both_matches_of_a_deal_are_one_observation() -> None:
    """What one seat gains by luck the other seat gains in the swapped match."""
    values = np.array([[9.0], [-9.0], [6.0], [-6.0], [1.0], [-1.0]])
    (found,) = intervals([Sample((), np.array([0, 0, 1, 1, 2, 2]), values, np.ones((6, 1)))])
    assert (found.low, found.mean, found.high, found.matches) == (0, 0, 0, 6)


def test_runs_of_both_players_are_sources() -> None:
    """Here payoffs depend on the opponent's run only; the means are those of the agent's runs."""
    runs = {seed: float(value) for seed, value in enumerate((1, 2, 6))}
    crossed = [
        sample([value] * 8, ("naive", agent), ("alignment", opponent))
        for agent, (opponent, value) in product(range(3), runs.items())
    ]
    (found,) = intervals(crossed)
    assert found.high == pytest.approx(3 + T_OF_3 * np.sqrt(7 / 3))
    assert (found.seeds, found.by_seed) == (6, "3 3 3")


def test_runs_that_play_each_other_count_on_both_sides() -> None:
    """Every run of (1, 2, 6) adds its number wherever it plays, as an agent or as an opponent."""
    worth = (1.0, 2.0, 6.0)
    pairs = [(i, j) for i, j in product(range(3), repeat=2) if i != j]
    (found,) = intervals(
        [sample([worth[i] + worth[j]] * 2, ("naive", i), ("naive", j)) for i, j in pairs]
    )
    assert (found.mean, found.by_seed) == (6, "5 5.5 7.5")
    assert found.high == pytest.approx(6 + 2 * T_OF_3 * np.sqrt(7 / 3))


def test_fixed_players_leave_matches_only() -> None:
    (found,) = intervals([sample([1.0, 2.0, 6.0])])
    assert (found.mean, found.interval_over, found.seeds) == (3, "matches", 0)
    assert found.high == pytest.approx(3 + T_OF_3 * np.sqrt(7 / 3))


@pytest.mark.parametrize(
    ("degrees", "value"),
    [(1, 12.7062), (2, 4.3027), (4, 2.7764), (9, 2.2622), (30, 2.0423), (1000, 1.9623)],
)
def test_quantiles_are_those_of_printed_tables(degrees: int, value: float) -> None:
    assert t_quantile(degrees) == pytest.approx(value, abs=1e-4)


def experiment(
    random: np.random.Generator, runs: int, design: str, of_runs: float, of_deals: float
) -> list[Sample]:
    """Normal effects of runs and of ten deals that all share, and noise of size 1; the true mean is 0."""
    agents, opponents = of_runs * random.normal(size=(2, runs))
    deals = of_deals * random.normal(size=10)
    found = []
    for i, j in product(range(runs), repeat=2):
        if (i == j and design == "other seeds") or (i != j and design == "self-play"):
            continue
        opponent = {
            "crossed": ("alignment", j),
            "other seeds": ("naive", j),
            "self-play": ("naive", i),
        }
        players = dict.fromkeys([("naive", i), opponent[design]])
        effect = agents[i] + opponents[j] * (len(players) > 1)
        found.append(sample(effect + deals + random.normal(size=10), *players))
    return found


@pytest.mark.parametrize("runs", [3, 5, 10])
@pytest.mark.parametrize(
    "of_runs", [0.3, 10.0]
)  # about as much as noise of matches, and all that matters
@pytest.mark.parametrize("design", ["self-play", "crossed", "other seeds"])
def test_intervals_cover_the_true_mean(design: str, of_runs: float, runs: int) -> None:
    """In 93 % of simulated experiments at least."""
    random, covered, repetitions = np.random.default_rng(7), 0, 1200 // runs
    for _ in range(repetitions):
        (found,) = intervals(experiment(random, runs, design, of_runs, of_deals=of_runs / 3))
        covered += found.low <= 0 <= found.high
    assert covered / repetitions >= 0.93
