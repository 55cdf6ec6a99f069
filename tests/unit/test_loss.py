"""The loss by hand, and its estimators' gradients on a distribution small enough to enumerate."""

import math

import pytest
import torch
from torch import Tensor

from social_dilemmas.method.loss import RATIO_CAP, loss_terms

POLICY_LOGITS = [0.3, -0.7, 1.1, 0.0]
REFERENCE = torch.tensor([0.1, 0.4, 0.2, 0.3], dtype=torch.float64)


def policy_logits() -> Tensor:
    return torch.tensor(POLICY_LOGITS, dtype=torch.float64, requires_grad=True)


def expected_gradient(estimator: str, sampler: Tensor | None = None) -> Tensor:
    """Gradient of the KL term for the logits, in expectation over the sampled token."""
    logits = policy_logits()
    log_policy = logits.log_softmax(-1)
    weights = log_policy.detach().exp() if sampler is None else sampler
    total = torch.zeros_like(logits)
    for token, weight in enumerate(weights):
        chosen = log_policy[token : token + 1]
        terms = loss_terms(
            chosen,
            torch.zeros_like(chosen),
            torch.zeros_like(chosen),
            reference=REFERENCE[token : token + 1].log(),
            sampled=None if sampler is None else sampler[token : token + 1].log(),
            kl_estimator=estimator,
        )
        (gradient,) = torch.autograd.grad(terms.kl, logits, retain_graph=True)
        total += weight * gradient
    return total


def exact_gradient(direction: str) -> Tensor:
    logits = policy_logits()
    log_policy = logits.log_softmax(-1)
    if direction == "forward":
        divergence = (REFERENCE * (REFERENCE.log() - log_policy)).sum()
    else:
        divergence = (log_policy.exp() * (log_policy - REFERENCE.log())).sum()
    (gradient,) = torch.autograd.grad(divergence, logits)
    return gradient


def test_policy_term_and_entropy_by_hand() -> None:
    log_probabilities = torch.tensor([-0.5, -2.0, -1.0], requires_grad=True)
    credit = torch.tensor([2.0, -1.0, 0.0])
    terms = loss_terms(log_probabilities, torch.tensor([0.1, 0.2, 0.3]), credit)
    assert terms.policy.item() == pytest.approx(-(2.0 * -0.5 + -1.0 * -2.0))
    assert terms.entropy.item() == pytest.approx(0.6)
    assert terms.kl.item() == 0
    terms.policy.backward()
    assert log_probabilities.grad is not None
    assert log_probabilities.grad.tolist() == [-2.0, 1.0, 0.0]


def test_kl_terms_by_hand() -> None:
    log_probabilities = torch.tensor([math.log(0.5), math.log(0.2)])
    reference = torch.tensor([math.log(0.25), math.log(0.4)])
    nothing = torch.zeros(2)
    forward = loss_terms(log_probabilities, nothing, nothing, reference=reference)
    by_hand = (0.5 - 1 - math.log(0.5)) + (2 - 1 - math.log(2))
    assert forward.kl.item() == pytest.approx(by_hand)
    reverse = loss_terms(
        log_probabilities, nothing, nothing, reference=reference, kl_estimator="reverse"
    )
    assert reverse.kl.item() == pytest.approx(math.log(2) ** 2)  # twice half of it


@pytest.mark.parametrize("estimator", ["forward", "reverse"])
def test_kl_is_nothing_where_policy_and_reference_agree(estimator: str) -> None:
    same = torch.tensor([-0.3, -1.2])
    terms = loss_terms(same, same, same, reference=same, kl_estimator=estimator)
    assert terms.kl.item() == 0


@pytest.mark.parametrize("estimator", ["forward", "reverse"])
def test_kl_gradient_is_the_estimated_divergences(estimator: str) -> None:
    torch.testing.assert_close(expected_gradient(estimator), exact_gradient(estimator))


def test_the_two_divergences_differ() -> None:
    assert not torch.allclose(exact_gradient("forward"), exact_gradient("reverse"), atol=1e-3)
    assert not torch.allclose(expected_gradient("forward"), expected_gradient("reverse"), atol=1e-3)


@pytest.mark.parametrize("estimator", ["forward", "reverse"])
def test_importance_ratios_correct_for_another_sampler(estimator: str) -> None:
    policy = torch.tensor(POLICY_LOGITS, dtype=torch.float64).softmax(-1)
    sampler = 0.5 * policy + 0.125  # no ratio reaches the cap
    assert (policy / sampler).max() < RATIO_CAP
    torch.testing.assert_close(expected_gradient(estimator, sampler), exact_gradient(estimator))


def test_importance_ratio_by_hand_capped_and_without_gradient() -> None:
    log_probabilities = torch.tensor([math.log(0.3), math.log(0.9)], requires_grad=True)
    sampled = torch.tensor([math.log(0.2), math.log(0.1)])  # ratios 1.5 and 9
    credit = torch.tensor([1.0, 1.0])
    terms = loss_terms(log_probabilities, torch.zeros(2), credit, sampled=sampled)
    assert terms.policy.item() == pytest.approx(-(1.5 * math.log(0.3) + 2 * math.log(0.9)))
    terms.policy.backward()
    assert log_probabilities.grad is not None
    assert log_probabilities.grad.tolist() == pytest.approx([-1.5, -RATIO_CAP])


def test_ratio_weighs_the_kl_term_too() -> None:
    log_probabilities = torch.tensor([math.log(0.3)])
    reference = torch.tensor([math.log(0.6)])
    plain = loss_terms(log_probabilities, torch.zeros(1), torch.zeros(1), reference=reference)
    weighed = loss_terms(
        log_probabilities,
        torch.zeros(1),
        torch.zeros(1),
        sampled=torch.tensor([math.log(0.6)]),
        reference=reference,
    )
    assert weighed.kl.item() == pytest.approx(plain.kl.item() / 2)
