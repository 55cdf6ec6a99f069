"""Log-probabilities of action tokens, over the distribution that they were sampled from."""

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from social_dilemmas.policy.masks import AllowedTokens
from social_dilemmas.policy.trajectory import TrajectoryBatch
from social_dilemmas.policy.tree_attention import hidden_states

CHUNK_BYTES = 2**28  # memory for the logits of one chunk and what is computed from them
BYTES_PER_LOGIT = 24  # six float32 numbers, by the end of the backward pass


def action_log_probabilities(
    model: PreTrainedModel, batch: TrajectoryBatch, allowed: AllowedTokens, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Log-probability and entropy of every action token of a batch.

    The model's active adapter is the policy. Logits are computed at the action tokens only, once where conversations
    have been the same, the softmax in float32 or better, over the tokens that the masks allow there, at the sampling
    temperature. If all logits together would take more than `CHUNK_BYTES`, they are computed in chunks, and once more
    in the backward pass, so that only those of one chunk are in memory at a time.

    Returns:
        (actions,) log-probabilities and (actions,) entropies in nats, in float32 or better.
    """
    hidden = hidden_states(model, batch.tree)  # (nodes, hidden)
    # A choice is a node and a mask state; conversations that face the same one may decide differently.
    states = len(allowed.row_of_state)
    choices, choice_of = (batch.before * states + batch.state).unique(return_inverse=True)
    head = model.get_output_embeddings()

    def score(before: Tensor, state: Tensor, row: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        logits = head(before)  # (choices, vocabulary)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32)) / temperature
        masked = ~allowed[state]  # (choices, vocabulary)
        log_p = logits.masked_fill(masked, -torch.inf).log_softmax(-1)  # (choices, vocabulary)
        finite = log_p.masked_fill(masked, 0.0)
        entropies = -(finite.exp() * finite).masked_fill(masked, 0.0).sum(-1)  # (choices,)
        return log_p[row, target], entropies[row]  # (actions,) each

    chunk = chunk_size(head.weight.shape[0])
    scores, places = [], []
    for start in range(0, len(choices), chunk):
        here = choices[start : start + chunk]
        actions = ((choice_of >= start) & (choice_of < start + chunk)).nonzero()[:, 0]
        row, target = choice_of[actions] - start, batch.target[actions]
        parts = hidden[here // states], here % states, row, target
        if len(choices) <= chunk:
            scores.append(score(*parts))
        else:
            scores.append(checkpoint(score, *parts, use_reentrant=False, preserve_rng_state=False))
        places.append(actions)
    order = torch.cat(places).argsort()  # (actions,)
    log_probabilities, entropies = (torch.cat(each)[order] for each in zip(*scores, strict=True))
    return log_probabilities, entropies


def chunk_size(vocabulary: int) -> int:
    """The number of choices whose logits may be in memory at a time."""
    return max(1, CHUNK_BYTES // (BYTES_PER_LOGIT * vocabulary))
