"""The mean of the estimated policy gradient, exactly, on a dilemma that can be written down whole.

Two players with a table of logits each play a few rounds of the prisoner's dilemma: whatever the mean of an estimator
is, it can be summed up over every possible *group* of matches with its probability. The estimator is that of training:
returns, minus the rest of the group, made into credit, and

    loss = -(credit.detach() * log_probabilities), summed over rounds, averaged over matches.

With score[t] the gradient of log pi(move[t]), G the returns *without* a factor discount^t in front (as usual), and
mu = E[G], its mean has to be:

- naive: E[sum_t score[t] * G_own[t]]; sum of rewards: the same with G_own + G_other. At discount 1 this is the gradient
  of the expected sum of payoffs.
- Advantage Alignment: the baselines m_own, m_other are means over *other* matches, so they are independent of the
  match, but not of each other. In the product
      E[score[t] (G_own[k] - m_own[k]) (G_other[t] - m_other[t])]
  they can be replaced by mu where one of them stands alone; where both stand, their product's mean is
  mu_own mu_other + cov / (n - 1), and multiplies E[score[t]] = 0. So the mean, for any group size n, is
      E[score[t] (G_own[k] - mu_own[k]) (G_other[t] - mu_other[t])].
- Advantage Alignment with the past only: the same with the rewards from k to t - 1 in place of G_own[k].

With preferences, utilities take the place of payoffs. Divided by the group's standard deviation, two matches of one
round differ by +-1: the mean is the gradient of how much likelier it is to beat another match than to be beaten by it.
"""

from collections.abc import Mapping
from math import cos, radians, sin
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from social_dilemmas.method.credit import (
    CREDITS,
    SMALLEST_DEVIATION,
    Credit,
    discounted_returns,
    generalized_advantages,
    leave_one_out,
    over_group_deviation,
    utilities,
)

STATES = 5  # start, then (own, other) = CC, CD, DC, DD
PAYOFFS = torch.tensor([[3.0, 0.0], [5.0, 1.0]], dtype=torch.float64)  # [own move, other's move]
ROUNDS = 3
SCALE = 5.0  # rewards are payoffs divided by this
BETA = 0.5
DISCOUNT = 0.9
SELFISH: dict[str, float] = {}
SOCIAL = [
    {"angle": 30.0},
    {"angle": -120.0, "envy": 0.2},
    {"envy": 0.7, "guilt": 0.4},
    {"envy": 0.7, "guilt": 0.4, "memory": 0.6},
]


# --- the dilemma: a player looks at the last joint move and has one logit for each ---------------
# Moves are (matches, 2, rounds), 0 to cooperate and 1 to defect; logits are (..., 2, STATES).


def all_matches(rounds: int) -> Tensor:
    """Every match there is: moves (4^rounds, 2, rounds)."""
    bits = torch.arange(4**rounds)[:, None] >> torch.arange(2 * rounds) & 1
    return bits.reshape(-1, 2, rounds)


def states(moves: Tensor) -> Tensor:
    """What each player saw before each of its moves, 0..STATES-1; (matches, 2, rounds)."""
    after = 1 + 2 * moves + moves.flip(1)
    return torch.cat((torch.zeros_like(after[:, :, :1]), after[:, :, :-1]), dim=2)


def log_probabilities(logits: Tensor, moves: Tensor) -> Tensor:
    """Of every move; logits (2, STATES), or (matches, 2, STATES) with a table for every match."""
    chosen = logits.expand(len(moves), -1, -1).gather(2, states(moves))
    return logsigmoid(torch.where(moves == 0, chosen, -chosen))


def payoffs(moves: Tensor) -> Tensor:
    """Of each player in each round; (matches, 2, rounds)."""
    return PAYOFFS[moves, moves.flip(1)]


# --- the estimator -------------------------------------------------------------------------------


def estimated_mean(
    logits: Tensor,
    credit: Credit,
    *,
    rounds: int,
    group_size: int,
    discount: float = DISCOUNT,
    preferences: Mapping[str, float] = SELFISH,
    normalise: bool = False,
) -> Tensor:
    """Mean of the estimated gradient over every group of matches that can happen; (2, STATES)."""
    moves = all_matches(rounds)
    chances = log_probabilities(logits, moves).sum((1, 2)).exp()
    numbers = torch.cartesian_prod(*[torch.arange(len(moves))] * group_size)  # (groups, size)
    chance_of_group = chances[numbers].prod(1).repeat_interleave(group_size)  # (groups * size,)
    played = moves[numbers.flatten()]
    groups = torch.arange(len(played)) // group_size
    table = logits.clone().requires_grad_()
    log_probability = log_probabilities(table, played)
    rewards = payoffs(played) / SCALE
    wanted = [
        utilities(rewards[:, seat], rewards[:, 1 - seat], discount=discount, **preferences)
        for seat in (0, 1)
    ]
    advantages = [leave_one_out(discounted_returns(each, discount), groups) for each in wanted]
    if normalise:
        advantages = [over_group_deviation(each, groups) for each in advantages]
    loss = torch.zeros((), dtype=torch.float64)
    for seat in (0, 1):
        weights = credit(advantages[seat], advantages[1 - seat], beta=BETA, discount=discount)
        of_match = -(weights.detach() * log_probability[:, seat]).sum(1) / group_size
        loss = loss + (chance_of_group * of_match).sum()
    (gradient,) = torch.autograd.grad(loss, table)
    return -gradient


