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


def hand_back_memory() -> None:
    """Give the system what has been freed; without this, GNU's C library keeps it among what is in use."""
    if platform.libc_ver()[0] == "glibc":
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
