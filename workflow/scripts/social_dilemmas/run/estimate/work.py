"""Time that a job computes, part by part, in seconds.

On a CPU time goes by the floating-point operations and by what Python does for every token. On a GPU a forward pass
over new prompts or for learning goes by the operations, one that samples a token by the memory that it reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from social_dilemmas.run.estimate.conversation import Conversation
from social_dilemmas.run.estimate.shape import Shape

START = 7.0  # until a job that needs torch has it, and a small model
PLAIN_START = 2.0  # a table, from beginning to end
FIGURE = 5.0  # a figure
TOKEN = 8e-5  # of Python for every chosen token
TURN = 8e-5  # of Python for every turn of a scripted player, with its tokens
MATCH = 1e-3  # of Python for what is told of a finished match
ADAPTER_SWITCH = 1e-3  # of one more adapter in a batch, for a layer in a pass
LAYER_START = (
    1e-3  # for the GPU to be told of a layer's work, with an adapter, in a pass that samples
)
LOADING = 1e9  # bytes a second that a large model is read with


@dataclass(frozen=True)
class Machine:
    """What computes, as the configuration's section `machine` tells it; a GPU's speed is None where there is none.

    Attributes:
        cpu_operations: floating-point operations a second that a core reaches.
        gpu: whether jobs that need a model run on GPUs.
        gpu_memory_mb: memory of a GPU.
        gpu_operations: operations a second that a GPU reaches in learning and in reading prompts.
        gpu_bandwidth: bytes a second that a GPU reaches in reading its memory.
    """

    cpu_operations: float
    gpu: bool = False
    gpu_memory_mb: float = 0.0
    gpu_operations: float = 0.0
    gpu_bandwidth: float = 0.0

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Machine":
        """The machine of a configuration."""
        cpu = settings["cpu_gigaflops"] * 1e9
        if not (gpu := settings["gpu"]):
            return cls(cpu)
        return cls(
            cpu,
            True,
            gpu["memory_gb"] * 1e3,
            gpu["teraflops"] * 1e12 * gpu["share_in_training"],
            gpu["bandwidth_gb"] * 1e9 * gpu["share_in_sampling"],
        )

    @property
    def operations(self) -> float:
        """Floating-point operations a second of what a model runs on."""
        return self.gpu_operations if self.gpu else self.cpu_operations


def sampling(
    machine: Machine, shape: Shape, talk: Conversation, rows: float, *, served: bool = False
) -> float:
    """So many conversations, side by side, from beginning to end; `served`: by a server, which loses no time."""
    operations = shape.forward_operations(rows * talk.tokens, talk.tokens / 2)
    operations += shape.output_operations(rows * talk.chosen)
    seconds = operations / machine.operations + rows * talk.chosen * TOKEN
    if machine.gpu:  # every pass reads all weights and, on average, half of all keys and values
        read = shape.weight_bytes + rows * talk.tokens / 2 * shape.cache_bytes
        seconds += talk.passes * read / machine.gpu_bandwidth
        seconds += 0 if served else talk.passes * shape.layers * LAYER_START
    return seconds


def passes(
    machine: Machine, shape: Shape, talk: Conversation, rows: float, *, count: float
) -> float:
    """`count` passes of the price of a forward pass over whole conversations, with the logits of chosen tokens."""
    operations = shape.forward_operations(rows * talk.tokens, talk.tokens / 2)
    operations += shape.output_operations(rows * talk.chosen)
    return count * operations / machine.operations
