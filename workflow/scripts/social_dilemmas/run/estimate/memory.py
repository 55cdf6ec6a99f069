"""Peak memory of a job, part by part. Numbers in bytes, but for what is called `_mb`.

What the device holds where the model computes: the host's memory, or a GPU's. All constants that count no tensors were
measured with this project's versions of Python, torch, transformers and peft.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from social_dilemmas.run.estimate.conversation import Conversation
from social_dilemmas.run.estimate.shape import Shape

MB = 1e6
INTERPRETER_MB = 410  # Python with torch, transformers and peft, and a model of no size
FRAMES_MB = 50  # pandas and pyarrow, where a table is written beside that
INTERPRETER_GPU_MB = 3000  # the same with CUDA's libraries
CONTEXT_GPU_MB = 600  # what CUDA itself takes on a GPU
PLAIN_MB = 150  # a table: Python with pandas
FIGURE_MB = 200  # a figure: with matplotlib
SERVER_MB = 2500  # a vLLM server on a CPU, with room for keys and values
ALLOCATION = 1.15  # memory taken for a byte in use: blocks of fixed sizes, gaps between them
CACHE_GROWTH = 1.25  # room in the key-value cache for a token held; it grows in steps of a half
LOGIT_BYTES = 24  # of a logit in the loss, and
LOGIT_CHUNK = 2**28  # the most that all of them take at a time; see `learning.log_probabilities`
SAMPLING_LOGIT_BYTES = 20  # of a logit while sampling: itself, float32, mask, scores, probabilities
TURN_BYTES = 900  # of a turn in Python while its match is there: what happened, what is told of it
TEXT_BYTES = 500  # of a turn's text with its tokens, and
TEXTS = 2**16  # how many are remembered; see `generation.chat`
ADAPTER_BYTES = 4  # of an adapter's weight: float32 whatever the model's type
LEARNING_BYTES = 12  # of a weight that is trained: its gradient and Adam's two moments, float32


@dataclass(frozen=True)
class Batch:
    """Conversations that are held at the same time."""

    conversations: float
    talk: Conversation


def sampling(shape: Shape, batch: Batch) -> float:
    """Keys and values of all conversations, and the work of the widest forward pass, that of the first prompts."""
    rows, talk = batch.conversations, batch.talk
    cache = rows * talk.tokens * shape.cache_bytes * CACHE_GROWTH
    widths = 4 * shape.hidden_size + 3 * shape.feed_forward_size
    prompts = rows * talk.opening * widths * shape.bytes_each
    logits = rows * shape.vocabulary * SAMPLING_LOGIT_BYTES
    repeated = 0.0  # shared heads are written out, a layer at a time, for attention under a mask
    if shape.key_value_heads < shape.heads:
        repeated = 2 * rows * talk.tokens * shape.heads * shape.head_size * shape.bytes_each
    return cache + max(prompts, logits, repeated)


def backward(
    shape: Shape, batch: Batch, *, adapter: bool, recompute: bool, chunked: bool = True
) -> float:
    """What a forward pass keeps for its backward pass, with the logits of the chosen tokens.

    Args:
        shape: the model's.
        batch: the conversations of a pass.
        adapter: whether a LoRA adapter is computed beside the weights; it reads every input once more, in float32.
        recompute: gradient checkpointing: the inputs of all layers are kept, and one layer with its gradients.
        chunked: whether there is a limit to what logits take.
    """
    tokens = batch.conversations * batch.talk.tokens
    layer = shape.kept_for_backward * shape.bytes_each
    if adapter:
        layer += 4 * (6 * shape.hidden_size + shape.feed_forward_size)
    kept = shape.layers * layer
    if recompute:
        kept = shape.layers * shape.hidden_size * shape.bytes_each + 2 * layer
    logits = batch.conversations * batch.talk.chosen * shape.vocabulary * LOGIT_BYTES
    return tokens * kept + (min(logits, LOGIT_CHUNK) if chunked else logits)


def folded_weights(shape: Shape, adapters: int = 1) -> float:
    """Sums of weights and adapters that are kept while they are in force; half precision never folds."""
    return adapters * shape.linear_parameters * shape.bytes_each if shape.bytes_each == 4 else 0.0


def adapters(shape: Shape, settings: Mapping[str, Any], *, frozen: int = 0) -> float:
    """The learner with its gradient and moments, frozen opponents, and the buffer of past agents."""
    weights = shape.adapter_parameters(settings["lora_rank"])
    others = frozen + settings["buffer"]["size"]
    return weights * (ADAPTER_BYTES * (1 + others) + LEARNING_BYTES)


def past_agents(shape: Shape, settings: Mapping[str, Any]) -> float:
    """The buffer of past agents once more, in the host's memory, for the next checkpoint."""
    weights = shape.adapter_parameters(settings["lora_rank"])
    return settings["buffer"]["size"] * weights * ADAPTER_BYTES


def records(held: float, seen: float, talk: Conversation) -> float:
    """Python's objects: matches that are held at the end, and the texts of all that were seen."""
    turns = 2 * talk.turns
    return held * turns * TURN_BYTES + min(TEXTS, seen * turns) * TEXT_BYTES
