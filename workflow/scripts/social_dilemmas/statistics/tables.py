"""Tidy tables from the files that training and cross-play leave behind: one number per row.

A deal of the cross-play is one observation: two matches with the same chance events and swapped seats; all pairs of
agents play the same deals. `social_dilemmas.statistics.intervals` says how the intervals are made, and what they can
say with few seeds.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from social_dilemmas.agents.agent import (
    EVERYONE,
    ITSELF,
    LEARNERS,
    UNSEEDED,
    WORST_CASE,
    is_learner,
)
from social_dilemmas.agents.scripted.player import scripted_player_names
from social_dilemmas.statistics.files import read_rows
from social_dilemmas.statistics.intervals import Run, Sample, intervals
from social_dilemmas.statistics.quantities import (
    NORMALISED_PAYOFF,
    NORMALISED_WELFARE,
    PAYOFF,
    PAYOFF_GAP,
    PAYOFF_OPPONENT,
    PAYOFFS,
)

RELATION = "seed_relation"
SAME_SEED, OTHER_SEED, ALL_SEEDS = "same seed", "other seed", "all"
"""Values of the column `RELATION`: of an agent's seed to its opponent's. An agent with itself and
the same seed is self-play."""

SETTINGS, DIFFERING, MATCHED = "settings", "differ by algorithm", "matched"
"""The column that says whether all algorithms were trained with the same settings in a game, and its values."""

VERSUS = "-vs-"
"""Stands between the algorithms of two learners in the column `pair`."""

PAIR = ["agent", "agent_seed", "opponent", "opponent_seed"]
COUNT = "_count"
KEYS = {"game", *PAIR, "match", "seat"}

Source = tuple[str, str]
"""(game, model)"""

Key = TypeVar("Key", bound=tuple[str, ...])
"""(game, model, ...)"""


def learning_curves(metrics: Mapping[tuple[Any, ...], Path]) -> pd.DataFrame:
    """All training metrics except times, from the `metrics.csv` of each (game, model, algorithm, seed).

    Learners against opponents that don't learn have the opponent before their seed. Columns model, game, algorithm,
    (opponent,) seed, iteration, quantity, value; NaN where a quantity wasn't observed.
    """
    parts = []
    for (game, model, algorithm, *opponents, seed), path in metrics.items():
        keys = {"model": model, "game": game, "algorithm": algorithm}
        keys |= zip(["opponent"], opponents, strict=False)
        parts.append(_tidy({**keys, "seed": seed}, read_rows(path)))
    return pd.concat(parts, ignore_index=True)


def two_learners(metrics: Mapping[tuple[str, str, str, str, int], Path]) -> pd.DataFrame:
    """Training metrics of both learners, from the `metrics.csv` of each (game, model, first, second, seed).

    Columns as `learning_curves`, and pair (both algorithms) and learner ("first" or "second").
    """
    parts = []
    for (game, model, *algorithms, seed), path in metrics.items():
        keys = {"model": model, "game": game, "pair": VERSUS.join(algorithms)}
        both = read_rows(path)
        for number, (learner, algorithm) in enumerate(zip(LEARNERS, algorithms, strict=True), 1):
            own = both[both["learner"] == number].drop(columns="learner")
            whose = {**keys, "learner": learner, "algorithm": algorithm, "seed": seed}
            parts.append(_tidy(whose, own))
    return pd.concat(parts, ignore_index=True)


def _tidy(keys: Mapping[str, Any], wide: pd.DataFrame) -> pd.DataFrame:
    """The metrics of a training, except times, as one number per row, beside its keys."""
    times = [name for name in wide if str(name).startswith("seconds_")]
    long = wide.drop(columns=times).melt("iteration", var_name="quantity")
    return pd.DataFrame({**keys}, long.index).join(long)


def cross_play(matches: Mapping[Key, Path]) -> pd.DataFrame:
    """What every agent and its opponent get (`PAYOFFS`), from the matches of each (game, model).

    Where several files belong together, such as those of further seeds, their keys go on. Columns as `fingerprints`.
    """
    return _summaries(matches, lambda frame: (frame, PAYOFFS))


def fingerprints(matches: Mapping[Key, Path]) -> pd.DataFrame:
    """What every agent does with every opponent, and with all of them pooled (`EVERYONE`).

    The pooled rows take all matches of an agent's run together, so that they hold situations that never arise among
    copies of it (an agent that always cooperates is never exploited in self-play). Where the file says how often a
    quantity was observed in a match (columns ending in `_count`), each observation counts the same; otherwise each
    match in which it was observed does.

    Returns:
        Columns model, game, agent, opponent, seed_relation (`SAME_SEED` and `OTHER_SEED` for an agent with itself only,
        or `ALL_SEEDS`), quantity, and the attributes of `intervals.Interval`.
    """
    return _summaries(matches, lambda frame: (frame, _behaviours(frame)), pool=True)


def distributions(matches: Mapping[Source, Path]) -> pd.DataFrame:
    """Normalised welfare of every match of every trained agent with a copy of itself.

    Columns model, game, agent, seed, match, quantity, value.
    """
    parts = []
    for (game, model, *_), path in matches.items():
        frame = read_rows(path)
        itself = frame["agent"] == frame["opponent"]
        itself &= frame["agent_seed"] == frame["opponent_seed"]
        own = frame[itself & (frame["agent_seed"] != UNSEEDED) & (frame["seat"] == 0)]
        names = {"agent_seed": "seed", NORMALISED_WELFARE: "value"}
        own = own.rename(columns=names).assign(model=model, game=game, quantity=NORMALISED_WELFARE)
        parts.append(own[["model", "game", "agent", "seed", "match", "quantity", "value"]])
    return pd.concat(parts, ignore_index=True)


def exploitability(matches: Mapping[Source, Path]) -> pd.DataFrame:
    """What learners get out of the opponents that they learned against, and what they do to them.

    A frozen agent meets the learner of its own seed only, so the learners' seeds are what was drawn.

    Columns as `fingerprints`; `quantity` is one of `PAYOFFS`, `payoff_gap` (what the learner gets more than its
    opponent), or a behaviour.
    """

    def learned(frame: pd.DataFrame) -> tuple[pd.DataFrame, Sequence[str]]:
        own = frame[[is_learner(str(agent)) for agent in frame["agent"]]]
        gap = own[PAYOFF] - own[PAYOFF_OPPONENT]
        own = own.assign(payoff_gap=gap, opponent_seed=UNSEEDED)
        return own, [*PAYOFFS, PAYOFF_GAP, *_behaviours(frame)]

    return _summaries(matches, learned)


def ablations(
    standard: Mapping[tuple[str, str, str], Path],
    variants: Mapping[tuple[str, str, str, str], Path],
) -> pd.DataFrame:
    """Payoffs of the algorithm that was varied and of its variants, in self-play (`ITSELF`) and with scripted players.

    Files are by (game, model, agent), those of variants also by the agent that each is compared with. The interval of
    a change takes the arms of both means' intervals (Zou and Donner, Construction of confidence limits about effect
    measures, Statistics in Medicine 27, 2008).

    Columns of `fingerprints` for `PAYOFFS`, and compared_with, change, change_low, change_high (the variant's mean
    minus that of the agent that it is compared with), matters (whether this interval excludes zero).
    """
    means = pd.concat([headline(*key, read_rows(path)) for key, path in standard.items()])
    changed = pd.concat(
        [
            headline(game, model, agent, read_rows(path)).assign(compared_with=control)
            for (game, model, agent, control), path in variants.items()
        ]
    )
    keys = ["model", "game", "compared_with", "opponent", "quantity"]
    controls = pd.concat([means, changed.drop(columns="compared_with")])
    controls = controls.rename(columns={"agent": "compared_with"})[[*keys, "mean", "high"]]
    both = changed.merge(controls, on=keys, suffixes=("", "_control"))
    change = both["mean"] - both["mean_control"]
    reach = np.hypot(both["high"] - both["mean"], both["high_control"] - both["mean_control"])
    both = both[changed.columns]
    both = both.assign(change=change, change_low=change - reach, change_high=change + reach)
    both["matters"] = (both["change_low"] > 0) | (both["change_high"] < 0)
    return pd.concat([means, both], ignore_index=True)


def rivals(
    standard: Mapping[tuple[str, str, str], Path], rivals: Mapping[tuple[str, str, str], Path]
) -> pd.DataFrame:
    """Payoffs of the algorithms and of their rivals, in self-play, with scripted players, and in the worst case.

    The worst case (`WORST_CASE`) is, for every run, the scripted player with which its normalised payoff is lowest.
    Files are by (game, model, agent). Columns as `fingerprints`, for `PAYOFFS`.
    """
    parts = [
        headline(game, model, agent, read_rows(path), worst_case=True)
        for (game, model, agent), path in {**standard, **rivals}.items()
    ]
    return pd.concat(parts, ignore_index=True)


def with_settings(table: pd.DataFrame, differing: Sequence[str]) -> pd.DataFrame:
    """The table with the column `SETTINGS`, if there are games in which settings of training differ by algorithm."""
    if not differing:
        return table
    differ = table["game"].isin(differing)
    return table.assign(**{SETTINGS: np.where(differ, DIFFERING, MATCHED)})


def differing_games(table: pd.DataFrame) -> list[str]:
    """Games of the table in which settings of training differ by algorithm."""
    return (
        list(table.loc[table[SETTINGS] == DIFFERING, "game"].unique()) if SETTINGS in table else []
    )


def as_reported(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that stand for a pair of agents: the same seed in self-play, else all seeds."""
    itself = table["agent"] == table["opponent"]
    return table[table[RELATION] == np.where(itself, SAME_SEED, ALL_SEEDS)]