# --- what it ought to be, without the functions under test ---------------------------------------


def objective_gradient(logits: Tensor, totals: Tensor, rounds: int = ROUNDS) -> Tensor:
    """Of each player's exact expected value of totals (matches, 2), by differentiation."""
    logits = logits.clone().requires_grad_()
    chances = log_probabilities(logits, all_matches(rounds)).sum((1, 2)).exp()
    expected = chances @ totals  # (2,)
    rows = [torch.autograd.grad(expected[s], logits, retain_graph=True)[0][s] for s in (0, 1)]
    return torch.stack(rows)


def total_utilities(
    rounds: int, angle: float = 0, envy: float = 0, guilt: float = 0, memory: float = 0
) -> Tensor:
    """What each player makes of every match, summed up round by round; (matches, 2)."""
    totals = []
    for match in (payoffs(all_matches(rounds)) / SCALE).tolist():
        sums = []
        for own, other in (match, match[::-1]):
            total = 0.0
            for t in range(rounds):
                total += cos(radians(angle)) * own[t] + sin(radians(angle)) * other[t]
                ahead = sum(memory ** (t - k) * (own[k] - other[k]) for k in range(t + 1))
                total -= guilt * ahead if ahead > 0 else -envy * ahead
            sums.append(total)
        totals.append(sums)
    return torch.tensor(totals, dtype=torch.float64)


def exact_mean(logits: Tensor, credit: str, discount: float, rounds: int = ROUNDS) -> Tensor:
    """The mean that the docstring of this file derives, from every match and its probability."""
    logits = logits.clone().requires_grad_()
    moves = all_matches(rounds)
    log_probability = log_probabilities(logits, moves)
    chances = log_probability.detach().sum((1, 2)).exp()
    rewards = payoffs(moves) / SCALE
    surplus = torch.zeros_like(rewards)  # returns minus their exact mean
    for t in range(rounds):
        for s in range(t, rounds):
            surplus[:, :, t] += discount ** (s - t) * rewards[:, :, s]
    surplus = surplus - torch.einsum("m,mst->st", chances, surplus)
    surrogate = torch.zeros((), dtype=torch.float64)
    for seat in (0, 1):
        own, other = surplus[:, seat], surplus[:, 1 - seat]
        for t in range(rounds):
            weight = own[:, t].clone()
            if credit == "sum_of_rewards":
                weight += other[:, t]
            if credit == "advantage_alignment":
                for k in range(t):
                    weight += BETA * discount * discount ** (t - k) * own[:, k] * other[:, t]
            if credit == "advantage_alignment_past":
                for k in range(t):
                    so_far = sum(discount ** (s - k) * rewards[:, seat, s] for s in range(k, t))
                    so_far = so_far - chances @ so_far
                    weight += BETA * discount * discount ** (t - k) * so_far * other[:, t]
            if credit == "advantage_alignment_current":
                for k in range(t + 1):
                    weight += BETA * discount ** (t - k) * own[:, k] * other[:, t]
            surrogate = surrogate + (chances * weight * log_probability[:, seat, t]).sum()
    return torch.autograd.grad(surrogate, logits)[0]


@pytest.fixture
def logits() -> Tensor:
    """Two unlike players, neither of them near a corner or indifferent; (2, STATES)."""
    return torch.tensor(
        [[0.4, 0.9, -0.7, 0.3, -0.5], [-0.2, 0.6, -1.0, 0.8, 0.1]], dtype=torch.float64
    )


# --- the dilemma itself ---------------------------------------------------------------------------


