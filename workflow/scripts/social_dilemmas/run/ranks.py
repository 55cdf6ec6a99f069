"""The processes of one job, each of which does its share of the work, and what they exchange."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch.nn import Parameter
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from social_dilemmas.errors import UserError

T = TypeVar("T")
PATIENCE = timedelta(hours=6)  # that ranks wait for one another; `launch` notices one that died


@dataclass(frozen=True)
class Ranks:
    """This process among all that share a job. Collective calls (`all_*`, `barrier`) must be made by every rank."""

    rank: int = 0
    world_size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files and logs the progress."""
        return self.rank == 0

    def share(self, number: int) -> slice:
        """This rank's part of `number` things: contiguous, in the order of ranks, sizes differ by at most one."""
        begin, end = (number * rank // self.world_size for rank in (self.rank, self.rank + 1))
        return slice(begin, end)

    def all_gather(self, value: T) -> list[T]:
        """The values of all ranks, in their order."""
        if self.world_size == 1:
            return [value]
        gathered: list[Any] = [None] * self.world_size
        dist.all_gather_object(gathered, value)
        return gathered

    def all_reduce_gradients(self, parameters: Iterable[Parameter]) -> None:
        """Replace the gradients of the parameters by their sums over all ranks."""
        if self.world_size == 1:
            return
        gradients = []
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            gradients.append(parameter.grad)
        vector = parameters_to_vector(gradients)
        dist.all_reduce(vector)
        vector_to_parameters(vector, gradients)

    def barrier(self) -> None:
        """Wait until all ranks are here."""
        self.all_gather(None)


ALONE = Ranks()


@contextmanager
def joined(rank: int, world_size: int, port: int) -> Iterator[Ranks]:
    """Meet the other ranks at a port of this machine: over NCCL, each with a GPU of its own, or without GPUs over gloo.

    They part once all are done.

    Raises:
        UserError: there are GPUs, but fewer than ranks.
    """
    gpus = torch.cuda.device_count()
    if 0 < gpus < world_size:
        raise UserError(
            f"training.world_size is {world_size}, but the job has {gpus} of the GPUs; lower it, or give the job more"
        )
    if gpus:
        from accelerate.utils import check_cuda_p2p_ib_support

        torch.cuda.set_device(rank)
        if not check_cuda_p2p_ib_support():  # consumer cards can't reach one another directly
            os.environ.update(NCCL_P2P_DISABLE="1", NCCL_IB_DISABLE="1")
    dist.init_process_group(
        "nccl" if gpus else "gloo",
        init_method=f"tcp://127.0.0.1:{port}",
        timeout=PATIENCE,
        rank=rank,
        world_size=world_size,
    )
    ranks = Ranks(rank, world_size)
    yield ranks
    ranks.barrier()
    dist.destroy_process_group()
