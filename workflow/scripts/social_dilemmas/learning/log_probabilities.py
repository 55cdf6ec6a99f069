"""Log-probabilities of what was chosen, over the distribution that it was chosen from."""

import torch
from torch import Tensor
from transformers import PreTrainedModel

from social_dilemmas.generation.transcript import TranscriptBatch


def chosen_log_probabilities(
    model: PreTrainedModel, batch: TranscriptBatch, allowed: Tensor, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Log-probability and entropy of every chosen token of a batch.

    Logits are taken at the chosen positions only; the softmax is in float32, over the tokens that the masks
    allowed there, at the temperature of sampling.

    Args:
        model: whatever adapter is active in it is the policy.
        allowed: (states, vocabulary) bool, the masks' table.

    Returns:
        (chosen,) log-probabilities and (chosen,) entropies in nats.
    """
    device = model.device
    hidden = model.get_decoder()(
        input_ids=batch.tokens.to(device), use_cache=False
    ).last_hidden_state
    before = hidden[batch.conversation, batch.position - 1]  # (chosen, hidden)
    logits = model.get_output_embeddings()(before).float() / temperature  # (chosen, vocabulary)
    masked = ~allowed[batch.state].to(device)  # (chosen, vocabulary)
    log_probabilities = logits.masked_fill(masked, -torch.inf).log_softmax(
        -1
    )  # (chosen, vocabulary)
    finite = log_probabilities.masked_fill(masked, 0.0)
    entropies = -(finite.exp() * finite).masked_fill(masked, 0.0).sum(-1)  # (chosen,)
    chosen = log_probabilities.gather(-1, batch.target[:, None].to(device))[:, 0]  # (chosen,)
    return chosen, entropies
