"""Tidy tables from the files that training and cross-play leave behind: one row, one number.

A match of the cross-play is one observation, with its seats together: the match is what was drawn,
its two seats and its rounds depend on one another. How the intervals are made, and what they can
say with few seeds, is told in `social_dilemmas.statistics.intervals`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from social_dilemmas.agents.agent import WARM_START, is_learner
from social_dilemmas.statistics.intervals import CONFIDENCE, Run, Sample, bootstrap_intervals

PAYOFF, PAYOFF_OPPONENT, PAYOFF_GAP = "payoff", "payoff_opponent", "payoff_gap"

PAYOFFS = (PAYOFF, PAYOFF_OPPONENT, "welfare_share")
"""Quantities of the cross-play table; all others that a game observes are fingerprints."""

SAME_SEED, OTHER_SEED, ALL_SEEDS = "same seed", "other seed", "all"
"""Pairings. An agent and itself with the same seed is self-play."""

ITSELF = "itself"
"""The opponent's name in self-play, where a table holds nothing else of an agent with its like."""

EVERYONE = "everyone"
"""The opponent's name where the matches against all opponents are pooled."""

FIXED = -1
"""The seed of agents that were not trained: scripted players and the warm start."""

PAIR = ["agent", "agent_seed", "opponent", "opponent_seed"]
COUNT = "_count"
CURVE_COLUMNS = ["model", "game", "algorithm", "seed", "iteration", "quantity", "value"]
KEYS = {"game", *PAIR, "match", "seat"}

Source = tuple[str, str]
"""(game, model)"""


def learning_curves(metrics: Mapping[tuple[str, str, str, int], Path]) -> pd.DataFrame:
    """All training metrics that are not times.

    Args:
        metrics: `metrics.csv` of each (game, model, algorithm, seed).

    Returns:
        Columns model, game, algorithm, seed, iteration, quantity, value; NaN where a quantity
        wasn't observed in an iteration.
    """
    parts = []
    for (game, model, algorithm, seed), path in metrics.items():
        wide = pd.read_csv(path)
        times = [name for name in wide if str(name).startswith("seconds_")]
        long = wide.drop(columns=times).melt("iteration", var_name="quantity")
        long = long.assign(model=model, game=game, algorithm=algorithm, seed=seed)
        parts.append(long[CURVE_COLUMNS])
    return pd.concat(parts, ignore_index=True)


def cross_play(matches: Mapping[Source, Path], *, confidence: float = CONFIDENCE) -> pd.DataFrame:
    """What every agent gets with every opponent, in points a round, and what it leaves the other.

    Args:
        matches: `matches.parquet` of each (game, model).
        confidence: of the intervals.

    Returns:
        Columns as `fingerprints`; `quantity` is one of `PAYOFFS`.
    """
    return _summaries(matches, PAYOFFS, pool=False, confidence=confidence)


def fingerprints(matches: Mapping[Source, Path], *, confidence: float = CONFIDENCE) -> pd.DataFrame:
    """What every agent does with every opponent, and with all of them pooled (`EVERYONE`).

    The pooled rows take all matches of an agent's run together, so that they hold situations which
    it never gets into by itself (an agent that always cooperates is never exploited in self-play).
    Where the file says how often a quantity was observed in a match (columns ending in `_count`),
    each observation counts the same; else each match in which it was observed does.

    Args:
        matches: `matches.parquet` of each (game, model).
        confidence: of the intervals.

    Returns:
        Columns model, game, agent, opponent, pairing (of the seeds: `SAME_SEED`, which is there
        for an agent and itself only, `OTHER_SEED`, or `ALL_SEEDS`), quantity, mean, low, high,
        matches (in which it was observed), missing (in which it wasn't), observations, seeds
        (trained runs among the agent and its opponent), interval_over ("seeds and matches", or
        "matches" where there was no second seed to choose from).
    """
    return _summaries(matches, None, pool=True, confidence=confidence)


def learning_against_fixed(
    metrics: Mapping[tuple[str, str, str, str, int], Path],
) -> pd.DataFrame:
    """Training metrics of learners against opponents that don't learn.

    Args:
        metrics: `metrics.csv` of each (game, model, algorithm, opponent, seed).

    Returns:
        Columns as `learning_curves`, and opponent.
    """
    parts = [
        learning_curves({(game, model, algorithm, seed): path}).assign(opponent=opponent)
        for (game, model, algorithm, opponent, seed), path in metrics.items()
    ]
    columns = ["model", "game", "algorithm", "opponent", *CURVE_COLUMNS[3:]]
    return pd.concat(parts, ignore_index=True)[columns]


