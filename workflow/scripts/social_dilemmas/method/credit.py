"""Credit: how good a player's move was, from the rewards of its match and of its group.

Pure functions on float tensors of shape (matches, rounds). They work in the dtype and on the device
of their input, can be differentiated, and raise ValueError for shapes that don't fit together.

Rewards become utilities (those of a selfish player are its rewards), utilities become returns,
returns become advantages (against the rest of the group, or against a critic), and the advantages of
both players become the credit that weighs each move:

    own = leave_one_out(discounted_returns(utilities(rewards, rewards_of_other), discount), groups)
    other = leave_one_out(discounted_returns(utilities(rewards_of_other, rewards), discount), groups)
    credit = CREDITS["advantage_alignment"](own, other, beta=beta, discount=discount)
    loss = -(credit.detach() * log_probabilities).sum() / moves

Source: Learning Robust Social Strategies with Large Language Models (arXiv 2511.19405).
"""

from functools import partial
from math import cos, radians, sin
from typing import Protocol

import torch
from torch import Tensor

SMALLEST_DEVIATION = 1e-4
"""Added to a standard deviation that something is divided by, so that rounding errors stay small."""


class Credit(Protocol):
    """A player's credit from its own and the other's advantages; all (matches, rounds)."""

    def __call__(self, own: Tensor, other: Tensor, *, beta: float, discount: float) -> Tensor: ...


def utilities(
    own: Tensor,
    other: Tensor,
    *,
    angle: float = 0.0,
    envy: float = 0.0,
    guilt: float = 0.0,
    memory: float = 0.0,
    discount: float = 1.0,
) -> Tensor:
    """What a player with social preferences makes of its own and the other's rewards; (matches, rounds).

    ``own * cos(angle) + other * sin(angle) - envy * max(behind, 0) - guilt * max(-behind, 0)``. The
    angle, in degrees, is the player's social value orientation. ``behind[t] = sum_{k<=t} (discount *
    memory)^(t-k) * (other[k] - own[k])`` is by how much the other has got more so far, or in this
    round alone where there is no memory; aversion to it is charged in every round.

    Source: the angle: Griesinger and Livingston 1973, Toward a model of interpersonal motivation in
    experimental games; Liebrand 1984, The effect of social motives, communication and group size on
    behaviour in an N-person multi-stage mixed-motive game. Envy and guilt: Fehr and Schmidt 1999, A
    theory of fairness, competition, and cooperation; with memory: Hughes et al. 2018 (arXiv 1803.08884).
    """
    _check_same(own, other)
    behind = _decayed_sums(other - own, discount * memory)
    weighed = cos(radians(angle)) * own + sin(radians(angle)) * other
    return weighed - envy * behind.clamp(min=0) - guilt * (-behind).clamp(min=0)


def discounted_returns(rewards: Tensor, discount: float) -> Tensor:
    """Rewards still to come: ``returns[t] = sum_{s>=t} discount^(s-t) * rewards[s]``.

    There is no factor ``discount^t`` in front: late rounds count as much as early ones.
    """
    _check_rounds("rewards", rewards)
    return _decayed_sums(rewards.flip(1), discount).flip(1)


def leave_one_out(values: Tensor, groups: Tensor) -> Tensor:
    """Values minus the mean of the other members of the group at the same round.

    The baseline never sees the match that it is taken from, so it lowers the variance of a policy
    gradient without moving its mean. Equal values within a group give exactly zero. A group is made
    by equal integers in `groups` (matches,); one with a single member is a ValueError.

    Source: Kool et al. 2019, Buy 4 REINFORCE samples, get a baseline for free!; Ahmadian et al.
    2024 (RLOO, arXiv 2402.14740).
    """
    _check_rounds("values", values)
    if groups.shape != values.shape[:1] or groups.is_floating_point():
        raise ValueError(
            f"groups must hold one integer id for each of the {len(values)} matches, "
            f"not {groups.dtype} of shape {tuple(groups.shape)}"
        )
    ids, index, sizes = torch.unique(groups, return_inverse=True, return_counts=True)
    if (sizes == 1).any():
        lonely = ids[sizes == 1].tolist()
        raise ValueError(f"each group needs at least two matches, but these have one: {lonely}")

    # Measured from the group's lowest value, equal values leave no rounding error behind.
    shape = (len(ids), values.shape[1])  # (groups, rounds)
    rows = index[:, None].expand_as(values)
    lowest = values.new_full(shape, torch.inf).scatter_reduce(0, rows, values.detach(), "amin")
    heights = values - lowest[index]
    of_others = values.new_zeros(shape).index_add(0, index, heights)[index] - heights
    baseline: Tensor = of_others / (sizes[index, None] - 1)
    return heights - baseline


def over_group_deviation(advantages: Tensor, groups: Tensor) -> Tensor:
    """Advantages divided by their standard deviation in the group at the same round; (matches, rounds).

    Where all members of a group are alike, that is nearly zero, and so are they. `groups` is as for
    `leave_one_out`. The scale of rewards then has no effect, but groups with little at stake count as
    much as others, so the mean isn't a policy gradient any more.

    Source: Shao et al. 2024 (GRPO, arXiv 2402.03300).
    """
    _check_rounds("advantages", advantages)
    _, index, sizes = torch.unique(groups, return_inverse=True, return_counts=True)

    def mean(values: Tensor) -> Tensor:
        sums = values.new_zeros(len(sizes), values.shape[1]).index_add(0, index, values)
        return (sums / sizes[:, None])[index]

    deviation = mean((advantages - mean(advantages)).square()).sqrt()
    return advantages / (deviation + SMALLEST_DEVIATION)


