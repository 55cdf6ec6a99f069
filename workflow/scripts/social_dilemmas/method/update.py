"""The gradient of an iteration's loss, summed over micro-batches."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor

from social_dilemmas.method.loss import loss_terms
from social_dilemmas.method.micro_batches import micro_batches
from social_dilemmas.policy.activation_checkpointing import activation_checkpointing
from social_dilemmas.policy.adapters import folded
from social_dilemmas.policy.log_probabilities import action_log_probabilities
from social_dilemmas.policy.masks import AllowedTokens
from social_dilemmas.policy.trajectory import Trajectory, collate


def add_gradients(
    model: PeftModel,
    trajectories: Sequence[Trajectory],
    credit: Tensor,
    *,
    total: int,
    measure_kl: bool,
    allowed: AllowedTokens,
    padding: int,
    settings: Mapping[str, Any],
) -> dict[str, float]:
    """Add the loss's gradient to those of the learner's parameters, micro-batch by micro-batch.

    Args:
        trajectories: conversations of the learner.
        credit: (rows, rounds) credit of each of them.
        total: N, the chosen tokens of the whole iteration.
        measure_kl: where the divergence from the reference model isn't part of the loss, measure it on the first
            micro-batch, which tells how far it went.
        allowed: (states, vocabulary) bool, the masks' table.
        padding: id of the token that fills up shorter conversations.
        settings: of the run.

    Returns:
        Sums over these trajectories: `loss`, `entropy`, `kl`, and `kl_tokens`, over how many tokens `kl` is; where
        another sampler drew the tokens, also `sampler_difference`, how far its log-probabilities are from the model's.
    """
    sums = dict.fromkeys(("loss", "entropy", "kl", "kl_tokens"), 0.0)
    if settings["sampler"] != "trainer":
        sums["sampler_difference"] = 0.0
    lengths = [len(trajectory.tokens) for trajectory in trajectories]
    for rows in micro_batches(lengths, settings["micro_batch"], settings["micro_batch_tokens"]):
        batch = collate([trajectories[row] for row in rows], padding)
        scored = partial(
            action_log_probabilities,
            batch=batch,
            allowed=allowed,
            temperature=settings["temperature"],
        )
        reference = None
        if settings["kl_coefficient"] > 0 or (measure_kl and sums["kl_tokens"] == 0):
            with torch.no_grad(), model.disable_adapter():
                reference, _ = scored(model)
            sums["kl_tokens"] += batch.size
        with (
            folded(model, settings["fold_adapter"]),
            activation_checkpointing(model, settings["gradient_checkpointing"]),
        ):
            log_probabilities, entropies = scored(model)
            sampled = None
            if batch.sampled is not None:
                sampled = batch.sampled.to(log_probabilities.device)
                difference = (log_probabilities.detach() - sampled).abs().sum()
                sums["sampler_difference"] += difference.item()
            terms = loss_terms(
                log_probabilities,
                entropies,
                credit[rows][batch.conversation, batch.round].to(log_probabilities.device),
                reference=reference,
                sampled=sampled,
                kl_estimator=settings["kl_estimator"],
            )
            loss = terms.policy / total
            if settings["kl_coefficient"] > 0:
                loss = loss + settings["kl_coefficient"] * terms.kl / total
            if settings["entropy_coefficient"] > 0:
                loss = loss - settings["entropy_coefficient"] * terms.entropy / total
            loss.backward()
        for name, value in (("loss", loss), ("entropy", terms.entropy), ("kl", terms.kl)):
            sums[name] += value.item()
    return sums
