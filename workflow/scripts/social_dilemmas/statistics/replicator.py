"""Populations in which agents that earn more become more frequent: replicator dynamics and invasion analysis.

`payoffs[i, j]` always is what an agent of type i gets with one of type j, (types, types), in any unit.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TOLERANCE = 1e-9  # of payoffs that span 1: what is closer counts as equal


@dataclass(frozen=True)
class RestPoint:
    """Shares (types,) at which nothing changes.

    `stable`: small disturbances die out, those by types that aren't there included. Where they neither die out nor
    grow, as around the rest point of rock, paper and scissors, it is not stable.
    """

    shares: Floats
    stable: bool


def replicator(payoffs: Floats, start: Floats, *, time: float, steps: int) -> Floats:
    """Shares in the course of time, (steps + 1, ..., types), from the shares `start`, (..., types).

    A share grows at the rate by which its type's payoff exceeds the population's mean, dx_i/dt = x_i (f_i - mean) with
    f = payoffs @ x (Taylor and Jonker, Evolutionarily stable strategies and game dynamics, Mathematical Biosciences 40,
    1978), integrated by the classical Runge-Kutta method. Logarithms of shares grow at f_i up to a common term, so in
    logarithms no share can leave [0, 1], and what is 0 stays 0.
    """

    def rates(logs: Floats) -> Floats:
        return _normalised(logs) @ payoffs.T

    step = time / steps
    with np.errstate(divide="ignore"):
        logs = np.log(np.asarray(start, float))
    path = [_normalised(logs)]
    for _ in range(steps):
        first = rates(logs)
        second = rates(logs + step / 2 * first)
        third = rates(logs + step / 2 * second)
        fourth = rates(logs + step * third)
        logs = logs + step / 6 * (first + 2 * second + 2 * third + fourth)
        path.append(_normalised(logs))
    return np.stack(path)


def rest_points(payoffs: Floats) -> list[RestPoint]:
    """All isolated rest points of `replicator`, those with the fewest types first.

    The types of a rest point earn the same; each set of types has one such point or none, or a continuum of them, which
    is left out. The eigenvalues of the linearised dynamics tell whether it is stable.
    """
    payoffs = _scaled(payoffs)
    points = []
    for size in range(1, len(payoffs) + 1):
        for types in map(list, combinations(range(len(payoffs)), size)):
            # payoffs @ shares - common payoff = 0, and sum of shares = 1
            among, ones = payoffs[np.ix_(types, types)], np.ones((size, 1))
            system = np.block([[among, -ones], [ones.T, np.zeros((1, 1))]])
            if np.linalg.cond(system) * TOLERANCE > 1:
                continue
            found = np.linalg.solve(system, np.eye(size + 1)[size])[:size]
            if (found > TOLERANCE).all():
                shares = np.zeros(len(payoffs))
                shares[types] = found
                points.append(RestPoint(shares, _growth_nearby(payoffs, shares) < -TOLERANCE))
    return points


def growth_when_rare(payoffs: Floats) -> Floats:
    """(mutants, residents): by how much a rare mutant earns more than the residents that it meets nearly always."""
    return payoffs - np.diagonal(payoffs)


def _normalised(logs: Floats) -> Floats:
    """Shares from their logarithms, which may lack a common term."""
    weights = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def _scaled(payoffs: Floats) -> Floats:
    """The same game with payoffs that span 1."""
    return payoffs / (np.ptp(payoffs) or 1.0)


def _growth_nearby(payoffs: Floats, shares: Floats) -> float:
    """The largest rate at which a small disturbance of a rest point grows; negative: all die out."""
    types, rates = len(shares), payoffs @ shares
    # (types, types): of each type's excess, along each share
    along = payoffs - rates - payoffs.T @ shares
    jacobian = np.diag(rates - shares @ rates) + shares[:, None] * along
    inside = np.linalg.svd(np.ones((1, types)))[2][1:]  # directions that keep the sum of shares
    return max(np.linalg.eigvals(inside @ jacobian @ inside.T).real, default=-np.inf)
