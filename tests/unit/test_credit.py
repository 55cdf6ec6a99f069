"""Credit functions against explicit loops, numbers worked out by hand, and their own properties."""

from collections.abc import Callable

import pytest
import torch
from tests.unit.credit_by_loops import (
    Rows,
    loop_alignment,
    loop_generalized,
    loop_leave_one_out,
    loop_returns,
)
from torch import Tensor

from social_dilemmas.method.credit import (
    CREDITS,
    advantage_alignment,
    advantage_alignment_past,
    discounted_returns,
    generalized_advantages,
    leave_one_out,
    over_group_deviation,
    utilities,
)

SHAPES = [(2, 1), (3, 2), (1, 7), (64, 10), (7, 23)]
DISCOUNTS = [0.0, 0.5, 0.9, 0.96, 1.0]
GROUPS = {
    "one": [0, 0, 0],
    "pairs": [0, 0, 1, 1, 2, 2],
    "uneven": [0, 0, 1, 1, 1, 1, 1, 2, 2, 2],
    "interleaved": [1, 0, 2, 0, 1, 2, 1, 1],
    "not contiguous": [1000003, 5, 5, 70, 1000003, 70, 70],
    "negative": [-1, 3, -7, -1, -7, 3, -7],
}


@pytest.fixture(params=[torch.float64, torch.float32], ids=["float64", "float32"])
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    kind: torch.dtype = request.param
    return kind


def random(shape: tuple[int, int], dtype: torch.dtype, seed: int = 0) -> Tensor:
    return torch.randn(
        shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    ).to(dtype)


def assert_agrees(actual: Tensor, expected: Rows, dtype: torch.dtype) -> None:
    """Agreement to 1e-6; in float32 relative to the largest number, where that is over 1."""
    wanted = torch.tensor(expected, dtype=torch.float64)
    tolerance = 1e-6 if dtype == torch.float64 else 1e-6 * max(1.0, wanted.abs().max().item())
    assert actual.dtype == dtype
    torch.testing.assert_close(actual.double(), wanted, atol=tolerance, rtol=0.0)


# --- agreement with the loops ---------------------------------------------------------------------


