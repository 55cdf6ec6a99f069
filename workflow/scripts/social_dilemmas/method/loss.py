"""The policy-gradient loss of an iteration, summed over micro-batches."""

from dataclasses import dataclass

import torch
from torch import Tensor

RATIO_CAP = 2.0  # largest importance ratio, arXiv 2511.19405


@dataclass(frozen=True)
class LossTerms:
    """Sums over chosen tokens; the loss of an iteration is their sum over all micro-batches, divided by N."""

    policy: Tensor
    kl: Tensor
    entropy: Tensor


def loss_terms(
    log_probabilities: Tensor,
    entropies: Tensor,
    credit: Tensor,
    *,
    reference: Tensor | None = None,
    sampled: Tensor | None = None,
    kl_estimator: str = "forward",
) -> LossTerms:
    """The parts of the loss, arXiv 2511.19405.

    Args:
        log_probabilities: (chosen,) under the policy, with gradient.
        entropies: (chosen,) of the policy where each token was chosen.
        credit: (chosen,) credit of the round in which each token was chosen.
        reference: (chosen,) log-probabilities under the reference model; None where there is no KL term.
        sampled: (chosen,) log-probabilities under the sampler, where it isn't the trained model itself; weighs
            tokens by their importance ratio, capped and without gradient.
        kl_estimator: `forward` is the k3 estimator behind a detached ratio; its gradient is that of
            KL(reference || policy). `reverse` is half the squared log-ratio, whose gradient is that of
            KL(policy || reference).

    Returns:
        Sums over the chosen tokens.
    """
    ratio = torch.ones_like(log_probabilities)
    if sampled is not None:
        ratio = (log_probabilities - sampled).exp().clamp(max=RATIO_CAP).detach()
    kl = torch.zeros_like(log_probabilities)
    if reference is not None:
        difference = reference - log_probabilities  # (chosen,)
        if kl_estimator == "forward":
            kl = difference.exp() - 1 - difference
        else:
            kl = difference.square() / 2
    return LossTerms(
        policy=-(ratio * credit * log_probabilities).sum(),
        kl=(ratio * kl).sum(),
        entropy=entropies.sum(),
    )
