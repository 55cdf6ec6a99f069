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
    """Attention along the paths of a tree; without one, from each row to what its mask admits.

    (1, heads, nodes, head size) each, keys and values perhaps with fewer heads; gives (1, nodes, heads, head size).
    """
    if tree is None and attention_mask is not None and products_pay(query):
        answer = by_products(query, key, value, attention_mask, scaling)
        return answer.transpose(1, 2).contiguous(), None
    if tree is None:
        states, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **options
        )
        return states, None
    query, key, value = (each[0].transpose(0, 1) for each in (query, key, value))
    answers = []
    for block in tree.blocks:
        answer = _attention(
            query[block.queries].transpose(1, 2),  # (paths, heads, queries, head size)
            key[block.keys].transpose(1, 2),  # (paths, heads, keys, head size)
            value[block.keys].transpose(1, 2),
            block_mask(block, sliding_window),
            scaling,
        )
        answers.append(answer.transpose(1, 2).flatten(0, 1))  # (paths * queries, heads, head size)
    return torch.cat(answers)[tree.order][None], None


def _attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scaling: float | None
) -> Tensor:
    """(paths, heads, length, head size) each, keys and values perhaps with fewer heads; gives answers to queries."""
    if products_pay(query):
        return by_products(query, key, value, mask, scaling)
    return scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=mask,
        scale=scaling,
        enable_gqa=key.shape[1] < query.shape[1],
    )


def products_pay(states: Tensor) -> bool:
    """Whether `by_products` is faster: in half precision PyTorch's own takes a CPU more than twice as long."""
    return states.device.type == "cpu" and states.dtype.itemsize < 4


def by_products(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scaling: float | None
) -> Tensor:
    """The same as products of matrices; the mask is (paths or 1, 1, queries, keys), or without the first two."""
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    grouped = len(query), key.shape[1], -1, query.shape[-1]
    scores = (query * scale).reshape(grouped) @ key.transpose(-1, -2)
    scores = scores.view(*query.shape[:-1], -1)  # (paths, heads, queries, keys)
    weights = scores.masked_fill(~mask, -torch.inf).softmax(-1)
    answers = weights.view(*grouped[:-1], weights.shape[-1]) @ value
    return answers.view(*query.shape[:-1], value.shape[-1])


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
