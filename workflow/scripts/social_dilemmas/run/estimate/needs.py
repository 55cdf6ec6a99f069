"""What a job needs, and what a cluster is asked for on its behalf."""

import math
from dataclasses import dataclass

SNAKEMAKE_MB = 350  # two processes of Snakemake, which run beside a job on a cluster


@dataclass(frozen=True)
class Needs:
    """What a job needs.

    Attributes:
        memory_mb: peak memory of the host.
        seconds: time.
        disk_mb: what it leaves on the disk.
        gpus: how many GPUs.
        gpu_memory_mb: peak memory of each of them.
        processes: how many it computes in.
    """

    memory_mb: float
    seconds: float
    disk_mb: float = 0.0
    gpus: int = 0
    gpu_memory_mb: float = 0.0
    processes: int = 1

    def memory_asked_for(self, attempt: int) -> int:
        """MB that a cluster is asked for: room for error, and for Snakemake beside the job; more with every attempt."""
        megabytes = (1.25 * self.memory_mb + SNAKEMAKE_MB) * (1 + (attempt - 1) / 2)
        return math.ceil(megabytes / 100) * 100

    def minutes_asked_for(self) -> int:
        """Minutes that a cluster is asked for."""
        return math.ceil(2 * self.seconds / 60) + 10
