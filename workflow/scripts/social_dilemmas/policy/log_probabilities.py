"""Log-probabilities of action tokens, over the distribution that they were sampled from."""

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from social_dilemmas.policy.masks import AllowedTokens
from social_dilemmas.policy.trajectory import TrajectoryBatch

CHUNK_BYTES = 2**28  # memory for the logits of one chunk and what is computed from them
BYTES_PER_LOGIT = 24  # six float32 numbers, by the end of the backward pass


def action_log_probabilities(
    model: PreTrainedModel, batch: TrajectoryBatch, allowed: AllowedTokens, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Log-probability and entropy of every action token of a batch.

    The model's active adapter is the policy. Logits are computed at the action tokens only, the softmax in float32,
    over the tokens that the masks allow there, at the sampling temperature. If all logits together would take more than
    `CHUNK_BYTES`, they are computed in chunks, and once more in the backward pass, so that only those of one chunk are
    in memory at a time.

    Returns:
        (actions,) log-probabilities and (actions,) entropies in nats, in float32.
    """
    tokens = batch.tokens.to(model.device)  # (conversations, length)
    hidden = model.get_decoder()(input_ids=tokens, use_cache=False).last_hidden_state
    before = hidden[batch.conversation, batch.position - 1]  # (actions, hidden)
    head = model.get_output_embeddings()

    def score(before: Tensor, state: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        logits = head(before).float() / temperature  # (actions, vocabulary)
        masked = ~allowed[state].to(logits.device)  # (actions, vocabulary)
        log_p = logits.masked_fill(masked, -torch.inf).log_softmax(-1)  # (actions, vocabulary)
        finite = log_p.masked_fill(masked, 0.0)
        entropies = -(finite.exp() * finite).masked_fill(masked, 0.0).sum(-1)  # (actions,)
        return log_p.gather(-1, target[:, None].to(logits.device))[:, 0], entropies

    parts = before, batch.state, batch.target
    chunk = chunk_size(head.weight.shape[0])
    if batch.size <= chunk:
        return score(*parts)
    scores = [
        checkpoint(score, *each, use_reentrant=False, preserve_rng_state=False)
        for each in zip(*(part.split(chunk) for part in parts), strict=True)
    ]
    log_probabilities, entropies = zip(*scores, strict=True)
    return torch.cat(log_probabilities), torch.cat(entropies)


def chunk_size(vocabulary: int) -> int:
    """The number of action tokens whose logits may be in memory at a time."""
    return max(1, CHUNK_BYTES // (BYTES_PER_LOGIT * vocabulary))
