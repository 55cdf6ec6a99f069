"""The shape of a model: what its weights, adapters, caches and arithmetic come to.

The transformers meant here are those of the Llama kind: attention with shared key and value heads, a gated
feed-forward part of three matrices, no biases worth counting.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BYTES = {"float32": 4, "bfloat16": 2}
EMBEDDED_TEXT_TOKENS = 105  # tokens for segments of the games' text, and the four control tokens
BYTE_TOKENS = 256

# Our names for what a model directory's config.json says.
NAMES_IN_CONFIG = {
    "hidden_size": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "key_value_heads": "num_key_value_heads",
    "head_size": "head_dim",
    "feed_forward_size": "intermediate_size",
    "vocabulary": "vocab_size",
    "tied_embeddings": "tie_word_embeddings",
}


@dataclass(frozen=True)
class Shape:
    """A model's shape and the type of its weights.

    Attributes:
        hidden_size: width of the model.
        layers: number of layers.
        heads: number of query heads.
        key_value_heads: number of key and value heads.
        head_size: width of a head.
        feed_forward_size: width of the feed-forward part.
        vocabulary: rows of the embedding.
        tied_embeddings: whether the embedding also serves as the output matrix.
        dtype: `float32` or `bfloat16`, the type of weights and activations.
        embedded: whether the workflow builds the model itself, with a tokenizer of the games' own sentences.
    """

    hidden_size: int
    layers: int
    heads: int
    key_value_heads: int
    head_size: int
    feed_forward_size: int
    vocabulary: int
    tied_embeddings: bool
    dtype: str = "float32"
    embedded: bool = False

    @property
    def bytes_each(self) -> int:
        """Bytes of a weight."""
        return BYTES[self.dtype]

    @property
    def _matrices(self) -> tuple[tuple[int, int], ...]:
        """(in, out) of the linear maps of a layer: query, key, value, output, gate, up, down."""
        hidden, forward = self.hidden_size, self.feed_forward_size
        queries, keys = self.heads * self.head_size, self.key_value_heads * self.head_size
        return (
            (hidden, queries),
            (hidden, keys),
            (hidden, keys),
            (queries, hidden),
            (hidden, forward),
            (hidden, forward),
            (forward, hidden),
        )

    @property
    def linear_parameters(self) -> int:
        """Weights of all layers' linear maps."""
        return self.layers * sum(rows * columns for rows, columns in self._matrices)

    @property
    def parameters(self) -> int:
        """All weights: the linear maps, the embedding and, if it is one of its own, the output matrix."""
        matrices = 1 if self.tied_embeddings else 2
        return self.linear_parameters + matrices * self.vocabulary * self.hidden_size

    @property
    def weight_bytes(self) -> int:
        """The model itself, in memory and on disk."""
        return self.parameters * self.bytes_each

    def adapter_parameters(self, rank: int) -> int:
        """Weights of a LoRA adapter on all linear maps: rank * (in + out) each."""
        return self.layers * sum(rank * (rows + columns) for rows, columns in self._matrices)

    @property
    def cache_bytes(self) -> int:
        """Keys and values of a token, in all layers."""
        return 2 * self.layers * self.key_value_heads * self.head_size * self.bytes_each

    @property
    def kept_for_backward(self) -> int:
        """Numbers of a token that a layer keeps for its backward pass.

        12 of the hidden size: the input and output of both norms, each also in float32 inside the norm (6), queries
        before and after rotation, the attention's output, the two sums along the layer (6); keys and values before
        and after rotation; 4 of the feed-forward size: gate, its activation, up, and their product.
        """
        keys = self.key_value_heads * self.head_size
        return 12 * self.hidden_size + 4 * keys + 4 * self.feed_forward_size

    def forward_operations(self, tokens: float, context: float) -> float:
        """Floating-point operations to read tokens, each of which sees `context` others on average.

        Two for every weight, and for every token seen two in the scores and two in the weighted sum.
        """
        attention = 4 * self.layers * self.heads * self.head_size * context
        return tokens * (2 * self.linear_parameters + attention)

    def output_operations(self, tokens: float) -> float:
        """Floating-point operations of the logits at so many places."""
        return 2 * tokens * self.vocabulary * self.hidden_size


def shape_of(model: Mapping[str, Any]) -> Shape:
    """The shape of a model entry of the configuration that has passed its checks."""
    if model["kind"] == "embedded":
        heads, hidden = model["heads"], model["hidden_size"]
        return Shape(
            hidden_size=hidden,
            layers=model["layers"],
            heads=heads,
            key_value_heads=heads,
            head_size=hidden // heads,
            feed_forward_size=model["feed_forward_size"],
            vocabulary=BYTE_TOKENS + model["merges"] + EMBEDDED_TEXT_TOKENS,
            tied_embeddings=True,
            embedded=True,
        )
    said = stated_shape(model)
    assert said is not None
    return Shape(**said, dtype=model.get("dtype") or _stored_dtype(model))


def _stored_dtype(model: Mapping[str, Any]) -> str:
    """The numbers that a hub entry's weights are stored in, if its folder tells; most models' are bfloat16."""
    told = _told(Path(model["source"])) or {}
    stored = told.get("dtype", told.get("torch_dtype"))
    return stored if stored in BYTES else "bfloat16"


def stated_shape(model: Mapping[str, Any]) -> dict[str, Any] | None:
    """The shape that a hub entry states or, where it doesn't, that its folder's config.json tells; None if neither."""
    if "shape" in model:
        shape = dict(model["shape"])
        shape.setdefault("head_size", shape["hidden_size"] // shape["heads"])
        shape.setdefault("tied_embeddings", False)
        return shape
    found = shape_in(Path(model["source"]))
    return found if found and None not in found.values() else None


def shape_in(folder: Path) -> dict[str, Any] | None:
    """What a model directory's config.json says; None where there is none. What it leaves out is None."""
    told = _told(folder)
    if told is None:
        return None
    shape = {name: told.get(theirs) for name, theirs in NAMES_IN_CONFIG.items()}
    if shape["key_value_heads"] is None:
        shape["key_value_heads"] = shape["heads"]
    if shape["head_size"] is None and shape["hidden_size"] and shape["heads"]:
        shape["head_size"] = shape["hidden_size"] // shape["heads"]
    if shape["tied_embeddings"] is None:
        shape["tied_embeddings"] = False
    return shape


def _told(folder: Path) -> dict[str, Any] | None:
    """What a model directory's config.json says of its language model."""
    try:
        told: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    inside = told.get("text_config")  # of models that also see
    return {**told, **inside} if isinstance(inside, dict) else told


def differences(model: Mapping[str, Any], folder: Path) -> list[str]:
    """Where a hub entry's stated shape differs from that of the model in a folder, in words."""
    if model["kind"] != "hub":
        return []
    said, found = stated_shape(model), shape_in(folder)
    if said is None or found is None:
        return []
    return [
        f"{name} is {found[name]}, not {value}"
        for name, value in said.items()
        if found[name] is not None and found[name] != value
    ]
