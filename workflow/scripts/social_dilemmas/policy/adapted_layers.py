"""How linear layers compute with LoRA adapters, each row of a batch with its own."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor
from torch.nn import Module
from torch.nn.functional import linear

from social_dilemmas.policy.adapters import NO_ADAPTER

Compute = Callable[[Tensor, str], Tensor]
"""A layer's (rows, width, out) outputs of (rows, width, in) inputs, under an adapter of this name."""


class RowAdapters:
    """Which rows of a batch run under which adapter."""

    def __init__(self) -> None:
        self.rows: dict[str, Tensor] = {}  # empty: all under a single one

    def assign(self, names: Sequence[str], device: torch.device) -> None:
        """Say the adapter of each row of the passes that follow."""
        rows: dict[str, list[int]] = {}
        for row, name in enumerate(names):
            rows.setdefault(name, []).append(row)
        self.rows = {name: torch.tensor(each, device=device) for name, each in rows.items()}


@contextmanager
def adapted_layers(
    model: Module, merge: bool = True, adapters: Collection[str] = ()
) -> Iterator[RowAdapters]:
    """Let the linear layers of a model compute with their adapters in the layers' own precision, row by row.

    The same function and the same gradients as PEFT's, up to rounding. PEFT would copy all that goes in or comes out of
    an adapter, which keeps its own weights in float32, where the model is in half precision or rows run under several.

    `merge` computes with one matrix `W + scale * B A` in place of `W x + scale * B (A x)`. It pays where the model is
    small: three skinny matrix products become one. For a large model the sums would cost too much memory. Layers in
    half precision are never merged: rounded to it, a sum would swallow what an adapter learns at first.

    `adapters` are those that rows of a batch may be assigned to, `NO_ADAPTER` among them; a single one needs no
    assignment, and by default it is the active one.
    """
    assigned = RowAdapters()
    layers = [layer for layer in model.modules() if isinstance(layer, LoraLinear)]
    for layer in layers:
        names = [*adapters] or layer.active_adapters
        merged = merge and layer.get_base_layer().weight.dtype.itemsize >= 4
        compute = _merged(layer, names) if merged else partial(_beside, layer)
        layer.forward = partial(_by_row, compute=compute, single=names[0], assigned=assigned)
    try:
        yield assigned
    finally:
        for layer in layers:
            del layer.forward


def _by_row(inputs: Tensor, compute: Compute, single: str, assigned: RowAdapters) -> Tensor:
    """(rows, width, in) -> (rows, width, out), each row under its adapter."""
    if len(assigned.rows) < 2:
        return compute(inputs, next(iter(assigned.rows), single))
    parts = [compute(inputs[rows], name) for name, rows in assigned.rows.items()]
    outputs = parts[0].new_empty(*inputs.shape[:-1], parts[0].shape[-1])  # (rows, width, out)
    for rows, part in zip(assigned.rows.values(), parts, strict=True):
        outputs[rows] = part
    return outputs


def _merged(layer: LoraLinear, names: Sequence[str]) -> Compute:
    """With an adapter's product added to the layer's weight, once for all passes."""
    base = layer.get_base_layer()
    weights = {
        name: base.weight
        if name == NO_ADAPTER
        else base.weight + layer.get_delta_weight(name).to(base.weight.dtype)
        for name in names
    }
    if layer.fan_in_fan_out:  # Conv1D, the linear layer of GPT-2
        weights = {name: weight.T for name, weight in weights.items()}
    return lambda inputs, name: linear(inputs, weights[name], base.bias)


def _beside(layer: LoraLinear, inputs: Tensor, name: str) -> Tensor:
    """With an adapter's product beside the layer's own, in the layer's precision."""
    outputs: Tensor = layer.get_base_layer()(inputs)  # (rows, width, out)
    if name == NO_ADAPTER:
        return outputs
    down, up = (each[name].weight.to(outputs.dtype) for each in (layer.lora_A, layer.lora_B))
    narrow = linear(inputs, down).flatten(0, -2)  # (rows * width, rank)
    added = torch.addmm(outputs.flatten(0, -2), narrow, up.T, alpha=layer.scaling[name])
    return added.view_as(outputs)
