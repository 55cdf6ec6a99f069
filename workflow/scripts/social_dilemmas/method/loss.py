"""The policy-gradient loss of an iteration, and its gradient, summed over micro-batches (arXiv 2511.19405)."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import torch
from torch import Tensor

from social_dilemmas.config.schema.training import Training
from social_dilemmas.policy.activation_checkpointing import activation_checkpointing
from social_dilemmas.policy.adapted_layers import adapted_layers
from social_dilemmas.policy.log_probabilities import action_log_probabilities
from social_dilemmas.policy.policy import Policy
from social_dilemmas.policy.trajectory import Trajectory, TrajectoryBatch, collate
from social_dilemmas.policy.tree import sorted_prefixes

RATIO_CAP = 2.0  # largest importance ratio that isn't clipped, arXiv 2511.19405
# Share of an iteration's trajectories on which a KL divergence is measured that isn't in the loss.
MEASURED = 1 / 32


@dataclass(frozen=True)
class LossTerms:
    """Sums over action tokens; the loss of an iteration is their sum over all micro-batches, divided by N."""

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
    clip_ratio: float | None = None,
) -> LossTerms:
    """The parts of the loss; all tensors are (actions,), and log-probabilities are those of the policy, with gradient.

    Args:
        reference: log-probabilities under the reference model; None where there is no KL term.
        sampled: log-probabilities under the sampler, where it isn't the trained model itself; tokens are weighted by
            their importance ratio, capped and without gradient.
        kl_estimator: `forward` is the k3 estimator behind a detached ratio; its gradient is that of
            KL(reference || policy). `reverse` is half the squared log-ratio, whose gradient is that of
            KL(policy || reference).
        clip_ratio: in place of weighted log-probabilities, the ratios themselves, which gain nothing by going further
            than this from 1 (PPO, Schulman et al. 2017, arXiv 1707.06347).
    """
    ratio = torch.ones_like(log_probabilities)  # (actions,)
    if sampled is not None:
        ratio = (log_probabilities - sampled).exp()
    weight = ratio.clamp(max=RATIO_CAP).detach()  # (actions,)
    if clip_ratio is None:
        gains = weight * credit * log_probabilities
    else:
        clipped = ratio.clamp(1 - clip_ratio, 1 + clip_ratio)
        gains = torch.minimum(ratio * credit, clipped * credit)
    kl = torch.zeros_like(log_probabilities)
    if reference is not None:
        difference = reference - log_probabilities  # (actions,)
        if kl_estimator == "forward":
            kl = difference.exp() - 1 - difference
        else:
            kl = difference.square() / 2
    return LossTerms(
        policy=-gains.sum(),
        kl=(weight * kl).sum(),
        entropy=entropies.sum(),
    )


def add_gradients(
    policy: Policy,
    trajectories: Sequence[Trajectory],
    credit: Tensor,
    settings: Training,
    *,
    total: int,
    measured: int = 1,
) -> dict[str, float]:
    """Add the loss's gradient to those of the learner's parameters, micro-batch by micro-batch.

    `credit` is (rows, rounds), a row for each trajectory; `total` is N, the action tokens of the whole iteration. A KL
    divergence that isn't part of the loss is measured on the first `measured` trajectories. Where several steps are
    made, the first one writes down in the trajectories with which log-probabilities they were sampled.

    Returns:
        Sums over these trajectories: `loss`, `entropy`, `kl`, and `kl_tokens`, over how many tokens `kl` is; where
        another sampler drew the tokens, also `sampler_difference`, how far its log-probabilities are from the policy's.
    """
    sums = dict.fromkeys(("loss", "entropy", "kl", "kl_tokens"), 0.0)
    if settings.sampler != "trainer":
        sums["sampler_difference"] = 0.0
    in_loss, several = settings.kl_coefficient > 0, settings.epochs > 1
    for rows in micro_batches(trajectories, settings.micro_batch_tokens):
        shown = [trajectories[row] for row in rows]
        batch = collate(shown, policy.model.device)
        if not batch.size:  # all that was chosen slipped
            continue
        reference = _reference(policy, batch, settings) if in_loss else None
        with (
            adapted_layers(policy.model, settings.merge_adapter),
            activation_checkpointing(policy.model, settings.activation_checkpointing),
        ):
            log_probabilities, entropies = _scored(policy, batch, settings)
            sampled = batch.sampled
            if "sampler_difference" in sums and sampled is not None:
                difference = (log_probabilities.detach() - sampled).abs().sum()
                sums["sampler_difference"] += difference.item()
            if several and sampled is None:
                sampled = _keep_sampled(shown, log_probabilities)
            terms = loss_terms(
                log_probabilities,
                entropies,
                credit[rows].to(batch.round.device)[batch.conversation, batch.round],
                reference=reference,
                sampled=sampled,
                kl_estimator=settings.kl_estimator,
                clip_ratio=settings.clip_ratio if several else None,
            )
            loss = _weighted(terms, settings, total)
            loss.backward()
        sums["loss"] += loss.item()
        sums["entropy"] += terms.entropy.item()
        kl, tokens = terms.kl.item(), batch.size
        if not in_loss:
            compared = [row < measured for row in rows]
            kl, tokens = measured_kl(policy, shown, log_probabilities, compared, settings)
        sums["kl"] += kl
        sums["kl_tokens"] += tokens
    return sums


def _weighted(terms: LossTerms, settings: Training, total: int) -> Tensor:
    """The part of these terms in the loss, per action token of the whole iteration."""
    loss = terms.policy / total
    if settings.kl_coefficient > 0:
        loss = loss + settings.kl_coefficient * terms.kl / total
    if settings.entropy_coefficient > 0:
        loss = loss - settings.entropy_coefficient * terms.entropy / total
    return loss


def _keep_sampled(trajectories: Sequence[Trajectory], log_probabilities: Tensor) -> Tensor:
    """The (actions,) log-probabilities with which the trained model has sampled; trajectories get them, too."""
    sampled = log_probabilities.detach()
    for trajectory, own in zip(trajectories, _by_conversation(trajectories, sampled), strict=True):
        trajectory.sampled = own.tolist()
    return sampled


def _by_conversation(
    trajectories: Sequence[Trajectory], log_probabilities: Tensor
) -> tuple[Tensor, ...]:
    """The (actions,) log-probabilities of all trajectories, one after the other, as those of each."""
    return log_probabilities.split([len(trajectory.positions) for trajectory in trajectories])


@torch.no_grad()
def measured_kl(
    policy: Policy,
    trajectories: Sequence[Trajectory],
    log_probabilities: Tensor,
    compared: Sequence[bool],
    settings: Training,
) -> tuple[float, int]:
    """The estimated KL divergence from the reference model, summed over action tokens, and their number.

    It is measured on the trajectories that are `compared`. `log_probabilities` are the policy's, (actions,) of all.
    """
    chosen = [*compress(trajectories, compared)]
    if not any(trajectory.positions for trajectory in chosen):
        return 0.0, 0
    batch = collate(chosen, policy.model.device)
    own = torch.cat([*compress(_by_conversation(trajectories, log_probabilities), compared)])
    terms = loss_terms(
        own,
        torch.zeros_like(own),
        torch.zeros_like(own),
        reference=_reference(policy, batch, settings),
        sampled=batch.sampled,
        kl_estimator=settings.kl_estimator,
    )
    return terms.kl.item(), batch.size


@torch.no_grad()
def _reference(policy: Policy, batch: TrajectoryBatch, settings: Training) -> Tensor:
    """(actions,) log-probabilities under the reference model, which is the policy's without its adapter."""
    with policy.model.disable_adapter():
        return _scored(policy, batch, settings)[0]


def _scored(policy: Policy, batch: TrajectoryBatch, settings: Training) -> tuple[Tensor, Tensor]:
    """(actions,) log-probabilities and entropies under whatever adapter is active."""
    return action_log_probabilities(policy.model, batch, policy.masks.allowed, settings.temperature)


def micro_batches(trajectories: Sequence[Trajectory], most_tokens: int) -> list[list[int]]:
    """Which trajectories share a forward and backward pass, in which what they have in common is computed once.

    A pass computes at most so many tokens; a longer trajectory has a pass of its own.

    Returns:
        Row numbers; those of a pass have long beginnings in common.
    """
    conversations = [trajectory.tokens for trajectory in trajectories]
    batches: list[list[int]] = []
    computed = most_tokens
    for row, shared in zip(*sorted_prefixes(conversations), strict=True):
        new = len(conversations[row]) - shared
        if computed + new > most_tokens and (new or not batches):
            batches.append([])
            computed, new = 0, len(conversations[row])
        batches[-1].append(row)
        computed += new
    return batches
