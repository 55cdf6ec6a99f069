"""The loss by hand, and its estimators' gradients on a distribution small enough to enumerate."""

import math

import pytest
import torch
from torch import Tensor

from social_dilemmas.method.loss import RATIO_CAP, loss_terms

POLICY_LOGITS = torch.tensor([0.3, -0.7, 1.1, 0.0], dtype=torch.float64)
REFERENCE = torch.tensor([0.1, 0.4, 0.2, 0.3], dtype=torch.float64)
ESTIMATORS = ["forward", "reverse"]


def expected_surrogate(clip_ratio: float | None, sampler: Tensor, advantages: Tensor) -> Tensor:
    """Gradient of the policy term for the logits, in expectation over the sampled token."""
    logits = POLICY_LOGITS.clone().requires_grad_()
    log_policy = logits.log_softmax(-1)
    nothing = torch.zeros_like(log_policy)
    total = torch.zeros_like(logits)
    for token, weight in enumerate(sampler):
        this = slice(token, token + 1)
        terms = loss_terms(
            log_policy[this],
            nothing[this],
            advantages[this],
            sampled=sampler[this].log(),
            clip_ratio=clip_ratio,
        )
        (gradient,) = torch.autograd.grad(-terms.policy, logits, retain_graph=True)
        total += weight * gradient
    return total


def expected_gradient(estimator: str, sampler: Tensor | None = None) -> Tensor:
    """Gradient of the KL term for the logits, in expectation over the sampled token."""
    logits = POLICY_LOGITS.clone().requires_grad_()
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
    """Gradient of KL(reference || policy), or of KL(policy || reference)."""
    logits = POLICY_LOGITS.clone().requires_grad_()
    log_policy = logits.log_softmax(-1)
    if direction == "forward":
        divergence = (REFERENCE * (REFERENCE.log() - log_policy)).sum()
    else:
        divergence = (log_policy.exp() * (log_policy - REFERENCE.log())).sum()
    (gradient,) = torch.autograd.grad(divergence, logits)
    return gradient


def test_terms_by_hand() -> None:
    log_probabilities = torch.tensor([0.5, 0.2]).log().requires_grad_()
    credit, entropies = torch.tensor([2.0, -1.0]), torch.tensor([0.1, 0.2])
    reference = torch.tensor([0.25, 0.4]).log()
    terms = loss_terms(log_probabilities, entropies, credit)
    assert terms.policy.item() == pytest.approx(-2 * math.log(0.5) + math.log(0.2))
    assert terms.entropy.item() == pytest.approx(0.3)
    assert terms.kl.item() == 0
    assert torch.autograd.grad(terms.policy, log_probabilities)[0].tolist() == [-2.0, 1.0]
    for estimator, kl in (
        ("forward", (0.5 - 1 - math.log(0.5)) + (2 - 1 - math.log(2))),
        ("reverse", math.log(2) ** 2),  # twice half of it
    ):
        for policy, expected in ((log_probabilities, kl), (reference, 0)):
            terms = loss_terms(
                policy, entropies, credit, reference=reference, kl_estimator=estimator
            )
            assert terms.kl.item() == pytest.approx(expected)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_kl_gradient_is_that_of_the_divergence(estimator: str) -> None:
    """Also where another sampler drew the tokens, as long as no importance ratio reaches the cap."""
    exact = exact_gradient(estimator)
    torch.testing.assert_close(expected_gradient(estimator), exact)
    policy = POLICY_LOGITS.softmax(-1)
    sampler = 0.5 * policy + 0.125
    assert (policy / sampler).max() < RATIO_CAP
    torch.testing.assert_close(expected_gradient(estimator, sampler), exact)


def test_the_two_divergences_differ() -> None:
    assert not torch.allclose(exact_gradient("forward"), exact_gradient("reverse"), atol=1e-3)


def test_importance_ratios_are_capped_without_gradient_and_weigh_the_kl_term_too() -> None:
    log_probabilities = torch.tensor([0.3, 0.9]).log().requires_grad_()
    sampled = torch.tensor([0.2, 0.1]).log()  # ratios 1.5 and 9
    reference = torch.tensor([0.6, 0.9]).log()
    terms = loss_terms(
        log_probabilities, torch.zeros(2), torch.ones(2), sampled=sampled, reference=reference
    )
    assert terms.policy.item() == pytest.approx(-(1.5 * math.log(0.3) + 2 * math.log(0.9)))
    (gradient,) = torch.autograd.grad(terms.policy, log_probabilities)
    assert gradient.tolist() == pytest.approx([-1.5, -RATIO_CAP])
    assert terms.kl.item() == pytest.approx(1.5 * (2 - 1 - math.log(2)), abs=1e-6)


def test_ratios_to_the_sampler_keep_the_gradient_unless_they_are_clipped() -> None:
    """Against the exact gradient of the expected advantage, and of PPO's objective, case by case."""
    advantages = torch.tensor([1.0, 2.0, -0.5, -0.3], dtype=torch.float64)
    sampler = torch.tensor([0.1, 0.3, 0.35, 0.25], dtype=torch.float64)
    logits = POLICY_LOGITS.clone().requires_grad_()
    policy = logits.softmax(-1)
    (exact,) = torch.autograd.grad(policy @ advantages, logits, retain_graph=True)
    torch.testing.assert_close(expected_surrogate(99.0, sampler, advantages), exact)
    ratios, clipped = policy / sampler, torch.zeros((), dtype=torch.float64)
    for weight, ratio, advantage in zip(sampler, ratios, advantages, strict=True):
        bound = 1.2 if advantage > 0 else 0.8
        beyond = ratio > bound if advantage > 0 else ratio < bound
        clipped = clipped + weight * advantage * (bound if beyond else ratio)
    assert {bool(r > 1.2) for r in ratios} == {bool(r < 0.8) for r in ratios} == {True, False}
    (expected,) = torch.autograd.grad(clipped, logits)
    found = expected_surrogate(0.2, sampler, advantages)
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(found, exact, atol=1e-3)


def test_the_first_of_several_steps_is_that_of_the_plain_loss() -> None:
    advantages = torch.tensor([1.0, 2.0, -0.5, -0.3], dtype=torch.float64)
    policy = POLICY_LOGITS.softmax(-1)
    plain = expected_surrogate(None, policy, advantages)
    torch.testing.assert_close(expected_surrogate(0.2, policy, advantages), plain)
