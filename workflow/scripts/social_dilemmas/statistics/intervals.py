"""Intervals by a bootstrap that follows how the numbers came about: training runs, then matches.

Two things are random in a mean payoff: which training runs (seeds) there happen to be, and which matches they happened
to play. So a draw first chooses runs with replacement, within each algorithm separately, and then matches with
replacement within each chosen run. Where both players are trained, the runs of both are chosen (the pigeonhole
bootstrap of Owen, Annals of Applied Statistics 1, 2007). The interval holds the middle share of the means of all draws
(Efron's percentile method).

With three runs, one draw in 27 is the lowest run three times, so a 95 % interval reaches from about the lowest run to
the highest one, widened by the noise of matches. It shows honestly how far the runs lie apart, but can't promise 95 %
coverage of the mean over all seeds that one might have used: where runs differ by much more than their matches' noise,
it covers that mean about three times in four (three normal values enclose their mean with probability 3/4). From some
twenty runs on, coverage is close to nominal. With a single run it knows nothing of other seeds: the interval is over
matches only, and says so (`interval_over`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from social_dilemmas.randomness import derive_seed

Floats = NDArray[np.float64]
Run = tuple[str, int]  # (algorithm, seed): something that was trained

CONFIDENCE = 0.95
DRAWS = 1000
DIGITS = 12  # results are rounded, so that equal values give an interval of no width at all


@dataclass(frozen=True)
class Sample:
    """Matches of the same trained runs (none if all players are fixed), with several quantities in columns."""

    runs: tuple[Run, ...]
    sums: Floats  # (matches, quantities) of what was observed in a match
    counts: Floats  # (matches, quantities) how often it was observed


@dataclass(frozen=True)
class Interval:
    """The mean over samples of the mean over a sample's observations, and its interval; NaN without any.

    `interval_over` is "seeds and matches", or "matches" where there was no second seed to choose.
    """

    mean: float
    low: float
    high: float
    matches: int  # in which the quantity was observed
    missing: int  # matches in which it wasn't
    observations: int
    seeds: int  # trained runs
    interval_over: str


def bootstrap_intervals(
    samples: Sequence[Sample], *, draws: int = DRAWS, stream: Sequence[object] = ()
) -> list[Interval]:
    """An interval for each quantity of the samples, of which there is at least one.

    Samples in which a quantity was never observed don't count for it. `stream` names the random stream: the same names
    and values give the same interval.
    """
    random = np.random.default_rng(derive_seed("bootstrap", *stream))
    weights = _sample_weights(samples, draws, random)  # (draws, samples)
    quantities = samples[0].sums.shape[1]
    totals, norms = np.zeros((2, draws, quantities))
    for weight, sample in zip(weights.T, samples, strict=True):
        taken = _resample(len(sample.sums), draws, random).astype(float)  # (draws, matches)
        means = _ratio(taken @ sample.sums, taken @ sample.counts)  # (draws, quantities)
        observed = np.isfinite(means)
        totals += weight[:, None] * np.where(observed, means, 0.0)
        norms += weight[:, None] * observed
    drawn = _ratio(totals, norms)
    means = np.stack([_ratio(each.sums.sum(0), each.counts.sum(0)) for each in samples])
    return [
        _interval(samples, quantity, means[:, quantity], drawn[:, quantity])
        for quantity in range(quantities)
    ]


def _sample_weights(
    samples: Sequence[Sample], draws: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """How often each draw takes each sample, as often as all of its runs: (draws, samples)."""
    weights = np.ones((draws, len(samples)), np.int64)
    runs = sorted({run for sample in samples for run in sample.runs})
    for _, population in groupby(runs, itemgetter(0)):
        own = list(population)
        taken = _resample(len(own), draws, random)  # (draws, runs)
        for run, times in zip(own, taken.T, strict=True):
            weights[:, [run in sample.runs for sample in samples]] *= times[:, None]
    return weights


def _resample(size: int, draws: int, random: np.random.Generator) -> NDArray[np.int64]:
    """How often each of `size` things is drawn when `size` are drawn with replacement."""
    cells = random.integers(size, size=(draws, size)) + size * np.arange(draws)[:, None]
    return np.bincount(cells.ravel(), minlength=draws * size).reshape(draws, size)


def _ratio(sums: Floats, counts: Floats) -> Floats:
    """Means from sums and counts, NaN where nothing was counted."""
    return np.divide(sums, counts, out=np.full(np.shape(sums), np.nan), where=counts > 0)


def _interval(samples: Sequence[Sample], quantity: int, means: Floats, drawn: Floats) -> Interval:
    """Put one quantity's interval together from the samples' means and the draws' means."""
    counts = [sample.counts[:, quantity] for sample in samples]
    used = [sample for sample, count in zip(samples, counts, strict=True) if count.any()]
    runs = {run for sample in used for run in sample.runs}
    populations = {population for population, _ in runs}
    matches = sum(int(np.count_nonzero(count)) for count in counts)
    mean = low = high = float("nan")
    if used:
        tail = (1 - CONFIDENCE) / 2
        finite = drawn[np.isfinite(drawn)]
        mean = round(float(np.nanmean(means)), DIGITS)
        low, high = (round(float(end), DIGITS) for end in np.quantile(finite, [tail, 1 - tail]))
    return Interval(
        mean=mean,
        low=low,
        high=high,
        matches=matches,
        missing=sum(map(len, counts)) - matches,
        observations=round(sum(float(count.sum()) for count in counts)),
        seeds=len(runs),
        interval_over="seeds and matches" if len(runs) > len(populations) else "matches",
    )
