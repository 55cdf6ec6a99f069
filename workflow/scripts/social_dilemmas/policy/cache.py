"""A key-value cache in which every conversation has its own length.

The rows of a batch take turns at different times. Each row writes at its own positions, and the padding that it wrote
beyond its end is overwritten by its next turn: what a row's tokens attend to is exactly its conversation.

Layers with a sliding window store the whole conversation too; the attention mask does the sliding.
"""

import torch
from torch import Tensor
from transformers import PreTrainedConfig
from transformers.cache_utils import Cache, DynamicLayer

FULL, SLIDING = "full_attention", "sliding_attention"  # the types of layers that have a mask


class RaggedCache(Cache):
    """Keys and values of each layer, (rows, heads, capacity, head size); call `place` before each forward pass."""

    def __init__(self, config: PreTrainedConfig) -> None:
        super().__init__(layers=[DynamicLayer() for _ in range(config.num_hidden_layers)])
        self._types = layer_types(config)
        self._window = config.sliding_window if SLIDING in self._types else None
        self._rows, self._positions, self._length = slice(0), torch.empty(0), 0
        self._columns: slice | None = None  # the positions, where they are the same in all rows

    def arrange(self, rows: list[int]) -> None:
        """Make every row `i` a copy of what is now row `rows[i]`, if anything was written there."""
        for layer in self.layers:
            if not layer.is_initialized:
                continue
            written = len(layer.keys)
            moved = [(i, row) for i, row in enumerate(rows) if row != i and row < written]
            if moved:
                targets, sources = torch.tensor(moved, device=layer.keys.device).T
                for name in ("keys", "values"):
                    store = getattr(layer, name)
                    copies = store[sources]
                    store = _grown(store, int(targets.max()) + 1, 0)
                    store[targets] = copies
                    setattr(layer, name, store)

    def place(self, rows: slice, positions: Tensor) -> Tensor | dict[str, Tensor]:
        """Say which rows the next forward pass covers, and to which (rows, width) positions it writes.

        Gives its (rows, 1, width, columns) bool attention mask: each token sees its own and earlier positions, in
        sliding-window layers only those within the window. A model with both types of layers gets one for each.
        """
        self._rows, self._positions, self._length = rows, positions, int(positions.max()) + 1
        starts = positions[:, 0].unique()
        self._columns = slice(int(starts[0]), self._length) if len(starts) == 1 else None
        seen = torch.arange(self._length, device=positions.device)  # (columns,)
        own = positions[:, None, :, None]  # (rows, 1, width, 1)
        masks = {FULL: seen <= own}  # (rows, 1, width, columns)
        if self._window is not None:
            masks[SLIDING] = masks[FULL] & (seen > own - self._window)
        return masks if len(self._types) > 1 else masks[next(iter(self._types))]

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: object, **__: object
    ) -> tuple[Tensor, Tensor]:
        """Store a layer's new (rows, heads, width, head size) states; return all in use of these rows."""
        layer = self.layers[layer_idx]
        if not layer.is_initialized:
            layer.keys, layer.values = key_states[:0, :, :0], value_states[:0, :, :0]
            layer.is_initialized = True
        layer.keys = self._stored(layer.keys, key_states)
        layer.values = self._stored(layer.values, value_states)
        used = self._rows, slice(None), slice(self._length)
        return layer.keys[used], layer.values[used]

    def _stored(self, store: Tensor, new: Tensor) -> Tensor:
        store = _grown(store, self._rows.stop, self._length)
        if self._columns is None:
            rows = torch.arange(self._rows.start, self._rows.stop, device=new.device)[:, None]
            store.transpose(1, 2)[rows, self._positions] = new.transpose(1, 2)
        else:  # many times faster
            store[self._rows, :, self._columns] = new
        return store


def _grown(store: Tensor, rows: int, length: int) -> Tensor:
    """The store with room for so many rows and columns; it grows in large steps, as each one is a copy."""
    old_rows, heads, capacity, size = store.shape
    if rows <= old_rows and length <= capacity:
        return store
    new_rows = max(rows, old_rows * 3 // 2) if rows > old_rows else old_rows
    new_capacity = max(length + 32, capacity * 3 // 2) if length > capacity else capacity
    grown = store.new_zeros(new_rows, heads, new_capacity, size)
    grown[:old_rows, :, :capacity] = store
    return grown


def layer_types(config: PreTrainedConfig) -> set[str]:
    """The types of attention in a model's layers; a configuration that doesn't list them has only one."""
    types = getattr(config, "layer_types", None)
    if types is None:
        return {SLIDING if getattr(config, "sliding_window", None) else FULL}
    return set(types)