@pytest.mark.parametrize("discount", DISCOUNTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_returns_agree_with_loops(
    shape: tuple[int, int], discount: float, dtype: torch.dtype
) -> None:
    rewards = random(shape, dtype)
    assert_agrees(
        discounted_returns(rewards, discount), loop_returns(rewards.tolist(), discount), dtype
    )


@pytest.mark.parametrize("layout", GROUPS)
@pytest.mark.parametrize("rounds", [1, 10])
def test_leave_one_out_agrees_with_loops(layout: str, rounds: int, dtype: torch.dtype) -> None:
    ids = GROUPS[layout]
    values = random((len(ids), rounds), dtype)
    expected = loop_leave_one_out(values.tolist(), ids)
    assert_agrees(leave_one_out(values, torch.tensor(ids)), expected, dtype)
    assert_agrees(leave_one_out(values, torch.tensor(ids, dtype=torch.int32)), expected, dtype)


@pytest.mark.parametrize("current", [False, True])
@pytest.mark.parametrize("beta", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("discount", DISCOUNTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_alignment_agrees_with_loops(
    shape: tuple[int, int], discount: float, beta: float, current: bool, dtype: torch.dtype
) -> None:
    own, other = random(shape, dtype, seed=1), random(shape, dtype, seed=2)
    found = advantage_alignment(own, other, beta=beta, discount=discount, include_current=current)
    expected = loop_alignment(own.tolist(), other.tolist(), beta, discount, current)
    assert_agrees(found, expected, dtype)


@pytest.mark.parametrize("trace_decay", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("discount", DISCOUNTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_generalized_advantages_agree_with_loops(
    shape: tuple[int, int], discount: float, trace_decay: float, dtype: torch.dtype
) -> None:
    rewards = random(shape, dtype, seed=3)
    values = random((shape[0], shape[1] + 1), dtype, seed=4)
    expected = loop_generalized(rewards.tolist(), values.tolist(), discount, trace_decay)
    assert_agrees(generalized_advantages(rewards, values, discount, trace_decay), expected, dtype)


# --- numbers worked out by hand -------------------------------------------------------------------


def test_returns_by_hand() -> None:
    rewards = torch.tensor([[1.0, 2.0, 4.0], [0.0, 0.0, 8.0]])
    expected = torch.tensor([[3.0, 4.0, 4.0], [2.0, 4.0, 8.0]])
    assert torch.equal(discounted_returns(rewards, 0.5), expected)


def test_utilities_by_hand() -> None:
    own, other = torch.tensor([[3.0, 0.0, 5.0]]), torch.tensor([[3.0, 5.0, 0.0]])
    assert torch.equal(utilities(own, other), own)
    altruistic = utilities(own, other, angle=90.0)
    torch.testing.assert_close(altruistic, other, atol=1e-6, rtol=0.0)
    averse = utilities(own, other, envy=2.0, guilt=0.5)
    assert torch.equal(averse, torch.tensor([[3.0, 0.0 - 2 * 5, 5.0 - 0.5 * 5]]))
    # With memory the other is ahead by 0, 5 and .5 * .8 * 5 - 5 = -3.
    remembering = utilities(own, other, envy=2.0, guilt=0.5, memory=0.8, discount=0.5)
    assert remembering.tolist()[0] == pytest.approx([3.0, -10.0, 5.0 - 0.5 * 3])


def test_over_group_deviation_by_hand() -> None:
    advantages = torch.tensor([[-4.5, 0.0], [7.0, 1.0], [-1.5, 0.0], [-7.0, 2.0], [6.0, 0.0]])
    groups = torch.tensor([7, -2, 7, -2, 7])
    # Deviations: of -4.5, -1.5, 6 the root of 19.5; of 7, -7 it is 7; of 1, 2 it is .5; else zero.
    root = 19.5**0.5
    expected = [[-4.5 / root, 0], [1, 2], [-1.5 / root, 0], [-1, 4], [6 / root, 0]]
    found = over_group_deviation(advantages, groups)
    torch.testing.assert_close(found, torch.tensor(expected), atol=2e-3, rtol=0.0)
    rescaled = over_group_deviation(1000 * advantages, groups)
    torch.testing.assert_close(rescaled, found, atol=2e-3, rtol=0.0)


def test_alignment_with_the_past_by_hand() -> None:
    """From rewards, and from the same ones with another future: it has no part in the term."""
    discount, beta = 0.5, 2.0
    other = torch.tensor([[0.3, -1.0, 0.7]])
    for last in (0.0, 8.0):
        rewards = torch.tensor([[1.0, 2.0, last]])
        own = discounted_returns(rewards, discount)
        past = torch.tensor([[0.0, 0.5 * 1.0, 0.25 * (1.0 + 0.5 * 2.0) + 0.5 * 2.0]])
        found = advantage_alignment_past(own, other, beta=beta, discount=discount)
        torch.testing.assert_close(found, own + beta * discount * past * other)


def test_leave_one_out_by_hand() -> None:
    values = torch.tensor([[1.0, 0.0], [10.0, 5.0], [3.0, 0.0], [20.0, 9.0], [8.0, 3.0]])
    groups = torch.tensor([7, -2, 7, -2, 7])
    # Group 7 holds 1, 3, 8 and 0, 0, 3; group -2 holds 10, 20 and 5, 9.
    expected = torch.tensor([[-4.5, -1.5], [-10.0, -4.0], [-1.5, -1.5], [10.0, 4.0], [6.0, 3.0]])
    assert torch.equal(leave_one_out(values, groups), expected)


def test_alignment_by_hand() -> None:
    own, other = torch.tensor([[1.0, 2.0, 4.0]]), torch.tensor([[10.0, 20.0, 40.0]])
    # The past of rounds 0, 1, 2 is 0, 1/2 and 1/4 + 1; its weight is 2 * 1/2.
    without = advantage_alignment(own, other, beta=2.0, discount=0.5)
    assert torch.equal(without, torch.tensor([[1.0, 2.0 + 0.5 * 20, 4.0 + 1.25 * 40]]))
    # With the current round 1, 5/2 and 21/4; its weight is 2.
    current = advantage_alignment(own, other, beta=2.0, discount=0.5, include_current=True)
    assert torch.equal(current, torch.tensor([[1.0 + 2 * 10, 2.0 + 5 * 20, 4.0 + 10.5 * 40]]))


def test_generalized_advantages_by_hand() -> None:
    rewards, values = torch.tensor([[1.0, 2.0]]), torch.tensor([[4.0, 2.0, 8.0]])
    # One-step errors 1 + 1 - 4 = -2 and 2 + 4 - 2 = 4; the second weighs 1/4 in the first round.
    advantages = generalized_advantages(rewards, values, 0.5, 0.5)
    assert torch.equal(advantages, torch.tensor([[-1.0, 4.0]]))


def test_credits_by_hand() -> None:
    own, other = torch.tensor([[1.0, 2.0]]), torch.tensor([[8.0, 4.0]])
    by_hand = {
        "naive": [[1.0, 2.0]],
        "sum_of_rewards": [[9.0, 6.0]],
        "advantage_alignment": [[1.0, 2.0 + 2 * 0.5 * 0.5 * 4]],
        "advantage_alignment_current": [[1.0 + 2 * 8, 2.0 + 2 * 2.5 * 4]],
        "advantage_alignment_past": [[1.0, 2.0 + 2 * 0.5 * 0.5 * (1 - 0.5 * 2) * 4]],
    }
    assert by_hand.keys() == CREDITS.keys()
    for name, expected in by_hand.items():
        credit = CREDITS[name](own, other, beta=2.0, discount=0.5)
        assert torch.equal(credit, torch.tensor(expected)), name


# --- properties -----------------------------------------------------------------------------------


def test_equal_values_give_exactly_zero(dtype: torch.dtype) -> None:
    values = torch.tensor([0.1, 0.7, 1 / 3], dtype=dtype).expand(61, 3)
    groups = torch.arange(61) % 7
    assert torch.equal(leave_one_out(values, groups), torch.zeros_like(values))


def test_everything_can_be_differentiated() -> None:
    first = random((5, 4), torch.float64, 1).requires_grad_()
    second = random((5, 4), torch.float64, 2).requires_grad_()
    critic = random((5, 5), torch.float64, 3).requires_grad_()
    groups = torch.tensor([3, 3, 0, 0, 3])
    functions: list[tuple[Callable[..., Tensor], tuple[Tensor, ...]]] = [
        (lambda x: discounted_returns(x, 0.9), (first,)),
        (lambda x: leave_one_out(x, groups), (first,)),
        (lambda x, v: generalized_advantages(x, v, 0.9, 0.7), (first, critic)),
        *(
            (lambda x, y, credit=credit: credit(x, y, beta=0.5, discount=0.9), (first, second))
            for name, credit in CREDITS.items()
            if name != "naive"
        ),
    ]
    for function, inputs in functions:
        assert torch.autograd.gradcheck(function, inputs)


def test_inputs_stay_as_they_were() -> None:
    values, groups = random((4, 3), torch.float32), torch.tensor([1, 0, 1, 0])
    copies = values.clone(), groups.clone()
    leave_one_out(discounted_returns(values, 0.9), groups)
    for credit in CREDITS.values():
        credit(values, values, beta=0.5, discount=0.9)
    generalized_advantages(values[:, 1:], values, 0.9, 0.5)
    assert torch.equal(values, copies[0])
    assert torch.equal(groups, copies[1])


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rewards",
    [torch.zeros(4), torch.zeros(2, 3, 4), torch.zeros(3, 0), torch.zeros(2, 3, dtype=torch.long)],
    ids=["one axis", "three axes", "no rounds", "integers"],
)
def test_what_is_no_match_by_round_float_is_refused(rewards: Tensor) -> None:
    groups = torch.zeros(len(rewards), dtype=torch.long)
    with pytest.raises(ValueError, match=r"rewards must be .*\(matches, rounds\)"):
        discounted_returns(rewards, 0.9)
    with pytest.raises(ValueError, match=r"values must be .*\(matches, rounds\)"):
        leave_one_out(rewards, groups)
    with pytest.raises(ValueError, match=r"rewards must be .*\(matches, rounds\)"):
        generalized_advantages(rewards, rewards, 0.9, 0.5)
    for credit in CREDITS.values():
        with pytest.raises(ValueError, match=r"own must be .*\(matches, rounds\)"):
            credit(rewards, rewards, beta=1.0, discount=0.9)


@pytest.mark.parametrize(
    "groups",
    [torch.zeros(3, dtype=torch.long), torch.zeros(4, 1, dtype=torch.long), torch.zeros(4)],
    ids=["too few", "two axes", "floats"],
)
def test_groups_that_do_not_fit_are_refused(groups: Tensor) -> None:
    with pytest.raises(ValueError, match="one integer id for each of the 4 matches"):
        leave_one_out(torch.zeros(4, 2), groups)


def test_a_group_of_one_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"have one: \[-5, 12\]"):
        leave_one_out(torch.zeros(5, 2), torch.tensor([12, 3, -5, 3, 3]))


@pytest.mark.parametrize("shape", [(4, 2), (4, 3), (4, 5), (1, 4), (5, 4)])
def test_values_that_do_not_fit_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="one column more"):
        generalized_advantages(torch.zeros(4, 3), torch.zeros(shape), 0.9, 0.5)


@pytest.mark.parametrize("shape", [(4, 2), (1, 3), (4, 1)])
@pytest.mark.parametrize("credit", CREDITS)
def test_advantages_of_other_shapes_are_refused(credit: str, shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="own and other must have the same shape"):
        CREDITS[credit](torch.zeros(4, 3), torch.zeros(shape), beta=1.0, discount=0.9)
