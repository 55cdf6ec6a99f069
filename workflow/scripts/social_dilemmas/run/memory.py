"""How much memory this machine, or the part of it that is ours, has; handing back what isn't in use."""

import ctypes
import platform
from collections.abc import Iterator
from pathlib import Path

import psutil


def memory_mb(
    groups: Path = Path("/proc/self/cgroup"), mount: Path = Path("/sys/fs/cgroup")
) -> int:
    """The machine's memory in MB (10^6 bytes), or less where a control group, such as a container's, limits it."""
    return min([psutil.virtual_memory().total, *_limits(groups, mount)]) // 10**6


def hand_back_memory(above: float = 1e9) -> None:
    """Give the system what has been freed, if the process has more than so many bytes: it takes a while to get it back.

    GNU's C library keeps it otherwise, in gaps into which new tensors don't fit.
    """
    if platform.libc_ver()[0] == "glibc" and psutil.Process().memory_info().rss > above:
        ctypes.CDLL(None).malloc_trim(0)


def _limits(groups: Path, mount: Path) -> Iterator[int]:
    """The limits of the process's control group and of those around it, in bytes; of Linux's version 2, then 1."""
    lines = groups.read_text().splitlines() if groups.exists() else []
    for _, controllers, path in (line.split(":", 2) for line in lines):
        if not controllers:
            root, name = mount, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = mount / "memory", "memory.limit_in_bytes"
        else:
            continue
        own = root / path.lstrip("/")
        for folder in (own, *own.parents):
            file = folder / name
            if (
                folder.is_relative_to(root)
                and file.is_file()
                and (text := file.read_text().strip()) != "max"
            ):
                yield int(text)
