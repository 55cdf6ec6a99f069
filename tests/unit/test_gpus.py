"""GPUs for jobs that run at the same time."""

import os
import threading
from pathlib import Path

import pytest

from social_dilemmas.run import gpus
from social_dilemmas.run.gpus import SHARED, VISIBLE, listed, reserved


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with two GPUs, both of them free."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv(SHARED, "GPU-a,GPU-b")
    monkeypatch.delenv(VISIBLE, raising=False)
    monkeypatch.setattr(gpus, "EVERY", 0.01)


def test_jobs_take_different_gpus() -> None:
    with reserved(1):
        assert os.environ[VISIBLE] == "GPU-a"
        with reserved(1):  # another job, were it in another process
            assert os.environ[VISIBLE] == "GPU-b"
        assert os.environ[VISIBLE] == "GPU-a"
    with reserved(2):
        assert os.environ[VISIBLE] == "GPU-a,GPU-b"
    assert VISIBLE not in os.environ


def test_a_job_waits_for_all_that_it_needs() -> None:
    """In the meantime it takes none from others."""
    seen, begun = [], threading.Event()

    def wait() -> None:
        begun.set()
        with reserved(2):
            seen.append(os.environ[VISIBLE])

    with reserved(1):
        waiting = threading.Thread(target=wait)
        waiting.start()
        begun.wait()
        waiting.join(0.2)
        assert waiting.is_alive()
        assert not seen
    waiting.join(10)
    assert seen == ["GPU-a,GPU-b"]


@pytest.mark.parametrize("count", [0, 3])
def test_nothing_is_reserved_where_nothing_is_needed_or_there_are_too_few(count: int) -> None:
    with reserved(count):
        assert VISIBLE not in os.environ


def test_on_a_cluster_nothing_is_reserved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SHARED)
    monkeypatch.setenv(VISIBLE, "0")  # as every job there may see its own GPU
    with reserved(1), reserved(1):
        assert os.environ[VISIBLE] == "0"


def test_gpus_are_listed_by_the_driver_s_own_tool(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert listed() == []
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho GPU-1\necho GPU-2\n")
    tool.chmod(0o755)
    assert listed() == ["GPU-1", "GPU-2"]
    monkeypatch.setenv(VISIBLE, "GPU-2")
    assert listed() == ["GPU-2"]
    monkeypatch.delenv(VISIBLE)
    tool.write_text("#!/bin/sh\necho no driver\nexit 9\n")
    assert listed() == []
