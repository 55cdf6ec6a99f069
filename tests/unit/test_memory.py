"""Memory that jobs may use together: the machine's, or less in a control group; and handing back what is free."""

import platform
from pathlib import Path

import psutil
import pytest

from social_dilemmas.run.memory import hand_back_memory, memory_mb

MACHINE = psutil.virtual_memory().total // 10**6


@pytest.mark.parametrize(
    ("group", "limits", "expected"),
    [
        ("0::/", {}, MACHINE),
        ("0::/", {"memory.max": "max"}, MACHINE),
        ("0::/", {"memory.max": "50000000"}, 50),
        ("0::/user/job", {"user/memory.max": "40000000", "user/job/memory.max": "max"}, 40),
        ("0::/of/the/host", {"memory.max": "30000000"}, 30),
        ("4:cpu,memory:/job", {"memory/job/memory.limit_in_bytes": "20000000"}, 20),
        ("4:cpu,memory:/job", {"memory/memory.limit_in_bytes": str(2**63)}, MACHINE),
        ("4:cpu:/job", {"memory/memory.limit_in_bytes": "20000000"}, MACHINE),
    ],
)
def test_the_smallest_limit_counts(
    tmp_path: Path, group: str, limits: dict[str, str], expected: int
) -> None:
    (tmp_path / "cgroup").write_text(group + "\n")
    for name, limit in limits.items():
        file = tmp_path / "mount" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(limit + "\n")
    assert memory_mb(tmp_path / "cgroup", tmp_path / "mount") == expected


def test_where_there_are_no_control_groups(tmp_path: Path) -> None:
    assert memory_mb(tmp_path / "none", tmp_path) == MACHINE


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="others do it by themselves")
def test_what_was_freed_goes_back_to_the_system() -> None:
    process = psutil.Process()
    blocks = [bytes(4000) for _ in range(50_000)]  # 200 MB
    last = blocks[-1]  # lies above them all
    blocks.clear()
    freed = process.memory_info().rss
    hand_back_memory(above=0)
    assert freed - process.memory_info().rss > 150e6
    assert last == bytes(4000)
