"""What the processor of this machine is fast at."""

from pathlib import Path

CPU_FACTS = Path("/proc/cpuinfo")
# Linux's names of the instructions that multiply matrices in bfloat16, on x86-64 and on ARM.
MULTIPLIES_BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}


def fastest_dtype() -> str:
    """bfloat16 where this processor multiplies it, else float32, which is up to ten times as fast there."""
    try:
        known = set(CPU_FACTS.read_text(encoding="utf-8").split())
    except OSError:  # not Linux
        known = set()
    return "bfloat16" if known & MULTIPLIES_BFLOAT16 else "float32"


def dtype_here(dtype: str | None) -> str | None:
    """The type of numbers that a model's `dtype` means on this machine."""
    return fastest_dtype() if dtype == "fastest" else dtype
