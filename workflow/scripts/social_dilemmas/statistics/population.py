"""The cross-play as payoffs of a population: which agents spread among which others, and which take over.

Agents of one seed, with those of which there is only one, are a population; where an agent meets its own kind, it meets
a copy of itself. So every seed has payoffs and a fate of its own, and intervals are over seeds.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from social_dilemmas.agents.agent import EVERYONE, UNSEEDED
from social_dilemmas.agents.roles import greedy_player_name
from social_dilemmas.randomness import derive_seed
from social_dilemmas.statistics.files import read_rows
from social_dilemmas.statistics.intervals import seeds_as_text, t_quantile
from social_dilemmas.statistics.quantities import FINAL_SHARE, GROWTH, MEAN_FINAL_SHARE, PAYOFF
from social_dilemmas.statistics.replicator import Floats, growth_when_rare, replicator
from social_dilemmas.statistics.tables import Source, is_scripted

TIME, STEPS = 100.0, 200
"""How long a population is followed; in time 1 the odds of two types change by a factor of e at most."""

STARTS = 500  # shares to begin with, uniform among all


def population(matches: Mapping[Source, Path]) -> pd.DataFrame:
    """Payoffs, growth when rare, and shares in the end, from the cross-play of each (game, model).

    A population has all agents that aren't scripted, and the game's greedy player if it took part.

    Returns:
        Columns model, game, agent, opponent (`EVERYONE` for shares), quantity (`PAYOFF`; `GROWTH` of the agent among
        opponents; `FINAL_SHARE`, `MEAN_FINAL_SHARE`), mean, low, high (Student's t over seeds), seeds, seeds_above_zero
        (in which the quantity is), by_seed (its values). Where neither agent has seeds, there is one value.
    """
    rows = []
    for (game, model), path in matches.items():
        frame = read_rows(path)
        fixed = set(frame.loc[frame["agent_seed"] == UNSEEDED, "agent"])
        found = [list(_quantities(payoffs)) for payoffs in _by_seed(frame)]
        for same in zip(*found, strict=True):
            (agent, opponent, quantity), values = same[0][:3], np.array([each[3] for each in same])
            if {agent, opponent} <= fixed:
                values = values[:1]
            keys = {"model": model, "game": game, "agent": agent, "opponent": opponent}
            rows.append({**keys, "quantity": quantity, **_over_seeds(values)})
    return pd.DataFrame(rows)


def from_equal_shares(payoffs: Floats) -> Floats:
    """(STEPS + 1, types): shares in the course of time."""
    return _followed(payoffs, np.ones(len(payoffs)))


def _followed(payoffs: Floats, start: Floats) -> Floats:
    """`replicator` with payoffs that span 1, so that time means the same in every game."""
    return replicator(payoffs / (np.ptp(payoffs) or 1.0), start, time=TIME, steps=STEPS)


def _by_seed(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The payoffs of each seed's agents (rows) with opponents (columns)."""
    greedy = greedy_player_name(str(frame["game"].iloc[0]))
    kept = ~is_scripted(frame, "agent") | (frame["agent"] == greedy)
    names = frame.loc[kept, "agent"].unique()
    for seed in sorted(set(frame["agent_seed"]) - {UNSEEDED}):
        seeds = [seed, UNSEEDED]
        own = frame["agent_seed"].isin(seeds) & frame["opponent_seed"].isin(seeds)
        yield frame[own].pivot_table(PAYOFF, "agent", "opponent").loc[names, names]


def _quantities(payoffs: pd.DataFrame) -> Iterator[tuple[str, str, str, float]]:
    """Agent, opponent, quantity and value of everything that there is to say of one population."""
    names, matrix = list(map(str, payoffs)), payoffs.to_numpy(float)
    random = np.random.default_rng(derive_seed("population"))
    anywhere = random.dirichlet(np.ones(len(names)), STARTS)
    pairs = {PAYOFF: matrix, GROWTH: growth_when_rare(matrix)}
    shares = {
        FINAL_SHARE: from_equal_shares(matrix)[-1],
        MEAN_FINAL_SHARE: _followed(matrix, anywhere)[-1].mean(axis=0),
    }
    for quantity, values in pairs.items():
        for (i, j), value in np.ndenumerate(values):
            yield names[i], names[j], quantity, float(value)
    for quantity, values in shares.items():
        for name, value in zip(names, values, strict=True):
            yield name, EVERYONE, quantity, float(value)


def _over_seeds(values: Floats) -> dict[str, float | int | str]:
    """Mean and interval of one number a seed; with a single seed there is no interval."""
    seeds, reach = len(values), float("nan")
    if seeds > 1:
        reach = t_quantile(seeds - 1) * float(values.std(ddof=1)) / np.sqrt(seeds)
    mean = float(values.mean())
    return {
        "mean": mean,
        "low": mean - reach,
        "high": mean + reach,
        "seeds": seeds,
        "seeds_above_zero": int((values > 0).sum()),
        "by_seed": seeds_as_text(values),
    }
