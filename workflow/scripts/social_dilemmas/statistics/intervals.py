"""Intervals that follow how the numbers came about: training runs, and deals that all of them play.

Two things are random in a mean payoff: which training runs (seeds) there happen to be, and which chance events they
happened to play. All pairs of agents play the same deals, each twice with swapped seats. So a deal (both of its
matches, in all pairs) is one observation, and so is a run (all pairs that it is in). The mean's standard error by each
is that of the jackknife, which leaves out one run or one deal at a time (Tukey, Annals of Mathematical Statistics 29,
1958; Arvesen, Annals of Mathematical Statistics 40, 1969). Where both players are trained, the runs of each algorithm
are a source of their own. Every source gets the half-width of Student's t with as many degrees of freedom as it has
observations, less one; the interval's half-width is the square root of the sum of their squares (Howe, Journal of the
American Statistical Association 69, 1974; Zou and Donner, Statistics in Medicine 27, 2008).

With normal runs it covers 95 % or a little more, also with three of them (`tests/unit/test_intervals.py`): noise that
is a run's and a deal's alone is counted in both. It may reach beyond what is possible, such as a share above 1. Where
runs are of two kinds, say two that cooperate and one that doesn't, no interval of three numbers can keep such a
promise: look at every seed.

It speaks of other seeds and other deals, for this model, this warm start (there is one for all seeds and algorithms),
these settings and these opponents; never of another warm start. With a single run it knows nothing of other seeds: the
interval is over matches only, and says so (`interval_over`). With a single deal as well, there is none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Run = tuple[str, int]  # (algorithm, seed): something that was trained

CONFIDENCE = 0.95
DIGITS = 12  # results are rounded, so that equal values give an interval of no width at all


@dataclass(frozen=True)
class Sample:
    """Matches of the same trained runs, with several quantities in columns."""

    runs: tuple[Run, ...]  # the agent's, then the opponent's; none of players that weren't trained
    # (matches,) numbers of the chance events; equal numbers are equal events in all samples
    deals: NDArray[np.int64]
    sums: Floats  # (matches, quantities) of what was observed in a match
    counts: Floats  # (matches, quantities) how often it was observed


@dataclass(frozen=True)
class Interval:
    """The mean over samples of the mean over a sample's observations, and its interval; NaN without any.

    `interval_over` is "seeds and matches", or "matches" where there was no second seed, "seeds" where there was no
    second deal, or "nothing". `by_seed` are the means of the single runs of the agent (of the opponent, if the agent
    isn't trained) in the order of their seeds, as a text.
    """

    mean: float
    low: float
    high: float
    matches: int  # in which the quantity was observed
    missing: int  # matches in which it wasn't
    observations: int
    seeds: int  # trained runs
    interval_over: str
    by_seed: str


def intervals(samples: Sequence[Sample]) -> list[Interval]:
    """An interval for each quantity of the samples, of which there is at least one.

    Samples in which a quantity was never observed don't count for it.
    """
    quantities = range(samples[0].sums.shape[1])
    return [_interval(samples, quantity) for quantity in quantities]


@cache
def t_quantile(degrees: int) -> float:
    """What Student's t with these degrees of freedom exceeds in size with probability 1 - `CONFIDENCE`.

    With t = sqrt(degrees) tan(angle), the density of the angle is in proportion to cos(angle) ** (degrees - 1).
    """
    angles = np.linspace(0, np.pi / 2, 200_001)
    density = np.cos(angles) ** (degrees - 1)
    below = np.cumsum(density[1:] + density[:-1])
    return float(np.sqrt(degrees) * np.tan(np.interp(CONFIDENCE, below / below[-1], angles[1:])))


def _interval(samples: Sequence[Sample], quantity: int) -> Interval:
    """The interval of one quantity."""
    used = [sample for sample in samples if sample.counts[:, quantity].any()]
    counts = [sample.counts[:, quantity] for sample in samples]
    matches = sum(int(np.count_nonzero(count)) for count in counts)
    runs = sorted({run for sample in used for run in sample.runs})
    by_run, by_deal = _without_a_run(used, runs, quantity), _without_a_deal(used, quantity)
    means = _means(used, quantity)
    mean = means.mean() if used else float("nan")
    over = [name for name, found in (("seeds", by_run), ("matches", by_deal)) if found]
    reach = np.hypot.reduce([*map(_half_width, [*by_run, *by_deal])]) if over else float("nan")
    mean, low, high = (round(float(end), DIGITS) for end in (mean, mean - reach, mean + reach))
    firsts = sorted({sample.runs[:1] for sample in samples} - {()}) if used else []
    of_seeds = [means[[sample.runs[:1] == first for sample in used]] for first in firsts]
    by_seed = [found.mean() if found.size else float("nan") for found in of_seeds]
    return Interval(
        mean=mean,
        low=low,
        high=high,
        matches=matches,
        missing=sum(map(len, counts)) - matches,
        observations=round(sum(float(count.sum()) for count in counts)),
        seeds=len(runs),
        interval_over=" and ".join(over) or "nothing",
        by_seed=seeds_as_text(by_seed),
    )


def seeds_as_text(values: Iterable[float]) -> str:
    """Numbers of single seeds as a cell of a table, the column `by_seed`."""
    return " ".join(f"{value:.6g}" for value in values)


def seeds_of_text(cell: object) -> list[float]:
    """The numbers in such a cell, as it was read: a text, a number where there is one, NaN where there is none."""
    nothing = cell != cell  # NaN
    return [] if nothing else [float(value) for value in str(cell).split()]


def _means(samples: Sequence[Sample], quantity: int) -> Floats:
    """The mean over each sample's observations: (samples,)."""
    sums = [[each.sums[:, quantity].sum(), each.counts[:, quantity].sum()] for each in samples]
    totals, counts = np.reshape(sums, (-1, 2)).T
    return totals / counts


def _without_a_run(samples: Sequence[Sample], runs: Iterable[Run], quantity: int) -> list[Floats]:
    """For each algorithm with several runs, the means over all samples but those of one run: (runs,)."""
    means, found = _means(samples, quantity), []
    for _, population in groupby(runs, itemgetter(0)):
        others = [np.array([run not in each.runs for each in samples]) for run in population]
        if len(others) > 1 and all(map(np.any, others)):
            found.append(np.array([means[kept].mean() for kept in others]))
    return found


def _without_a_deal(samples: Sequence[Sample], quantity: int) -> list[Floats]:
    """The means over all samples without one of the deals, (deals,), if there are several."""
    observed = [each.deals[each.counts[:, quantity] > 0] for each in samples]
    deals = np.unique(np.concatenate([*observed, np.array([], np.int64)]))
    if len(deals) < 2:
        return []
    sums, counts = np.zeros((2, len(samples), len(deals)))
    for row, each in enumerate(samples):
        seen = each.counts[:, quantity] > 0
        places = np.searchsorted(deals, each.deals[seen])
        np.add.at(sums[row], places, each.sums[seen, quantity])
        np.add.at(counts[row], places, each.counts[seen, quantity])
    sums, counts = (all_.sum(1, keepdims=True) - all_ for all_ in (sums, counts))
    ratios = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    known = np.isfinite(ratios)
    return [np.where(known, ratios, 0.0).sum(0) / known.sum(0)]


def _half_width(replicates: Floats) -> float:
    """Of the interval by one source, from the means without each of its observations."""
    size = len(replicates)
    variance = (size - 1) / size * np.sum((replicates - replicates.mean()) ** 2)
    return t_quantile(size - 1) * float(np.sqrt(variance))
