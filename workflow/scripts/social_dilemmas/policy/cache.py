"""A key-value cache in which every conversation has its own length.

Rows of a batch take turns at different times. Each row writes at its own position, and what it wrote beyond its
length (padding) is overwritten by its next turn, so that the cache of a row is exactly its conversation.

Layers that attend to a sliding window only keep the whole conversation too; the mask does the sliding.
"""

import torch
from torch import Tensor
from transformers import PreTrainedConfig
from transformers.cache_utils import Cache, CacheLayerMixin

FULL, SLIDING = "full_attention", "sliding_attention"  # types of layers that masks are made for


class RaggedLayer(CacheLayerMixin):
    """Keys and values of one layer: (rows, heads, capacity, head size), growing when needed."""

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        rows, heads, _, size = key_states.shape
        self.keys = key_states.new_zeros(rows, heads, 0, size)
        self.values = value_states.new_zeros(rows, heads, 0, size)
        self.is_initialized = True

    def write(
        self,
        key_states: Tensor,
        value_states: Tensor,
        rows: slice,
        positions: Tensor,
        length: int,
        columns: slice | None,
    ) -> tuple[Tensor, Tensor]:
        """Store (rows, heads, width, size) at (rows, width) positions; return all up to `length`.

        `columns` are the positions where they are the same in all rows.
        """
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        assert self.keys is not None
        assert self.values is not None
        self.keys = _grown(self.keys, rows.stop, length)
        self.values = _grown(self.values, rows.stop, length)
        keys, values = self.keys[rows, :, :length], self.values[rows, :, :length]
        if columns is None:
            index = positions[:, None, :, None].expand_as(key_states)  # (rows, heads, width, size)
            keys.scatter_(2, index, key_states)
            values.scatter_(2, index, value_states)
        else:
            keys[:, :, columns] = key_states
            values[:, :, columns] = value_states
        return keys, values

    def update(self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object):  # type: ignore[no-untyped-def]
        raise TypeError("a ragged layer is written through RaggedCache.update")

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_seq_length() + query_length, 0

    def get_seq_length(self) -> int:
        return 0 if self.keys is None else self.keys.shape[2]

    def get_max_length(self) -> int:
        return -1


def _grown(stored: Tensor, rows: int, length: int) -> Tensor:
    """The same tensor with room for so many rows and columns; grows in steps, so that it seldom copies."""
    if rows <= stored.shape[0] and length <= stored.shape[2]:
        return stored
    _, heads, capacity, size = stored.shape
    if length > capacity:
        capacity = max(length + 32, capacity * 3 // 2)
    grown = stored.new_zeros(max(rows, stored.shape[0]), heads, capacity, size)
    grown[: stored.shape[0], :, : stored.shape[2]] = stored
    return grown


class RaggedCache(Cache):
    """Set `place` before each forward pass: the rows that it covers and where they write."""

    def __init__(self, config: PreTrainedConfig) -> None:
        """An empty cache for a language model of this configuration."""
        super().__init__(layers=[RaggedLayer() for _ in range(config.num_hidden_layers)])
        self._types = layer_types(config)
        self._window = config.sliding_window if SLIDING in self._types else None
        self._place: tuple[slice, Tensor, int, slice | None] = (slice(0), torch.empty(0), 0, None)

    def place(self, rows: slice, positions: Tensor) -> Tensor | dict[str, Tensor]:
        """Say where the next forward pass writes.

        Args:
            rows: the rows of the pass.
            positions: (rows, width) the columns to write.

        Returns:
            (rows, 1, width, columns) bool mask: each token sees what stands at or before its position, and in layers
            with a sliding window no further back than that. A model with layers of both types gets a mask for each.
        """
        length = int(positions.max()) + 1
        starts = positions[:, 0].unique()
        same = slice(int(starts[0]), length) if len(starts) == 1 else None
        self._place = (rows, positions, length, same)
        columns = torch.arange(length, device=positions.device)  # (columns,)
        own = positions[:, None, :, None]  # (rows, 1, width, 1)
        masks = {FULL: columns <= own}  # (rows, 1, width, columns)
        if self._window is not None:
            masks[SLIDING] = masks[FULL] & (columns > own - self._window)
        return masks if len(self._types) > 1 else masks[next(iter(self._types))]

    def update(
        self,
        key_states: Tensor,
        value_states: Tensor,
        layer_idx: int,
        *args: object,
        **kwargs: object,
    ) -> tuple[Tensor, Tensor]:
        return self.layers[layer_idx].write(key_states, value_states, *self._place)


def layer_types(config: PreTrainedConfig) -> set[str]:
    """How a model's layers attend; one that doesn't say it for each layer has layers of one type."""
    types = getattr(config, "layer_types", None)
    if types is None:
        return {SLIDING if getattr(config, "sliding_window", None) else FULL}
    return set(types)
