"""A model's forward pass over a tree of conversations: its attention goes along the paths of the tree."""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import Module
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from social_dilemmas.policy.cache import layer_types
from social_dilemmas.policy.tree import Block, PrefixTree

TREE = "tree"  # transformers' name of this attention; without a tree it is the ordinary one


def hidden_states(model: PreTrainedModel, tree: PrefixTree) -> Tensor:
    """(nodes, hidden) last hidden states of a model."""
    # Transformers hands a mask of four dimensions on as it is, and makes none of its own.
    unused = tree.order[None, None, None]
    types = layer_types(model.config.get_text_config())
    states: Tensor = model.get_decoder()(
        input_ids=tree.tokens[None],
        position_ids=tree.positions[None],
        attention_mask=unused if len(types) == 1 else dict.fromkeys(types, unused),
        use_cache=False,
        tree=tree,
    ).last_hidden_state  # (1, nodes, hidden)
    return states[0]


def tree_attention(
    module: Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    tree: PrefixTree | None = None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **options: object,
) -> tuple[Tensor, None]:
    """Attention along the paths of a tree; without one, transformers' own.

    (1, heads, nodes, head size) each, keys and values perhaps with fewer heads; gives (1, nodes, heads, head size).
    """
    if tree is None:
        states, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **options
        )
        return states, None
    query, key, value = (each[0].transpose(0, 1) for each in (query, key, value))
    answers = []
    for block in tree.blocks:
        answer = scaled_dot_product_attention(
            query[block.queries].transpose(1, 2),  # (paths, heads, queries, head size)
            key[block.keys].transpose(1, 2),  # (paths, heads, keys, head size)
            value[block.keys].transpose(1, 2),
            attn_mask=block_mask(block, sliding_window),
            scale=scaling,
            enable_gqa=key.shape[1] < query.shape[1],
        )
        answers.append(answer.transpose(1, 2).flatten(0, 1))  # (paths * queries, heads, head size)
    return torch.cat(answers)[tree.order][None], None


def block_mask(block: Block, window: int | None) -> Tensor:
    """(queries, keys) bool: each query sees its own and earlier positions, `window` of them at most."""
    return _mask(block.queries.shape[1], block.keys.shape[1], window, block.keys.device)


@lru_cache(maxsize=256)  # on a GPU they take its memory
def _mask(queries: int, keys: int, window: int | None, device: torch.device) -> Tensor:
    asked = torch.arange(keys, device=device)  # (keys,)
    asking = asked[-queries:, None]  # (queries, 1)
    seen = asked <= asking  # (queries, keys)
    return seen if window is None else seen & (asked > asking - window)


AttentionInterface.register(TREE, tree_attention)
AttentionMaskInterface.register(TREE, sdpa_mask)
