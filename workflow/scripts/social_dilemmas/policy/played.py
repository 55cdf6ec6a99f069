"""Whether a model plays as it is trained: turn by turn through the cache, and as a tree, it must compute the same."""

import torch
from torch import Tensor
from transformers import PreTrainedModel

from social_dilemmas.policy.cache import RaggedCache
from social_dilemmas.policy.tree import prefix_tree
from social_dilemmas.policy.tree_attention import hidden_states

MOST = 1e-3  # of the largest logit, that float32 may make of a difference; measured: up to 1e-5
ROUNDINGS = 16  # of half precision, that may add up in place of that


@torch.no_grad()
def conversation_logits(model: PreTrainedModel, tokens: list[int]) -> Tensor:
    """(vocabulary) logits after a conversation of several tokens; ValueError if play and training don't agree on them.

    In play two rows read it in two passes, with turns of different lengths.
    """
    whole = model(torch.tensor([tokens])).logits[0, -1].float()  # (vocabulary,)
    trained = model.get_output_embeddings()(hidden_states(model, prefix_tree([tokens]))[-1])
    cache, length = RaggedCache(model.config), len(tokens)
    starts = torch.tensor([0, 0])
    for ends in (torch.tensor([length // 2, length // 3]), torch.tensor([length, length])):
        widths = ends - starts
        positions = starts[:, None] + torch.arange(int(widths.max()))  # (rows, width)
        given = torch.tensor(tokens)[positions.clamp(max=length - 1)]  # padding is overwritten
        played = model(
            input_ids=given,
            attention_mask=cache.place(slice(0, 2), positions),
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=torch.arange(given.shape[1]),
        ).logits[[0, 1], widths - 1]  # (rows, vocabulary)
        starts = ends
    least = torch.finfo(model.dtype).eps * ROUNDINGS
    most = max(MOST, least) * float(whole.abs().max())
    for name, found in (("trained", trained), ("played", played)):
        difference = float((found.float() - whole).abs().max())
        if not difference <= most:
            raise ValueError(f"{name} turn by turn, its logits are off by {difference:.2g}")
    return whole