def with_itself(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of all seeds; an agent's opponent that is the agent is called `ITSELF`."""
    table = table[table[RELATION] == ALL_SEEDS]
    return table.assign(
        opponent=table["opponent"].mask(table["opponent"] == table["agent"], ITSELF)
    )


def is_scripted(table: pd.DataFrame, column: str) -> "pd.Series[bool]":
    """Whether the column names a scripted player of the row's game; the warm start isn't one."""
    scripted = {str(game): scripted_player_names(str(game)) for game in table["game"].unique()}
    pairs = zip(table["game"], table[column], strict=True)
    return pd.Series([name in scripted[game] for game, name in pairs], table.index, dtype=bool)


def headline(
    game: str, model: str, agent: str, frame: pd.DataFrame, worst_case: bool = False
) -> pd.DataFrame:
    """An agent's payoffs in self-play and with scripted players, and with the worst of these for each run."""
    own = frame[frame["agent"] == agent]
    itself = (own["opponent"] == agent) & (own["opponent_seed"] == own["agent_seed"])
    scripted = own[is_scripted(own, "opponent")]
    parts = [own[itself], scripted]
    if worst_case:
        for _, run in scripted.groupby("agent_seed"):
            worst = run.groupby("opponent")[NORMALISED_PAYOFF].mean().idxmin()
            parts.append(run[run["opponent"] == worst].assign(opponent=WORST_CASE))
    return with_itself(summary((game, model), pd.concat(parts), PAYOFFS))


def summary(
    source: Source,
    frame: pd.DataFrame,
    quantities: Sequence[str],
    *,
    pool: bool = False,
) -> pd.DataFrame:
    """Means and intervals of these quantities, for every agent with every opponent in matches (columns `PAIR`, match).

    With `pool` also of the matches against all opponents together (`EVERYONE`).
    """
    game, model = source
    rows = []
    for (agent, opponent, relation), samples in _grouped(frame, quantities, pool).items():
        keys = {"model": model, "game": game, "agent": agent, "opponent": opponent}
        keys[RELATION] = relation
        for quantity, interval in zip(quantities, intervals(samples), strict=True):
            rows.append({**keys, "quantity": quantity, **asdict(interval)})
    return pd.DataFrame(rows)


def _summaries(
    matches: Mapping[Key, Path],
    choose: Callable[[pd.DataFrame], tuple[pd.DataFrame, Sequence[str]]],
    *,
    pool: bool = False,
) -> pd.DataFrame:
    """`summary` of the chosen matches and quantities of each (game, model)."""
    parts = [
        summary(source, *choose(frame), pool=pool)
        for source, frame in matches_by_source(matches).items()
    ]
    return pd.concat(parts, ignore_index=True)


def matches_by_source(matches: Mapping[Key, Path]) -> dict[Source, pd.DataFrame]:
    """All matches of each (game, model), which the files' keys open with; what several files hold is there once."""
    frames: dict[Source, list[pd.DataFrame]] = defaultdict(list)
    for (game, model, *_), path in matches.items():
        frames[game, model].append(read_rows(path))
    keys = [*PAIR, "match", "seat"]
    return {
        source: pd.concat(parts, ignore_index=True).drop_duplicates(keys)
        for source, parts in frames.items()
    }


def _behaviours(frame: pd.DataFrame) -> list[str]:
    """The columns that say what the agent did."""
    known = KEYS | set(PAYOFFS)
    return [name for name in map(str, frame) if name not in known and not name.endswith(COUNT)]


def _grouped(
    frame: pd.DataFrame, quantities: Sequence[str], pool: bool
) -> dict[tuple[str, str, str], list[Sample]]:
    """The samples of each (agent, opponent, seed relation)."""
    groups: dict[tuple[str, str, str], list[Sample]] = defaultdict(list)
    of_run: dict[Run, list[Sample]] = defaultdict(list)
    for (agent, agent_seed, opponent, opponent_seed), sample in _samples(frame, quantities):
        groups[agent, opponent, ALL_SEEDS].append(sample)
        if agent == opponent:
            relation = SAME_SEED if agent_seed == opponent_seed else OTHER_SEED
            groups[agent, opponent, relation].append(sample)
        of_run[agent, agent_seed].append(sample)
    for run, parts in of_run.items() if pool else ():
        deals, sums, counts = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("deals", "sums", "counts")
        )
        groups[run[0], EVERYONE, ALL_SEEDS].append(Sample(_trained(run), deals, sums, counts))
    return groups


