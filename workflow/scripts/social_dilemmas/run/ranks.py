"""The processes that share a training run: every one samples and trains its part of the matches."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch.nn import Parameter

from social_dilemmas.errors import UserError

T = TypeVar("T")
PATIENCE = timedelta(
    hours=6
)  # processes wait for one another; one that has died is noticed by `launch`


@dataclass(frozen=True)
class Ranks:
    """This process among those that share a run. All of them must call `gather`, `add_up` and `wait` alike.

    Attributes:
        index: number of this process.
        count: how many there are.
    """

    rank: int = 0
    world_size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and tells how things stand."""
        return self.rank == 0

    def share(self, number: int) -> slice:
        """This process's part of so many things: neighbours, in order, about as many for every process."""
        return slice(
            number * self.rank // self.world_size, number * (self.rank + 1) // self.world_size
        )

    def all_gather(self, value: T) -> list[T]:
        """The values of all processes, in their order."""
        if self.world_size == 1:
            return [value]
        from accelerate.utils import gather_object

        gathered: list[T] = gather_object([value])
        return gathered

    def all_reduce_gradients(self, parameters: Iterable[Parameter]) -> None:
        """Put the sum of all processes' gradients in the place of each one's own."""
        if self.world_size == 1:
            return
        from accelerate.utils import reduce

        gradients = [
            torch.zeros_like(each) if each.grad is None else each.grad for each in parameters
        ]
        sums = reduce(torch.cat([each.flatten() for each in gradients]), "sum")
        for parameter, own, total in zip(
            parameters, gradients, sums.split([each.numel() for each in gradients]), strict=True
        ):
            parameter.grad = total.view_as(own)

    def barrier(self) -> None:
        """Wait until all processes are here."""
        if self.world_size > 1:
            from accelerate import PartialState

            PartialState().wait_for_everyone()


ALONE = Ranks()


def join_ranks(count: int) -> Ranks:
    """Meet the others, `count` with this one: over NCCL where there are GPUs, one for each process, else over gloo.

    Raises:
        UserError: there are GPUs, but fewer than processes.
    """
    from accelerate import PartialState
    from accelerate.utils import check_cuda_p2p_ib_support

    gpus = torch.cuda.device_count()
    if 0 < gpus < count:
        raise UserError(
            f"training.processes is {count}, but the job has {gpus} of the GPUs; lower it, or give the job more"
        )
    if gpus and not check_cuda_p2p_ib_support():  # consumer cards can't reach one another directly
        os.environ.update(NCCL_P2P_DISABLE="1", NCCL_IB_DISABLE="1")
    state = PartialState(cpu=gpus == 0, timeout=PATIENCE)
    return Ranks(state.process_index, state.num_processes)


def leave_ranks(ranks: Ranks) -> None:
    """Part from the others when all are done."""
    from accelerate import PartialState

    ranks.barrier()
    PartialState().destroy_process_group()
