"""Sections about what jobs run on."""

from social_dilemmas.config.schema.section import Positive, PositiveShare, Section


class Gpu(Section):
    """A GPU, by its data sheet and by what is reached of it."""

    memory_gb: Positive
    """memory of a GPU; a job that needs more says so before it begins"""
    teraflops: Positive
    """10¹² floating-point operations a second, by its data sheet, for the models' `dtype`"""
    bandwidth_gb: Positive
    """10⁹ bytes a second read from its memory, by its data sheet"""
    share_in_training: PositiveShare
    """share of `teraflops` that is reached in training"""
    share_in_sampling: PositiveShare
    """share of `bandwidth_gb` that is reached in sampling"""


class CpuGigaflops(Section):
    """What a CPU core reaches in a type of numbers."""

    float32: Positive = 25.0
    """in models of this `dtype`"""
    bfloat16: Positive = 25.0
    """in models of this `dtype`; far less than in float32 where the CPU has no instructions for it"""


class Machine(Section):
    """What jobs run on, for estimates; no result depends on it."""

    cpu_gigaflops: CpuGigaflops = CpuGigaflops()
    """10⁹ floating-point operations a second that one CPU core reaches, see below"""
    gpu: Gpu | None = None
    """the GPUs that jobs with a language model run on; `null`: none, and jobs ask for none"""