def _samples(
    frame: pd.DataFrame, quantities: Sequence[str]
) -> Iterator[tuple[tuple[str, int, str, int], Sample]]:
    """One sample for each pair of runs: sums and counts of each match, over its seats."""
    values, counts = frame[list(quantities)], pd.DataFrame(index=frame.index)
    for name in quantities:
        known = frame.get(f"{name}{COUNT}", pd.Series(1.0, frame.index))
        counts[name] = known.where(values[name].notna(), 0.0)
    keys = [frame[name] for name in (*PAIR, "match")]
    sums = (values * counts).fillna(0.0).groupby(keys, observed=True).sum()
    counts = counts.groupby(keys, observed=True).sum()
    pairs = sums.index.to_frame(index=False)
    deals = pairs.pop("match").to_numpy(np.int64) // 2  # every second match repeats the one before
    names = pairs.to_numpy(object)
    for places in pairs.groupby(PAIR).indices.values():
        agent, agent_seed, opponent, opponent_seed = names[places[0]]
        runs = _trained((agent, agent_seed), (opponent, opponent_seed))
        matches = (each[places] for each in (deals, sums.to_numpy(), counts.to_numpy()))
        sample = Sample(runs, *matches)
        yield (agent, int(agent_seed), opponent, int(opponent_seed)), sample


def _trained(*players: Run) -> tuple[Run, ...]:
    """The trained ones among the players, each once."""
    return tuple(dict.fromkeys(player for player in players if player[1] != UNSEEDED))