def exploitability(
    matches: Mapping[Source, Path], *, confidence: float = CONFIDENCE
) -> pd.DataFrame:
    """What learners get out of the opponents that they learned against, and what they do to them.

    A frozen agent meets the learner of its own seed only, so the learners' seeds are what was drawn. The two
    matches that share their chance events, with swapped seats, are one observation: what luck gives in one it takes
    in the other.

    Args:
        matches: `matches.parquet` of each (game, model).
        confidence: of the intervals.

    Returns:
        Columns as `fingerprints`; the agents are learners (`names.learner_name`); `quantity` is one of `PAYOFFS`,
        `payoff_gap` (what the learner gets more than its opponent), or a behaviour.
    """
    parts = []
    for source, path in matches.items():
        frame = pd.read_parquet(path)
        frame = frame[[is_learner(str(agent)) for agent in frame["agent"]]]
        frame = frame.assign(
            payoff_gap=frame[PAYOFF] - frame[PAYOFF_OPPONENT],
            opponent_seed=FIXED,
            match=frame["match"] // 2,
        )
        chosen = [*PAYOFFS, PAYOFF_GAP, *_behaviours(frame.drop(columns=PAYOFF_GAP))]
        parts.append(_summary(source, frame, chosen, False, confidence))
    return pd.concat(parts, ignore_index=True)


def ablations(
    standard: Mapping[Source, Path],
    variants: Mapping[tuple[str, str, str], Path],
    algorithm: str,
    *,
    confidence: float = CONFIDENCE,
) -> pd.DataFrame:
    """What each variant of an algorithm gets in self-play and with scripted players, beside the algorithm itself.

    The interval of a change comes from those of both means (Zou and Donner, Construction of confidence limits about
    effect measures, Statistics in Medicine 27, 2008).

    Args:
        standard: cross-play matches of each (game, model).
        variants: matches of each (game, model, variant).
        algorithm: the one that was varied.
        confidence: of the intervals.

    Returns:
        Columns of `fingerprints` for `PAYOFFS`, and change, change_low, change_high (the variant's mean minus that of
        the algorithm), matters (whether this interval leaves out zero). `opponent` is "itself" in self-play.
    """
    means = pd.concat(
        [
            _headline(source, pd.read_parquet(path), algorithm, confidence)
            for source, path in standard.items()
        ]
    )
    changed = pd.concat(
        [
            _headline((game, model), pd.read_parquet(path), variant, confidence)
            for (game, model, variant), path in variants.items()
        ]
    )
    keys = ["model", "game", "opponent", "quantity"]
    both = changed.merge(means[[*keys, "mean", "low", "high"]], on=keys, suffixes=("", "_standard"))
    change = both["mean"] - both["mean_standard"]
    fall = np.hypot(both["mean"] - both["low"], both["high_standard"] - both["mean_standard"])
    rise = np.hypot(both["high"] - both["mean"], both["mean_standard"] - both["low_standard"])
    both = both.drop(columns=[name for name in both if str(name).endswith("_standard")])
    changes = pd.DataFrame(
        {"change": change, "change_low": change - fall, "change_high": change + rise}
    )
    changes["matters"] = (changes["change_low"] > 0) | (changes["change_high"] < 0)
    return pd.concat([means, both.join(changes)], ignore_index=True)


def _headline(source: Source, frame: pd.DataFrame, agent: str, confidence: float) -> pd.DataFrame:
    """An agent's payoffs in self-play and with scripted players."""
    own = frame[frame["agent"] == agent]
    itself = (own["opponent"] == agent) & (own["opponent_seed"] == own["agent_seed"])
    scripted = (own["opponent_seed"] == FIXED) & (own["opponent"] != WARM_START)
    table = _summary(source, own[itself | scripted], PAYOFFS, False, confidence)
    table = table[table["pairing"] == ALL_SEEDS]
    return table.assign(opponent=table["opponent"].where(table["opponent"] != agent, ITSELF))


def _summaries(
    matches: Mapping[Source, Path],
    quantities: Sequence[str] | None,
    *,
    pool: bool,
    confidence: float,
) -> pd.DataFrame:
    frames = {source: pd.read_parquet(path) for source, path in matches.items()}
    return pd.concat(
        [
            _summary(source, frame, quantities or _behaviours(frame), pool, confidence)
            for source, frame in frames.items()
        ],
        ignore_index=True,
    )


