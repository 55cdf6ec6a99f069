"""What a model takes that plays a game on a machine: bytes and seconds, as plain arithmetic.

Constants were measured with this project's versions of Python, torch, transformers and peft.
"""

import math
from dataclasses import dataclass

from social_dilemmas.config.schema.machine import Machine
from social_dilemmas.run.conversation import Conversation
from social_dilemmas.run.shape import ModelShape

MB = 1e6
SNAKEMAKE_MB = 350  # two processes of Snakemake, which run beside a job on a cluster
INTERPRETER_MB = 410  # Python with torch, transformers and peft, and a model of no size
INTERPRETER_GPU_MB, CONTEXT_GPU_MB = 3000, 600  # the same with CUDA; what CUDA takes on a GPU
ALLOCATION = 1.15  # memory taken for a byte in use: blocks of fixed sizes, gaps between them
CACHE_GROWTH = 1.25  # room in the key-value cache for a token; it grows in steps of a half
# Bytes of a logit in the loss, the most that all of them take at a time, and of a logit while sampling.
LOGIT, LOGITS, SAMPLING_LOGIT = 24, 2**28, 20
# Bytes in Python of a turn while its match is there, and of a turn's text; how many texts are remembered.
TURN, TEXT, TEXTS = 900, 500, 2**16
BLOCK = 64  # positions whose attention is computed together

START = 7.0  # seconds until a job has torch and a small model
TOKEN = 8e-5  # seconds of Python for a chosen token or a scripted turn
LAYER = 1e-3  # seconds to start a layer on a GPU in a pass that samples; for one more adapter in it
LOADING = 1e9  # bytes a second


@dataclass(frozen=True)
class Needs:
    """The most that a job needs; memory of a GPU is that of each, and every process has one if there are any."""

    memory_mb: float
    seconds: float
    disk_mb: float = 0.0
    gpus: int = 0
    gpu_memory_mb: float = 0.0
    world_size: int = 1

    def memory_asked_for(self, attempt: int) -> int:
        """MB to ask a cluster for: room for error, and for Snakemake beside the job; more at every attempt."""
        megabytes = (1.25 * self.memory_mb + SNAKEMAKE_MB) * (1 + (attempt - 1) / 2)
        return math.ceil(megabytes / 100) * 100

    def minutes_asked_for(self) -> int:
        """Minutes to ask a cluster for."""
        return math.ceil(2 * self.seconds / 60) + 10


@dataclass(frozen=True)
class Workload:
    """A model that plays a game on a machine: bytes and seconds of `rows` conversations from beginning to end."""

    machine: Machine
    shape: ModelShape
    talk: Conversation

    @property
    def attention_by_products(self) -> bool:
        """Whether attention is computed as products of matrices: in half precision on a CPU."""
        return self.shape.bytes_each < 4 and self.machine.gpu is None

    def sampling_bytes(self, rows: float) -> float:
        """All keys and values, and the widest forward pass, that of the first prompts."""
        shape, tokens = self.shape, rows * self.talk.tokens
        widths = 4 * shape.hidden_size + 3 * shape.intermediate_size
        widest = rows * max(
            self.talk.opening * widths * shape.bytes_each, shape.vocab_size * SAMPLING_LOGIT
        )
        grouped = shape.num_key_value_heads < shape.num_attention_heads
        if grouped and not self.attention_by_products:  # written out under a mask
            queries = shape.num_attention_heads * shape.head_dim
            widest = max(widest, 2 * tokens * queries * shape.bytes_each)
        return tokens * shape.cache_bytes * CACHE_GROWTH + widest

    def backward_bytes(self, rows: float, *, merged: bool, checkpointing: bool) -> float:
        """Activations kept for a backward pass, with the logits of chosen tokens."""
        shape, hidden, forward = self.shape, self.shape.hidden_size, self.shape.intermediate_size
        keys = shape.num_key_value_heads * shape.head_dim
        # Of the hidden size: inputs and outputs of both norms, also in float32 (6), queries before and after rotation,
        # attention's output, both residual sums (6). Keys and values twice; gate, its activation, up, their product.
        layer: float = (12 * hidden + 4 * keys + 4 * forward) * shape.bytes_each
        if self.attention_by_products:  # its weights, and keys and values for every block that asks
            seen = (self.talk.tokens + BLOCK) / 2  # by a token, on average
            layer += (shape.num_attention_heads + 2 * keys / BLOCK) * seen * shape.bytes_each
        if not merged:  # an adapter keeps every input once more
            layer += (6 * hidden + forward) * shape.bytes_each
        kept = shape.num_hidden_layers * layer
        if checkpointing:  # the inputs of all layers, and one layer with its gradients
            kept = shape.num_hidden_layers * hidden * shape.bytes_each + 2 * layer
        logits = rows * self.talk.actions * shape.vocab_size * LOGIT
        return rows * self.talk.tokens * kept + min(logits, LOGITS)

    def merged_bytes(self, merge_adapter: bool) -> float:
        """Weights with an adapter merged into them, while that is in force; half precision never merges."""
        merges = merge_adapter and self.shape.dtype == "float32"
        return 4.0 * self.shape.linear_parameters if merges else 0.0

    def forward_seconds(self, rows: float) -> float:
        """A forward pass over whole conversations, with the logits of chosen tokens."""
        gpu, tokens = self.machine.gpu, self.talk.tokens
        of_cpu: float = getattr(self.machine.cpu_gigaflops, self.shape.dtype)
        speed = gpu.teraflops * 1e3 * gpu.share_in_training if gpu else of_cpu
        actions = rows * self.talk.actions
        return self.shape.forward_operations(rows * tokens, tokens / 2, actions) / (speed * 1e9)

    def sampling_seconds(self, rows: float, layer: float = LAYER) -> float:
        """Sampling; a GPU reads all weights in every pass and, on average, half of all keys and values."""
        shape, talk, gpu = self.shape, self.talk, self.machine.gpu
        seconds = self.forward_seconds(rows) + rows * talk.actions * TOKEN
        if gpu:
            read = shape.weight_bytes + rows * talk.tokens / 2 * shape.cache_bytes
            seconds += talk.passes * read / (gpu.bandwidth_gb * 1e9 * gpu.share_in_sampling)
            seconds += talk.passes * shape.num_hidden_layers * layer
        return seconds

    def stages(self, *each: float) -> float:
        """Bytes of stages: a GPU's memory is used again, that of the host stays with the job."""
        return max(each) if self.machine.gpu else sum(each)

    def objects(self, held: float, played: float) -> float:
        """Bytes of Python's objects: matches held at the end, and texts of all that were played."""
        turns = 2 * self.talk.turns
        return held * turns * TURN + min(TEXTS, played * turns) * TEXT

    def needs(
        self, device: float, host: float, seconds: float, disk: float, ranks: int = 1
    ) -> Needs:
        """A job's needs from the bytes where the model computes, beside its weights, and on the host."""
        weights = self.shape.weight_bytes
        seconds += START + weights / LOADING
        computing = (weights + device) * ALLOCATION / MB
        if self.machine.gpu:
            host_mb = ranks * (INTERPRETER_GPU_MB + (weights + host) / MB)
            return Needs(host_mb, seconds, disk / MB, ranks, CONTEXT_GPU_MB + computing, ranks)
        host_mb = ranks * (INTERPRETER_MB + computing + host / MB)
        return Needs(host_mb, seconds, disk / MB, world_size=ranks)