def generalized_advantages(
    rewards: Tensor, values: Tensor, discount: float, trace_decay: float
) -> Tensor:
    """Generalised advantage estimation, for training with a learned critic in place of groups.

    ``advantages[t] = sum_{s>=t} (discount * trace_decay)^(s-t) * error[s]`` with the one-step error
    ``error[s] = rewards[s] + discount * values[s+1] - values[s]``. Values (matches, rounds + 1) are
    what the critic expects before each round, and after the last one (zero where the match ends
    there). A trace decay of 0 trusts the critic after one step, 1 uses the whole return.

    Source: Schulman et al. 2015 (arXiv 1506.02438).
    """
    _check_rounds("rewards", rewards)
    if values.shape != (rewards.shape[0], rewards.shape[1] + 1):
        raise ValueError(
            f"values must have one column more than rewards {tuple(rewards.shape)}, "
            f"not shape {tuple(values.shape)}"
        )
    errors = rewards + discount * values[:, 1:] - values[:, :-1]
    return discounted_returns(errors, discount * trace_decay)


def naive(own: Tensor, other: Tensor, *, beta: float, discount: float) -> Tensor:
    """Each player for itself: the own advantage; (matches, rounds)."""
    _check_same(own, other)
    return own


def sum_of_rewards(own: Tensor, other: Tensor, *, beta: float, discount: float) -> Tensor:
    """Both players for both: the advantage of the summed rewards; (matches, rounds)."""
    _check_same(own, other)
    return own + other


def advantage_alignment(
    own: Tensor, other: Tensor, *, beta: float, discount: float, include_current: bool = False
) -> Tensor:
    """Own advantage, plus the other's weighed by how well the match went for oneself so far.

    ``own[t] + beta * discount * (sum_{k<t} discount^(t-k) * own[k]) * other[t]``: kind where the
    past was good, unkind where it was bad, so that a learning opponent learns to treat one well.
    The first round has no past, hence no such term, and the round before weighs discount^2.
    With ``include_current``: ``own[t] + beta * (sum_{k<=t} discount^(t-k) * own[k]) * other[t]``.
    The alignment term is a product of two advantages, so beta is in units of one over the scale of
    the rewards.

    Source: Duque et al. 2024, Advantage Alignment Algorithms (arXiv 2406.14662); arXiv 2511.19405.
    """
    _check_same(own, other)
    so_far = _decayed_sums(own, discount)  # sum_{k<=t} discount^(t-k) * own[k]
    if include_current:
        return own + beta * so_far * other
    return own + beta * discount * _before(so_far, discount) * other


def advantage_alignment_past(own: Tensor, other: Tensor, *, beta: float, discount: float) -> Tensor:
    """Advantage Alignment by what was got in the past alone; (matches, rounds).

    An advantage ``own[k]`` is of all rewards from round k on. Without those from round t on it is
    ``own[k] - discount^(t-k) * own[t]``, which takes its place in the term of `advantage_alignment`.
    """
    _check_same(own, other)
    so_far = _before(_decayed_sums(own, discount), discount)
    to_come = own * _before(_decayed_sums(torch.ones_like(own), discount**2), discount**2)
    return own + beta * discount * (so_far - to_come) * other


CREDITS: dict[str, Credit] = {
    "naive": naive,
    "sum_of_rewards": sum_of_rewards,
    "advantage_alignment": advantage_alignment,
    "advantage_alignment_current": partial(advantage_alignment, include_current=True),
    "advantage_alignment_past": advantage_alignment_past,
}
"""Credit by the name that the config gives it: one of `Credit` in `config/schema/training.py`."""


def _decayed_sums(values: Tensor, decay: float) -> Tensor:
    """``sums[t] = sum_{k<=t} decay^(t-k) * values[k]``; (matches, rounds)."""
    sums = [values[:, 0]]
    for round_values in values.unbind(1)[1:]:
        sums.append(decay * sums[-1] + round_values)
    return torch.stack(sums, dim=1)


def _before(sums: Tensor, decay: float) -> Tensor:
    """The decayed sums of all earlier rounds: ``decay * sums[t-1]``, and zero in the first round."""
    return torch.cat((torch.zeros_like(sums[:, :1]), decay * sums[:, :-1]), dim=1)


def _check_rounds(name: str, values: Tensor) -> None:
    if values.dim() != 2 or values.shape[1] == 0 or not values.is_floating_point():
        raise ValueError(
            f"{name} must be a float tensor of shape (matches, rounds) with at least one round, "
            f"not {values.dtype} of shape {tuple(values.shape)}"
        )


def _check_same(own: Tensor, other: Tensor) -> None:
    _check_rounds("own", own)
    _check_rounds("other", other)
    if own.shape != other.shape:
        raise ValueError(
            f"own and other must have the same shape, "
            f"not {tuple(own.shape)} and {tuple(other.shape)}"
        )
