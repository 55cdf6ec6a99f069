"""GPUs for jobs that run at the same time."""

import os
import threading
from pathlib import Path

import pytest

from social_dilemmas.run import gpus
from social_dilemmas.run.gpus import VISIBLE, listed, reserved


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with two GPUs, all of them free."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv(VISIBLE, "GPU-a,GPU-b")
    monkeypatch.setattr(gpus, "EVERY", 0.01)


def test_jobs_take_different_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    with reserved(1):
        assert os.environ[VISIBLE] == "GPU-a"
        monkeypatch.setenv(VISIBLE, "GPU-a,GPU-b")  # as another process sees it
        with reserved(1):
            assert os.environ[VISIBLE] == "GPU-b"
        assert os.environ[VISIBLE] == "GPU-a,GPU-b"
    with reserved(2):
        assert os.environ[VISIBLE] == "GPU-a,GPU-b"


def test_a_job_waits_for_all_that_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the meantime it takes none from others."""
    seen, begun = [], threading.Event()

    def wait() -> None:
        begun.set()
        with reserved(2):
            seen.append(os.environ[VISIBLE])

    with reserved(1):
        monkeypatch.setenv(VISIBLE, "GPU-a,GPU-b")
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
        assert os.environ[VISIBLE] == "GPU-a,GPU-b"


def test_gpus_are_listed_by_the_driver_s_own_tool(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(VISIBLE)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert listed() == []
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho GPU-1\necho GPU-2\n")
    tool.chmod(0o755)
    assert listed() == ["GPU-1", "GPU-2"]
    tool.write_text("#!/bin/sh\necho no driver\nexit 9\n")
    assert listed() == []
