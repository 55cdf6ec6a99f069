"""Tables of the tournament: who ranks where among all strategies, and how trained agents fare with each of them.

An agent's score is its mean payoff a round over all others, each of which counts the same; a trained agent is the mean
over its seeds, as an entrant and as an opponent. No agent meets itself, nor its own other seeds.

One observation is a repetition: one match with every opponent in question. So the intervals say what another training
run and another repetition would change, not what other opponents would: the field is fixed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd

from social_dilemmas.agents.axelrod.kinds import EVERY_STRATEGY
from social_dilemmas.statistics.intervals import Run, Sample, bootstrap_intervals, interval_rows
from social_dilemmas.statistics.tables import ALL_SEEDS, FIXED, PAIR, RELATION, Source

SCORES = ("payoff", "cooperation")
MEASURES = ("payoff", "payoff_opponent", "cooperation", "cooperation_opponent")


def ranking(
    matches: Mapping[Source, Path], strategies: Mapping[str, Path], kinds: Mapping[str, Path]
) -> pd.DataFrame:
    """Rank, payoff and cooperation of every agent and every strategy.

    Args:
        matches: `matches.parquet` of the tournament of each (game, model).
        strategies: by game, the matches of the strategies among themselves.
        kinds: by game, the kinds of the strategies.

    Returns:
        One row per agent, best first: model, game, rank (by payoff; 1 is best), rank_low and rank_high (where the ends
        of its own interval would put it), entrants, agent, kind (empty for trained agents), payoff, payoff_low,
        payoff_high, seeds, interval_over, cooperation, cooperation_low, cooperation_high.
    """
    parts = []
    for (game, model), path in matches.items():
        kind = _kinds(kinds[game])
        fixed = pd.read_parquet(strategies[game]).assign(agent_seed=FIXED, opponent_seed=FIXED)
        table = _scores(pd.concat([pd.read_parquet(path), fixed], ignore_index=True), (game, model))
        table.insert(1, "kind", table["agent"].map(kind).fillna(""))
        payoffs = table["payoff"].to_numpy()
        places = {
            name: [_rank(payoffs, at, row) for row, at in enumerate(table[column])]
            for name, column in (
                ("rank", "payoff"),
                ("rank_low", "payoff_high"),
                ("rank_high", "payoff_low"),
            )
        }
        head = {"model": model, "game": game, **places, "entrants": len(table)}
        parts.append(pd.concat([pd.DataFrame(head, index=table.index), table], axis=1))
    return pd.concat(parts, ignore_index=True)


def by_opponent(matches: Mapping[Source, Path], kinds: Mapping[str, Path]) -> pd.DataFrame:
    """What trained agents get and do with every strategy, every kind of them, and all together.

    Args:
        matches: as in `ranking`.
        kinds: as in `ranking`.

    Returns:
        The columns of `tables.cross_play`. The opponent is a strategy, a kind, or `EVERY_STRATEGY`; the quantity one of
        `MEASURES`.
    """
    rows = []
    for (game, model), path in matches.items():
        kind = _kinds(kinds[game])
        table = with_opponents_cooperation(pd.read_parquet(path))
        table = table[table["opponent"].isin(kind.index) & ~table["agent"].isin(kind.index)]
        strategies = table["opponent"]
        for group in (strategies, strategies.map(kind), strategies.map(lambda _: EVERY_STRATEGY)):
            for (agent, opponent), part in table.groupby([table["agent"], group]):
                keys = {"model": model, "game": game, "agent": agent, "opponent": opponent}
                stream = ("tournament", *keys.values())
                keys[RELATION] = ALL_SEEDS
                played = {"matches": len(part), "missing": 0, "observations": len(part)}
                found = interval_rows(keys, MEASURES, _samples(part, MEASURES), stream)
                rows += [{**row, **played} for row in found]
    return pd.DataFrame(rows)


def with_opponents_cooperation(table: pd.DataFrame) -> pd.DataFrame:
    """The matches with one more column, `cooperation_opponent`, from the rows of the other seat."""
    swapped = {"agent": "opponent", "opponent": "agent"}
    swapped |= {f"{name}_seed": f"{other}_seed" for name, other in swapped.items()}
    other = table[[*PAIR, "match", "cooperation"]].rename(
        columns={**swapped, "cooperation": "cooperation_opponent"}
    )
    return table.merge(other, on=[*PAIR, "match"], validate="one_to_one")


def _kinds(path: Path) -> pd.Series:
    """The kind of each strategy."""
    return pd.read_csv(path).set_index("strategy")["kind"]


def _scores(played: pd.DataFrame, source: Source) -> pd.DataFrame:
    """Payoff and cooperation of every agent over all others, with intervals; best first."""
    others = played[played["agent"] != played["opponent"]]
    per_opponent = others.groupby(["agent", "agent_seed", "match", "opponent"])[[*SCORES]].mean()
    repetitions = per_opponent.groupby(["agent", "agent_seed", "match"]).mean().reset_index()
    rows = []
    for agent, part in repetitions.groupby("agent"):
        intervals = bootstrap_intervals(_samples(part, SCORES), stream=("ranking", *source, agent))
        row: dict[str, object] = {"agent": agent}
        for name, each in zip(SCORES, intervals, strict=True):
            row |= {name: each.mean, f"{name}_low": each.low, f"{name}_high": each.high}
            row |= {"seeds": each.seeds, "interval_over": each.interval_over}
        rows.append(row)
    table = pd.DataFrame(rows)
    return table.sort_values("payoff", ascending=False, kind="stable", ignore_index=True)


def _samples(part: pd.DataFrame, quantities: Sequence[str]) -> list[Sample]:
    """One sample for each of the agent's runs: sums and counts of each repetition."""
    samples = []
    for run, of_run in part.groupby(["agent", "agent_seed"]):
        agent, seed = cast(Run, run)
        repetitions = of_run.groupby("match")[[*quantities]]
        runs: tuple[Run, ...] = () if seed == FIXED else ((agent, int(seed)),)
        counts = repetitions.count().to_numpy(float)
        samples.append(Sample(runs, repetitions.sum().to_numpy(float), counts))
    return samples


def _rank(payoffs: np.ndarray, payoff: float, own: int) -> int:
    """The place of a payoff among those of the others; 1 is the best."""
    return 1 + int(np.count_nonzero(np.delete(payoffs, own) > payoff))