def test_the_dilemma_is_what_it_says(logits: Tensor) -> None:
    moves = all_matches(ROUNDS)
    places = 2 ** torch.arange(2 * ROUNDS)
    assert (moves.flatten(1) * places).sum(1).tolist() == list(range(4**ROUNDS))
    chances = log_probabilities(logits, moves).sum((1, 2)).exp()
    assert chances.sum().item() == pytest.approx(1.0)
    # Seat 0 plays C D D, seat 1 plays D D C.
    match = torch.tensor([[[0, 1, 1], [1, 1, 0]]])
    assert states(match).tolist() == [[[0, 2, 4], [0, 3, 4]]]
    assert payoffs(match).tolist() == [[[0.0, 1.0, 5.0], [5.0, 1.0, 0.0]]]


# --- exact: every group that can happen ----------------------------------------------------------


@pytest.mark.parametrize(("rounds", "group_size"), [(2, 2), (3, 2), (2, 3)])
@pytest.mark.parametrize("credit", CREDITS)
def test_mean_over_every_group_is_exact(
    logits: Tensor, credit: str, rounds: int, group_size: int
) -> None:
    mean = estimated_mean(logits, CREDITS[credit], rounds=rounds, group_size=group_size)
    exact = exact_mean(logits, credit, DISCOUNT, rounds)
    torch.testing.assert_close(mean, exact, atol=1e-12, rtol=0.0)


@pytest.mark.parametrize("credit", ["naive", "sum_of_rewards"])
def test_without_discount_the_mean_is_the_gradient_of_the_objective(
    logits: Tensor, credit: str
) -> None:
    totals = payoffs(all_matches(ROUNDS)).sum(2) / SCALE
    if credit == "sum_of_rewards":
        totals = totals + totals.flip(1)
    gradient = objective_gradient(logits, totals)
    torch.testing.assert_close(exact_mean(logits, credit, 1.0), gradient, atol=1e-12, rtol=0.0)


@pytest.mark.parametrize("preferences", SOCIAL)
def test_with_preferences_the_mean_is_the_gradient_of_the_expected_utility(
    logits: Tensor, preferences: dict[str, float]
) -> None:
    options: dict[str, Any] = {"rounds": 2, "group_size": 2, "discount": 1.0}
    mean = estimated_mean(logits, CREDITS["naive"], preferences=preferences, **options)
    gradient = objective_gradient(logits, total_utilities(2, **preferences), rounds=2)
    torch.testing.assert_close(mean, gradient, atol=1e-12, rtol=0.0)
    selfish = estimated_mean(logits, CREDITS["naive"], **options)
    assert not torch.allclose(mean, selfish, atol=1e-3)


def test_divided_by_the_deviation_the_mean_is_the_gradient_of_beating_another_match(
    logits: Tensor,
) -> None:
    points = payoffs(all_matches(1)).sum(2) / SCALE  # (matches, 2)
    chances = log_probabilities(logits, all_matches(1)).sum((1, 2)).exp()
    lead = points[:, None] - points[None]  # (matches, other matches, 2)
    beaten = lead / (lead.abs() + SMALLEST_DEVIATION)  # nearly the sign
    wins = torch.einsum("mns,n->ms", beaten, chances)
    mean = estimated_mean(logits, CREDITS["naive"], rounds=1, group_size=2, normalise=True)
    gradient = objective_gradient(logits, wins, rounds=1)
    torch.testing.assert_close(mean, gradient, atol=1e-12, rtol=0.0)


@pytest.mark.parametrize("right_critic", [False, True], ids=["any critic", "right critic"])
def test_generalized_advantages_keep_the_mean(logits: Tensor, right_critic: bool) -> None:
    """With the whole return any critic leaves the mean alone; the right one does at any trace."""
    discount, trace_decay = 0.9, 0.4 if right_critic else 1.0
    table = logits.clone().requires_grad_()
    moves = all_matches(ROUNDS)
    log_probability = log_probabilities(table, moves)
    chances = log_probability.detach().sum((1, 2)).exp()
    seen, rewards = states(moves), payoffs(moves) / SCALE
    surrogate = torch.zeros((), dtype=torch.float64)
    for seat in (0, 1):
        returns = discounted_returns(rewards[:, seat], discount)
        values = torch.zeros(len(moves), ROUNDS + 1, dtype=torch.float64)
        for t in range(ROUNDS):
            for state in range(STATES):
                here = seen[:, seat, t] == state
                expected = (chances * returns[:, t])[here].sum() / chances[here].sum()
                values[here, t] = expected if right_critic else torch.tensor(0.7 * state - t)
        advantages = generalized_advantages(rewards[:, seat], values, discount, trace_decay)
        weights = chances[:, None] * advantages
        surrogate = surrogate + (weights * log_probability[:, seat]).sum()
    (mean,) = torch.autograd.grad(surrogate, table)
    torch.testing.assert_close(mean, exact_mean(logits, "naive", discount), atol=1e-12, rtol=0.0)
