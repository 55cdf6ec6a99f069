"""Tables of the tournament: who ranks where among all strategies, and how trained agents fare with each of them.

An agent's score is its mean payoff a round over all others, each of which counts the same; a trained agent is the mean
over its seeds, as an entrant and as an opponent. No agent meets itself, nor its own other seeds.

One observation is a repetition: two matches, with swapped seats, with every opponent in question. So the intervals
say what another training run and another repetition would change, not what other opponents would: the field is fixed.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from social_dilemmas.agents.agent import UNSEEDED
from social_dilemmas.agents.axelrod.kinds import EVERY_STRATEGY
from social_dilemmas.statistics.files import read_rows
from social_dilemmas.statistics.tables import PAIR, Source, summary

SCORES = ("payoff", "cooperation")
RANKS = {"rank": "payoff", "rank_low": "payoff_high", "rank_high": "payoff_low"}
COLUMNS = ["model", "game", *RANKS, "entrants", "agent", "kind"]
COLUMNS += ["payoff", "payoff_low", "payoff_high", "seeds", "interval_over"]
COLUMNS += ["cooperation", "cooperation_low", "cooperation_high"]
MEASURES = ("payoff", "payoff_opponent", "normalised_payoff", "cooperation", "cooperation_opponent")


def ranking(
    matches: Mapping[Source, Path], strategies: Mapping[str, Path], kinds: Mapping[str, Path]
) -> pd.DataFrame:
    """Rank, payoff and cooperation of every agent and every strategy, best first.

    Of each game there are the matches of the strategies among themselves, and the kinds of the strategies.

    Returns:
        Columns `COLUMNS`: the rank is by payoff (1 is best), rank_low and rank_high are where the ends of its own
        interval would put it; the kind of trained agents is empty.
    """
    parts = []
    for (game, model), path in matches.items():
        fixed = read_rows(strategies[game]).assign(agent_seed=UNSEEDED, opponent_seed=UNSEEDED)
        played = pd.concat([read_rows(path), fixed], ignore_index=True)
        table = _scores(played, (game, model))
        places = {name: _ranks(table["payoff"], table[column]) for name, column in RANKS.items()}
        kind = table["agent"].map(_kinds(kinds[game])).fillna("")
        table = table.assign(model=model, game=game, entrants=len(table), kind=kind, **places)
        parts.append(table[COLUMNS])
    return pd.concat(parts, ignore_index=True)


def by_opponent(matches: Mapping[Source, Path], kinds: Mapping[str, Path]) -> pd.DataFrame:
    """What trained agents get and do (`MEASURES`) with every strategy, every kind of them, and `EVERY_STRATEGY`.

    The columns are those of `tables.cross_play`.
    """
    parts = []
    for (game, model), path in matches.items():
        kind = _kinds(kinds[game])
        table = with_opponents_cooperation(read_rows(path))[[*PAIR, "match", *MEASURES]]
        table = table[table["opponent"].isin(kind.index) & ~table["agent"].isin(kind.index)]
        strategies = table["opponent"]
        for group in (strategies, strategies.map(kind), EVERY_STRATEGY):
            grouped = table.assign(opponent=group, opponent_seed=UNSEEDED)
            parts.append(summary((game, model), grouped, MEASURES))
    found = pd.concat(parts, ignore_index=True)
    return found.assign(matches=found["observations"], missing=0)


def with_opponents_cooperation(table: pd.DataFrame) -> pd.DataFrame:
    """The matches with one more column, `cooperation_opponent`, from the rows of the other seat."""
    swapped = {"agent": "opponent", "opponent": "agent"}
    swapped |= {f"{name}_seed": f"{other}_seed" for name, other in swapped.items()}
    swapped["cooperation"] = "cooperation_opponent"
    other = table[[*PAIR, "match", "cooperation"]].rename(columns=swapped)
    return table.merge(other, on=[*PAIR, "match"], validate="one_to_one")


def _kinds(path: Path) -> pd.Series:
    """The kind of each strategy."""
    return read_rows(path).set_index("strategy")["kind"]


def _scores(played: pd.DataFrame, source: Source) -> pd.DataFrame:
    """Payoff and cooperation of every agent over all others, with intervals; best first."""
    others = played[played["agent"] != played["opponent"]]
    keys = ["agent", "agent_seed", "match"]
    per_opponent = others.groupby([*keys, "opponent"])[[*SCORES]].mean()
    repetitions = per_opponent.groupby(keys).mean().reset_index()
    repetitions = repetitions.assign(opponent=EVERY_STRATEGY, opponent_seed=UNSEEDED)
    rows = summary(source, repetitions, SCORES).set_index("agent")
    table = rows.loc[rows["quantity"] == "cooperation", ["seeds", "interval_over"]]
    for name in SCORES:
        ends = {"mean": name, "low": f"{name}_low", "high": f"{name}_high"}
        own = rows.loc[rows["quantity"] == name, list(ends)]
        table = table.join(own.rename(columns=ends))
    table = table.reset_index()
    return table.sort_values("payoff", ascending=False, kind="stable", ignore_index=True)


def _ranks(payoffs: pd.Series, ends: pd.Series) -> np.ndarray:
    """The places that agents would have if they, but none of the others, got these ends; 1 is the best, NaN unknown."""
    better = payoffs.to_numpy() > ends.to_numpy()[:, None]  # (agents, others)
    np.fill_diagonal(better, False)
    return np.where(ends.isna(), np.nan, 1 + np.count_nonzero(better, axis=1))