def _summary(
    source: Source,
    frame: pd.DataFrame,
    chosen: Sequence[str],
    pool: bool,
    confidence: float,
) -> pd.DataFrame:
    """Means and intervals of these quantities, for every agent with every opponent."""
    game, model = source
    rows = []
    for agent, opponent, pairing, samples in _cells(frame, chosen, pool):
        intervals = bootstrap_intervals(
            samples,
            confidence=confidence,
            stream=(model, game, agent, opponent, pairing, *chosen),
        )
        rows += [
            {
                "model": model,
                "game": game,
                "agent": agent,
                "opponent": opponent,
                "pairing": pairing,
                "quantity": quantity,
                "mean": interval.mean,
                "low": interval.low,
                "high": interval.high,
                "matches": interval.matches,
                "missing": interval.missing,
                "observations": interval.observations,
                "seeds": interval.runs,
                "interval_over": "seeds and matches" if interval.over_runs else "matches",
            }
            for quantity, interval in zip(chosen, intervals, strict=True)
        ]
    return pd.DataFrame(rows)


def _behaviours(frame: pd.DataFrame) -> list[str]:
    """The columns that say what the agent did."""
    known = KEYS | set(PAYOFFS)
    return [name for name in map(str, frame) if name not in known and not name.endswith(COUNT)]


def _cells(
    frame: pd.DataFrame, quantities: Sequence[str], pool: bool
) -> Iterator[tuple[str, str, str, list[Sample]]]:
    """Every agent, opponent and pairing of the table, with its samples."""
    by_pair: dict[tuple[str, str], dict[tuple[int, int], Sample]] = {}
    by_agent: dict[str, dict[int, list[Sample]]] = {}
    for (agent, agent_seed, opponent, opponent_seed), sample in _samples(frame, quantities):
        by_pair.setdefault((agent, opponent), {})[agent_seed, opponent_seed] = sample
        by_agent.setdefault(agent, {}).setdefault(agent_seed, []).append(sample)
    for (agent, opponent), samples in by_pair.items():
        yield agent, opponent, ALL_SEEDS, list(samples.values())
        if agent == opponent:
            same = [sample for seeds, sample in samples.items() if seeds[0] == seeds[1]]
            other = [sample for seeds, sample in samples.items() if seeds[0] != seeds[1]]
            if same:
                yield agent, opponent, SAME_SEED, same
            if other:
                yield agent, opponent, OTHER_SEED, other
    if pool:
        for agent, runs in by_agent.items():
            yield (
                agent,
                EVERYONE,
                ALL_SEEDS,
                [_pooled(_runs((agent, seed)), parts) for seed, parts in runs.items()],
            )


def _samples(
    frame: pd.DataFrame, quantities: Sequence[str]
) -> Iterator[tuple[tuple[str, int, str, int], Sample]]:
    """One sample for each pair of runs: sums and counts of each match, over its seats."""
    values = frame[list(quantities)]
    counts = pd.DataFrame(
        {
            name: frame.get(f"{name}{COUNT}", pd.Series(1.0, frame.index)).where(
                values[name].notna(), 0.0
            )
            for name in quantities
        }
    )
    keys = [frame[name] for name in (*PAIR, "match")]
    sums = (values * counts).fillna(0.0).groupby(keys, observed=True).sum()
    counts = counts.groupby(keys, observed=True).sum()
    pairs = sums.index.to_frame(index=False)[PAIR]
    names = pairs.to_numpy(object)
    for places in pairs.groupby(PAIR).indices.values():
        agent, agent_seed, opponent, opponent_seed = names[places[0]]
        runs = _runs((agent, agent_seed), (opponent, opponent_seed))
        sample = Sample(runs, sums.to_numpy()[places], counts.to_numpy()[places])
        yield (agent, int(agent_seed), opponent, int(opponent_seed)), sample


def _runs(*players: Run) -> tuple[Run, ...]:
    """The trained ones among the players, each once."""
    return tuple(sorted({player for player in players if player[1] != FIXED}))


def _pooled(runs: tuple[Run, ...], samples: Iterable[Sample]) -> Sample:
    """The matches of several samples as one."""
    parts = list(samples)
    return Sample(
        runs,
        np.concatenate([part.sums for part in parts]),
        np.concatenate([part.counts for part in parts]),
    )
