"""LoRA adapters as files (standard PEFT directories), and computing with them merged into the weights."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

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


def save_adapter(model: PeftModel, base: Path, output: Path) -> None:
    """Write the learner's adapter as a PEFT directory, with checksums of its files and its base model's fingerprint."""
    model.save_pretrained(output, selected_adapters=[LEARNER])
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


@contextmanager
def merged_adapters(
    model: Module, enabled: bool = True, adapters: Iterable[str] = (LEARNER,)
) -> Iterator[None]:
    """Compute with one matrix `W + scale * B A` a layer, in place of `W x + scale * B (A x)`.

    The same function and the same gradients, up to rounding. It pays where the model is small: three skinny matrix
    products become one. For a large model the sums would cost too much memory. Layers in half precision are left
    alone: rounded to it, a sum would swallow what an adapter learns at first.

    `adapters` are those that rows of a batch may name in `adapter_names`, `NO_ADAPTER` among them; a single one serves
    rows that name none.
    """
    layers = [
        module
        for module in (model.modules() if enabled else ())
        if isinstance(module, LoraLinear) and module.get_base_layer().weight.dtype.itemsize >= 4
    ]
    for layer in layers:
        base = layer.get_base_layer()
        weights = {
            name: base.weight
            if name == NO_ADAPTER
            else base.weight + layer.get_delta_weight(name).to(base.weight.dtype)
            for name in adapters
        }
        layer.forward = partial(_linear_by_row, weights=weights, bias=base.bias)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _linear_by_row(
    inputs: Tensor,
    weights: Mapping[str, Tensor],
    bias: Tensor | None,
    adapter_names: Sequence[str] | None = None,
) -> Tensor:
    """(rows, width, in) -> (rows, width, out), each row by the weight that its adapter names."""
    some = next(iter(weights.values()))
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(adapter_names or ()):
        rows.setdefault(name, []).append(row)
    if len(rows) < 2:
        return linear(inputs, weights[adapter_names[0]] if adapter_names else some, bias)
    outputs = inputs.new_empty(*inputs.shape[:-1], some.shape[0])  # (rows, width, out)
    for name, its_rows in rows.items():
        outputs[its_rows] = linear(inputs[its_rows], weights[name], bias)
    return outputs
