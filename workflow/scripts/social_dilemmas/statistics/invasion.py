"""The cross-play as payoffs of a population: which agents spread among which others, and which take over.

Agents of one seed, with those of which there is only one, are a population; where an agent meets its own kind, it meets
a copy of itself. So every seed has payoffs and a fate of its own.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from social_dilemmas.agents.scripted.player import greedy_player_name
from social_dilemmas.randomness import derive_seed
from social_dilemmas.statistics.population import Floats, growth_when_rare, replicator
from social_dilemmas.statistics.quantities import FINAL_SHARE, GROWTH, MEAN_FINAL_SHARE, PAYOFF
from social_dilemmas.statistics.tables import ALL, EVERYONE, FIXED, Source, is_scripted

TIME, STEPS = 100.0, 200
"""How long a population is followed. In time 1 the odds of two types change by a factor of e at most."""

STARTS = 500  # shares to begin with, uniform among all


def population(matches: Mapping[Source, Path]) -> pd.DataFrame:
    """Payoffs, growth when rare, and shares in the end, from the cross-play of each (game, model).

    The population has all agents that aren't scripted, and the game's greedy player if it took part.

    Returns:
        Columns model, game, agent, opponent (`EVERYONE` for shares in the end), quantity (`PAYOFF`, `GROWTH`,
        `FINAL_SHARE`, `MEAN_FINAL_SHARE`), seed (`ALL` for the mean over seeds), mean, low, high (over seeds the lowest
        and the highest), seeds, seeds_above_zero.
    """
    parts = [
        pd.DataFrame(_rows(payoffs)).assign(model=model, game=game, seed=seed)
        for (game, model), path in matches.items()
        for seed, payoffs in _payoffs_by_seed(pd.read_parquet(path)).items()
    ]
    rows = pd.concat(parts, ignore_index=True)
    return over_seeds(rows, ["model", "game", "agent", "opponent", "quantity"])


def relative(payoffs: Floats) -> Floats:
    """Payoffs that span 1, so that time means the same in every game."""
    return payoffs / (np.ptp(payoffs) or 1.0)


def from_equal_shares(payoffs: Floats) -> Floats:
    """(STEPS + 1, types): shares in the course of time."""
    types = len(payoffs)
    return replicator(relative(payoffs), np.full(types, 1 / types), time=TIME, steps=STEPS)


def over_seeds(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Rows of each seed (columns `keys`, seed, value), and one over all of them."""
    return rows


def _payoffs_by_seed(frame: pd.DataFrame) -> dict[int, pd.DataFrame]:
    """For each seed the payoffs of agents (rows) with opponents (columns)."""
    greedy = greedy_player_name(str(frame["game"].iloc[0]))
    members = frame.loc[~is_scripted(frame, "agent") | (frame["agent"] == greedy), "agent"].unique()
    found = {}
    for seed in sorted(set(frame["agent_seed"]) - {FIXED}):
        own = frame["agent_seed"].isin([seed, FIXED]) & frame["opponent_seed"].isin([seed, FIXED])
        means = frame[own].groupby(["agent", "opponent"])[PAYOFF].mean().unstack()
        found[seed] = means.loc[members, members]
    return found


def _rows(payoffs: pd.DataFrame) -> Iterator[dict[str, object]]:
    """Quantities of one population."""
    names, matrix = list(payoffs), payoffs.to_numpy(float)
    growth = growth_when_rare(matrix)
    for i, agent in enumerate(names):
        for j, opponent in enumerate(names):
            pair = {"agent": agent, "opponent": opponent}
            yield {**pair, "quantity": PAYOFF, "value": matrix[i, j]}
            if i != j:
                yield {**pair, "quantity": GROWTH, "value": growth[i, j]}
    random = np.random.default_rng(derive_seed("population"))
    starts = random.dirichlet(np.ones(len(names)), STARTS)
    anywhere = replicator(relative(matrix), starts, time=TIME, steps=STEPS)[-1].mean(axis=0)
    for quantity, shares in (
        (FINAL_SHARE, from_equal_shares(matrix)[-1]),
        (MEAN_FINAL_SHARE, anywhere),
    ):
        for agent, share in zip(names, shares, strict=True):
            yield {"agent": agent, "opponent": EVERYONE, "quantity": quantity, "value": share}
