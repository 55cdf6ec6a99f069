"""LoRA adapters as files (standard PEFT directories), and computing with them merged into the weights."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from peft import PeftModel
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor
from torch.nn import Module
from torch.nn.functional import linear

from social_dilemmas.errors import UserError
from social_dilemmas.policy.model import model_fingerprint
from social_dilemmas.run.checksum import checksum

LEARNER = "default"  # PEFT's own name for an adapter that is saved at the top of its directory
NO_ADAPTER = "__base__"  # PEFT's name for rows of a batch that run without one
BASE_RECORD = "base_model.json"
CONFIG, WEIGHTS = FILES = ("adapter_config.json", "adapter_model.safetensors")


def save_adapter(model: PeftModel, base: Path, output: Path, name: str = LEARNER) -> None:
    """Write a learner's adapter as a PEFT directory, with checksums of its files and its base model's fingerprint."""
    model.save_pretrained(output, selected_adapters=[name])
    if name != LEARNER:  # PEFT has put it one folder deeper
        for path in (output / name).iterdir():
            path.rename(output / path.name)
        (output / name).rmdir()
    settings = json.loads((output / CONFIG).read_text())
    if isinstance(settings["target_modules"], list):
        settings["target_modules"].sort()  # PEFT keeps a set, whose order differs from run to run
    (output / CONFIG).write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
    (output / "README.md").unlink()  # PEFT's own is a form that nobody has filled in
    write_base_record(output, model_fingerprint(base))


def write_base_record(adapter: Path, fingerprint: str) -> None:
    """Record which base model an adapter belongs to, and what its files are."""
    files = {name: checksum(adapter / name) for name in FILES}
    record = {"fingerprint": fingerprint, "files": files}
    (adapter / BASE_RECORD).write_text(json.dumps(record, indent=1) + "\n")


def check_adapter(adapter: Path, base: Path) -> None:
    """Raise UserError if it isn't an adapter directory, is damaged, or was trained for another base model.

    PEFT itself only warns where weights are missing.
    """
    for name in (*FILES, BASE_RECORD):
        if not (adapter / name).is_file():
            raise UserError(f"{adapter}: not an adapter directory, {name} is missing")
    try:
        record = json.loads((adapter / BASE_RECORD).read_text())
        fingerprint, files = record["fingerprint"], record["files"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{adapter}: {BASE_RECORD} is damaged") from error
    for name in FILES:
        if files.get(name) != checksum(adapter / name):
            raise UserError(f"{adapter}: {name} is damaged, it isn't what was written")
    if fingerprint != model_fingerprint(base):
        raise UserError(f"{adapter}: this adapter was trained for another base model than {base}")


class RowAdapters:
    """Which rows of a batch run under which adapter, where these aren't left to PEFT."""

    def __init__(self) -> None:
        self.rows: dict[str, Tensor] = {}  # empty: all under a single one

    def assign(self, names: Sequence[str], device: torch.device) -> None:
        """Say the adapter of each row of the passes that follow."""
        rows: dict[str, list[int]] = {}
        for row, name in enumerate(names):
            rows.setdefault(name, []).append(row)
        self.rows = {name: torch.tensor(each, device=device) for name, each in rows.items()}


@contextmanager
def merged_adapters(
    model: Module, enabled: bool = True, adapters: Iterable[str] = ()
) -> Iterator[RowAdapters | None]:
    """Compute with one matrix `W + scale * B A` a layer, in place of `W x + scale * B (A x)`.

    The same function and the same gradients, up to rounding. It pays where the model is small: three skinny matrix
    products become one. For a large model the sums would cost too much memory. Layers in half precision are never
    merged: rounded to it, a sum would swallow what an adapter learns at first. There an adapter, which keeps its own
    weights in float32, multiplies in half precision, too; PEFT would copy every input and output to float32 and back.

    `adapters` are those that rows of a batch may be assigned to, `NO_ADAPTER` among them; a single one needs no
    assignment, and by default it is the active one. Gives None where nothing is merged nor in half precision, and
    PEFT computes.
    """
    assigned, replaced = RowAdapters(), []
    for layer in model.modules():
        if not isinstance(layer, LoraLinear):
            continue
        base = layer.get_base_layer()
        names = [*adapters] or layer.active_adapters
        if base.weight.dtype.itemsize < 4:
            layer.forward = partial(_adapted_by_row, layer=layer, adapters=names, assigned=assigned)
        elif enabled:
            weights = {
                name: base.weight
                if name == NO_ADAPTER
                else base.weight + layer.get_delta_weight(name).to(base.weight.dtype)
                for name in names
            }
            if layer.fan_in_fan_out:  # Conv1D, the linear layer of GPT-2
                weights = {name: weight.T for name, weight in weights.items()}
            layer.forward = partial(
                _linear_by_row, weights=weights, bias=base.bias, assigned=assigned
            )
        else:
            continue
        replaced.append(layer)
    try:
        yield assigned if replaced else None
    finally:
        for layer in replaced:
            del layer.forward


def _linear_by_row(
    inputs: Tensor, weights: Mapping[str, Tensor], bias: Tensor | None, assigned: RowAdapters
) -> Tensor:
    """(rows, width, in) -> (rows, width, out), each row by the weight of its adapter."""
    if len(assigned.rows) < 2:
        return linear(inputs, weights[next(iter(assigned.rows or weights))], bias)
    parts = [linear(inputs[rows], weights[name], bias) for name, rows in assigned.rows.items()]
    outputs = inputs.new_empty(*inputs.shape[:-1], parts[0].shape[-1])  # (rows, width, out)
    for rows, part in zip(assigned.rows.values(), parts, strict=True):
        outputs[rows] = part
    return outputs


def _adapted_by_row(
    inputs: Tensor, layer: LoraLinear, adapters: Sequence[str], assigned: RowAdapters
) -> Tensor:
    """(rows, width, in) -> (rows, width, out), each row by the layer and its adapter, in the layer's precision."""
    outputs: Tensor = layer.get_base_layer()(inputs)  # (rows, width, out)
    if len(assigned.rows) < 2:
        return _adapted(outputs, inputs, layer, next(iter(assigned.rows or adapters)))
    for name, rows in assigned.rows.items():
        if name != NO_ADAPTER:
            outputs[rows] = _adapted(outputs[rows], inputs[rows], layer, name)
    return outputs


def _adapted(outputs: Tensor, inputs: Tensor, layer: LoraLinear, name: str) -> Tensor:
    """A layer's outputs with what an adapter adds to them."""
    if name == NO_ADAPTER:
        return outputs
    down, up = (each[name].weight.to(outputs.dtype) for each in (layer.lora_A, layer.lora_B))
    narrow = linear(inputs, down).flatten(0, -2)  # (rows * width, rank)
    added = torch.addmm(outputs.flatten(0, -2), narrow, up.T, alpha=layer.scaling[name])
    return added.view_as(outputs)
