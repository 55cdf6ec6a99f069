"""Populations: games whose dynamics are known on paper, and the table that is made from a cross-play."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from social_dilemmas.agents.agent import UNSEEDED
from social_dilemmas.statistics.population import population
from social_dilemmas.statistics.replicator import (
    Floats,
    RestPoint,
    growth_when_rare,
    replicator,
    rest_points,
)

ROUNDS = 10
# Ten rounds of the prisoner's dilemma (5, 3, 1, 0) between ALLC, ALLD and TFT, points a round.
DILEMMA = np.array([[3, 0, 3], [5, 1, (5 + 9 * 1) / 10], [3, (0 + 9 * 1) / 10, 3]])
ALLC, ALLD, TFT = range(3)
VALUE, COST = 2.0, 6.0
HAWK_DOVE = np.array([[(VALUE - COST) / 2, VALUE], [0, VALUE / 2]])
ROCK_PAPER_SCISSORS = np.array([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]])


def stable(payoffs: Floats) -> list[list[float]]:
    return [point.shares.round(6).tolist() for point in rest_points(payoffs) if point.stable]


def only(points: list[RestPoint], *types: int) -> RestPoint:
    """The rest point of exactly these types."""
    (found,) = (point for point in points if np.flatnonzero(point.shares).tolist() == [*types])
    return found


def test_hawks_and_doves_live_together_at_value_over_cost() -> None:
    assert stable(HAWK_DOVE) == [pytest.approx([VALUE / COST, 1 - VALUE / COST], abs=1e-6)]
    for start in (0.01, 0.9):
        end = replicator(HAWK_DOVE, np.array([start, 1 - start]), time=60, steps=600)[-1]
        assert end[0] == pytest.approx(VALUE / COST, abs=1e-6)


def test_two_types_move_as_the_logistic_equation() -> None:
    """A type that always earns 1 more grows as x/(1-x) = x0/(1-x0) e^t."""
    path = replicator(np.array([[1.0, 1.0], [0.0, 0.0]]), np.array([0.1, 0.9]), time=5, steps=50)
    odds = path[:, 0] / path[:, 1]
    assert odds == pytest.approx(np.exp(np.linspace(0, 5, 51)) / 9, rel=1e-9)


def test_rock_paper_scissors_goes_round_for_ever() -> None:
    """The product of shares is conserved, and after a quarter of the time they are elsewhere."""
    start = np.array([0.6, 0.2, 0.2])
    path = replicator(ROCK_PAPER_SCISSORS, start, time=100, steps=2000)
    assert path.prod(axis=1) == pytest.approx(start.prod(), rel=1e-4)
    assert (path.max(axis=0) > 0.59).all()
    assert path.sum(axis=1) == pytest.approx(1)
    centre = only(rest_points(ROCK_PAPER_SCISSORS), 0, 1, 2)
    assert centre.shares == pytest.approx(1 / 3)
    assert not centre.stable


def test_the_dominant_type_takes_over_from_everywhere() -> None:
    dominant = np.array([[3.0, 5.0, 4.0], [2.0, 4.0, 3.0], [2.5, 4.5, 3.9]])
    assert stable(dominant) == [[1, 0, 0]]
    starts = np.random.default_rng(0).dirichlet([1, 1, 1], 100)
    ends = replicator(dominant, starts, time=100, steps=500)[-1]
    assert ends[:, 0].min() > 0.999


def test_tit_for_tat_needs_a_share_to_displace_defectors() -> None:
    """With share x it earns 3x + .9(1-x), a defector 1.4x + (1-x): even at x = .1/1.7."""
    points = rest_points(DILEMMA[ALLD:, ALLD:])
    assert only(points, 0, 1).shares[1] == pytest.approx(0.1 / 1.7)
    assert not only(points, 0, 1).stable
    for share, end in ((0.055, 0.0), (0.062, 1.0)):
        start = np.array([0.0, 1 - share, share])
        assert replicator(DILEMMA, start, time=100, steps=500)[-1, TFT] == pytest.approx(
            end, abs=1e-3
        )


def test_growth_when_rare_in_the_prisoners_dilemma() -> None:
    assert growth_when_rare(DILEMMA)[ALLD].tolist() == pytest.approx([2, 0, -1.6])


def test_what_is_not_there_never_comes() -> None:
    path = replicator(HAWK_DOVE, np.array([0.0, 1.0]), time=10, steps=10)
    assert (path == [0, 1]).all()


def test_the_table_takes_each_seed_by_itself(tmp_path: Path) -> None:
    """Naive and sum as ALLD and ALLC, in the second seed with 2 points more for all; what other seeds do to each other
    is far off, and the scripted player that isn't greedy is left out.
    """
    payoff = {"naive": {"naive": 1, "sum_of_rewards": 5}, "sum_of_rewards": {"naive": 0}}
    payoff["sum_of_rewards"]["sum_of_rewards"] = 3
    agents = [*product(payoff, (0, 42)), ("always_defect", UNSEEDED), ("random", UNSEEDED)]
    rows = []
    for (agent, seed), (opponent, other) in product(agents, agents):
        value = payoff.get(agent, payoff["naive"])[opponent if opponent in payoff else "naive"]
        value += 2 * (42 in (seed, other))
        value += 99 * (UNSEEDED not in (seed, other) and seed != other)
        pair = {"agent": agent, "agent_seed": seed, "opponent": opponent, "opponent_seed": other}
        rows.append({"game": "prisoners_dilemma", **pair, "payoff": float(value)})
    pd.DataFrame(rows).to_parquet(tmp_path / "matches.parquet")
    table = population({("prisoners_dilemma", "embedded"): tmp_path / "matches.parquet"})
    found = table.set_index(["agent", "opponent", "quantity"])
    assert set(table["agent"]) == {"naive", "sum_of_rewards", "always_defect"}
    assert found["by_seed"]["naive", "naive", "payoff"] == "1 3"
    growth = found.T["naive", "sum_of_rewards", "growth_when_rare"]
    assert (growth["mean"], growth["low"], growth["high"]) == (2, 2, 2)
    assert (growth["seeds"], growth["seeds_above_zero"]) == (2, 2)
    assert found["seeds_above_zero"]["sum_of_rewards", "naive", "growth_when_rare"] == 0
    payoffs = found.T["naive", "naive", "payoff"]
    assert payoffs["high"] - payoffs["mean"] == pytest.approx(
        12.7062 * np.sqrt(2) / np.sqrt(2), rel=1e-3
    )
    assert found["seeds"]["always_defect", "always_defect", "payoff"] == 1
    shares = table[table["quantity"] == "final_share"].set_index("agent")["mean"]
    assert shares.sum() == pytest.approx(1)
    assert shares["sum_of_rewards"] < 1e-6
