"""Log-probabilities of what was chosen, over the distribution that it was chosen from."""

from functools import partial

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from social_dilemmas.policy.masks import AllowedTokens
from social_dilemmas.policy.trajectory import TrajectoryBatch

CHUNK_BYTES = 2**28  # memory that logits, and what is computed from them, may take at a time
BYTES_PER_LOGIT = 24  # six numbers in float32, before the backward pass is over


def action_log_probabilities(
    model: PreTrainedModel, batch: TrajectoryBatch, allowed: AllowedTokens, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Log-probability and entropy of every chosen token of a batch.

    Logits are taken at the chosen positions only; the softmax is in float32, over the tokens that the masks
    allowed there, at the temperature of sampling. Where the logits of all chosen tokens would take more than
    `CHUNK_BYTES`, they are computed in chunks, and once more in the backward pass, so that those of one chunk are
    in memory at a time.

    Args:
        model: whatever adapter is active in it is the policy.
        allowed: (states, vocabulary) bool, the masks' table.

    Returns:
        (chosen,) log-probabilities and (chosen,) entropies in nats, in float32.
    """
    device = model.device
    hidden = model.get_decoder()(
        input_ids=batch.tokens.to(device), use_cache=False
    ).last_hidden_state
    before = hidden[batch.conversation, batch.position - 1]  # (chosen, hidden)
    head = model.get_output_embeddings()
    scored = partial(_scored, head, allowed, temperature)
    chunk = chunk_size(head.weight.shape[0])
    if batch.size <= chunk:
        return scored(before, batch.state, batch.target)
    chunks = zip(*(each.split(chunk) for each in (before, batch.state, batch.target)), strict=True)
    parts = [
        checkpoint(scored, *each, use_reentrant=False, preserve_rng_state=False) for each in chunks
    ]
    log_probabilities, entropies = zip(*parts, strict=True)
    return torch.cat(log_probabilities), torch.cat(entropies)


def chunk_size(vocabulary: int) -> int:
    """Most chosen tokens whose logits are in memory at a time."""
    return max(1, CHUNK_BYTES // (BYTES_PER_LOGIT * vocabulary))


def _scored(
    head: torch.nn.Module,
    allowed: AllowedTokens,
    temperature: float,
    before: Tensor,
    state: Tensor,
    target: Tensor,
) -> tuple[Tensor, Tensor]:
    """Log-probabilities and entropies of some chosen tokens.

    Args:
        head: from hidden states to logits.
        before: (chosen, hidden) hidden states from which the tokens were predicted.
        state, target: (chosen,) mask states and token ids.
    """
    device = before.device
    logits = head(before).float() / temperature  # (chosen, vocabulary)
    masked = ~allowed[state].to(device)  # (chosen, vocabulary)
    log_probabilities = logits.masked_fill(masked, -torch.inf).log_softmax(
        -1
    )  # (chosen, vocabulary)
    finite = log_probabilities.masked_fill(masked, 0.0)
    entropies = -(finite.exp() * finite).masked_fill(masked, 0.0).sum(-1)  # (chosen,)
    chosen = log_probabilities.gather(-1, target[:, None].to(device))[:, 0]  # (chosen,)
    return chosen, entropies
