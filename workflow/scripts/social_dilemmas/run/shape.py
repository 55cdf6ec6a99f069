"""The shape of a model: its weights, adapters, caches and arithmetic, for transformers of the Llama kind."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from social_dilemmas.config.schema.models import (
    Dtype,
    EmbeddedModel,
    HubModel,
    PublishedModel,
    Shape,
)
from social_dilemmas.errors import UserError
from social_dilemmas.run.processor import dtype_here

EMBEDDED_TOKENS = 256 + 105  # beside merges: bytes; control tokens and segments of the games' text


class ModelShape(Shape):
    """A model's shape, the type of its weights and activations, and whether the workflow builds the model itself."""

    head_dim: int
    dtype: Dtype = "bfloat16"
    embedded: bool = False

    @property
    def bytes_each(self) -> int:
        """Bytes of a weight or an activation."""
        return 4 if self.dtype == "float32" else 2

    @property
    def _widths(self) -> int:
        """Widths of a layer's 7 linear maps, each from or to the hidden size: Q, K, V, O, gate, up, down."""
        heads = self.num_attention_heads + self.num_key_value_heads
        return 2 * heads * self.head_dim + 3 * self.intermediate_size

    @property
    def linear_parameters(self) -> int:
        """Weights of the linear maps of all layers."""
        return self.num_hidden_layers * self.hidden_size * self._widths

    def adapter_parameters(self, rank: int) -> int:
        """Weights of a LoRA adapter on all linear maps."""
        return self.num_hidden_layers * rank * (7 * self.hidden_size + self._widths)

    @property
    def parameters(self) -> int:
        """All weights: the linear maps, the embedding and, where it is a matrix of its own, the output."""
        matrices = 1 if self.tie_word_embeddings else 2
        return self.linear_parameters + matrices * self.vocab_size * self.hidden_size

    @property
    def weight_bytes(self) -> int:
        """Bytes of the model itself, in memory and on disk."""
        return self.parameters * self.bytes_each

    @property
    def cache_bytes(self) -> int:
        """Bytes of a token's keys and values in all layers."""
        keys = self.num_hidden_layers * self.num_key_value_heads * self.head_dim
        return 2 * keys * self.bytes_each

    def forward_operations(self, tokens: float, context: float, logits: float) -> float:
        """Floating-point operations over `tokens` that attend to `context` others each; `logits` of them get logits.

        Two for every weight and, for every token attended to, two in the score and two in the sum.
        """
        attention = 4 * self.num_hidden_layers * self.num_attention_heads * self.head_dim * context
        output = 2 * logits * self.vocab_size * self.hidden_size
        return tokens * (2 * self.linear_parameters + attention) + output


def shape_of(model: EmbeddedModel | PublishedModel) -> ModelShape:
    """The shape of a model of the configuration; what a hub model's entry leaves out is read in its folder.

    Raises:
        UserError: it isn't there either.
    """
    if isinstance(model, EmbeddedModel):
        said = _completed(model.model_dump(include={*Shape.model_fields}))
        said |= {"vocab_size": EMBEDDED_TOKENS + model.merges, "tie_word_embeddings": True}
        return ModelShape(**said, dtype="float32", embedded=True)
    found = published_shape(model.folder) if isinstance(model, HubModel) else {}
    said = {**found, **_stated(model)}
    said |= {"dtype": dtype_here(model.dtype)} if model.dtype else {}
    try:
        return ModelShape(**said)
    except ValidationError as error:
        raise UserError(
            f"the key models[{model.name}].shape is missing, and config.json in {model.source} doesn't say "
            f"{error.errors()[0]['loc'][0]}: state it in the configuration"
        ) from None


def _stated(model: PublishedModel) -> dict[str, Any]:
    return _completed(model.shape.model_dump(exclude_none=True)) if model.shape else {}


def published_shape(folder: Path) -> dict[str, Any]:
    """What a model directory's `config.json` says of the shape and the dtype; {} where there is none."""
    try:
        said = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    said |= said.get("text_config") or {}  # of models that also see
    shape = {name: said[name] for name in Shape.model_fields if said.get(name) is not None}
    dtype = said.get("dtype", said.get("torch_dtype"))
    shape |= {"dtype": dtype} if dtype in ("float32", "bfloat16") else {}
    return {"tie_word_embeddings": False, **_completed(shape)}


def _completed(shape: dict[str, Any]) -> dict[str, Any]:
    """The shape with what follows from the rest, where it isn't stated."""
    heads = shape.get("num_attention_heads", 1)
    derived = {"num_key_value_heads": heads, "head_dim": shape.get("hidden_size", 0) // heads}
    return {**derived, **shape}


def differences(model: EmbeddedModel | PublishedModel, folder: Path) -> list[str]:
    """Where a published model's stated shape differs from that of the model in a folder, in words."""
    stated = _stated(model) if not isinstance(model, EmbeddedModel) else {}
    found = published_shape(folder)
    wrong = [name for name in stated if found.get(name, stated[name]) != stated[name]]
    return [f"{name} is {found[name]}, not {stated[name]}" for name in wrong]
