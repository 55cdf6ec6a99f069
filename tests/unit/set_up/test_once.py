"""Setting up .venv: done once, redone after breaking off, whatever surrounds it."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from tests.unit.set_up.equipment import Folder, complaint, equip, start_hanging


def test_second_call_does_nothing(equipped: Folder) -> None:
    first = equipped.set_up()
    assert first.returncode == 0, first.stderr
    assert equipped.is_ready()
    calls = equipped.pip_calls()
    assert len(calls) == 2
    assert calls[0].endswith(" torch==2.13.0")
    assert calls[1].endswith("--requirement requirements.lock")

    second = equipped.set_up()
    assert "up to date" in second.stdout
    assert equipped.pip_calls() == calls


def test_only_a_changed_lock_installs_again(equipped: Folder) -> None:
    equipped.set_up()
    lock = equipped.path / "requirements.lock"
    later = time.time() + 10
    os.utime(lock, (later, later))
    assert equipped.set_up().returncode == 0
    assert len(equipped.pip_calls()) == 2

    lock.write_text(lock.read_text() + "one-more==1.0\n")
    os.utime(lock, (later + 10, later + 10))
    assert equipped.set_up().returncode == 0
    assert len(equipped.pip_calls()) == 4
    assert (equipped.path / ".venv" / "requirements.lock").read_text() == lock.read_text()


def test_environment_of_another_folder_is_made_anew(equipped: Folder, tmp_path: Path) -> None:
    equipped.set_up()
    left_over = equipped.path / ".venv" / "left_over"
    left_over.touch()
    moved = equip(Folder(tmp_path / "moved"))
    shutil.copytree(equipped.path / ".venv", moved.path / ".venv")
    assert moved.set_up().returncode == 0
    assert len(moved.pip_calls()) == 2
    assert not (moved.path / ".venv" / "left_over").exists()


def test_killed_set_up_is_done_anew(equipped: Folder) -> None:
    process, pip = start_hanging(equipped)

    assert "another set-up" in complaint(equipped.set_up())
    process.kill()
    process.wait()
    os.kill(pip, signal.SIGKILL)
    assert not equipped.is_ready()
    half = equipped.path / ".venv" / "half_installed"
    half.touch()

    assert equipped.set_up().returncode == 0
    assert equipped.is_ready()
    assert not half.exists()


def test_interrupt_stops_pip_too(equipped: Folder) -> None:
    process, pip = start_hanging(equipped)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 130
    assert not equipped.is_ready()
    with pytest.raises(ProcessLookupError):
        os.kill(pip, 0)


def test_a_hostile_environment_changes_nothing(equipped: Folder) -> None:
    hostile = {"PIP_USER": "1", "PIP_TARGET": "/tmp", "PYTHONPATH": "/other/packages"}
    hostile |= {"PYTHONHOME": "/nowhere", "MPLBACKEND": "module://of_a_notebook"}
    done = equipped.set_up(**hostile, HOME="/dev/null/home", PIP_INDEX_URL="https://example.org")
    assert done.returncode == 0, done.stderr
    assert equipped.make(".venv/.axelrod", **hostile).returncode == 0
    assert (equipped.path / "foreign").read_text().split() == []
    assert all("--no-user" in call for call in equipped.pip_calls()[:2])


def test_a_home_that_can_t_be_written_to_is_replaced(equipped: Folder) -> None:
    assert equipped.set_up(HOME="/dev/null/home").returncode == 0
    assert (equipped.path / "home").read_text().strip() == f"{equipped.path}/.venv/home"
    assert equipped.make(".venv/.axelrod").returncode == 0
    assert (equipped.path / "home").read_text().strip() == str(equipped.path)


def test_the_axelrod_library_is_installed_once(equipped: Folder) -> None:
    assert equipped.make(".venv/.axelrod").returncode == 0
    assert len(equipped.pip_calls()) == 3
    last = equipped.pip_calls()[-1]
    assert "--no-deps" in last
    assert last.endswith("--requirement requirements-axelrod.txt")
    assert equipped.make(".venv/.axelrod").returncode == 0
    assert len(equipped.pip_calls()) == 3


def test_the_axelrod_library_can_t_be_had(equipped: Folder) -> None:
    equipped.set_up()
    said = "WARNING: Retrying after connection broken"
    message = complaint(equipped.make(".venv/.axelrod", PIP_SAYS=said))
    assert "the Axelrod library could not be installed; check the network" in message
    assert said in (equipped.path / ".venv" / "axelrod.log").read_text()
    assert equipped.make(".venv/.axelrod").returncode == 0


@pytest.mark.parametrize(
    ("gpu", "environment", "index"),
    [
        (False, {}, "https://download.pytorch.org/whl/cpu"),
        (False, {"TORCH_INDEX_IS_DOWN": "1"}, None),
        (False, {"TORCH_INDEX": ""}, None),
        (False, {"TORCH_INDEX": "https://example.org/torch"}, "https://example.org/torch"),
        (True, {}, None),
    ],
)
def test_index_for_torch(
    equipped: Folder, gpu: bool, environment: dict[str, str], index: str | None
) -> None:
    if gpu:
        equipped.add_program("nvidia-smi", "#!/bin/sh\n")
    assert equipped.set_up(**environment).returncode == 0
    torch, others = equipped.pip_calls()
    assert ("--extra-index-url" in torch) == (index is not None)
    assert index is None or f"--extra-index-url {index} " in torch
    assert "--extra-index-url" not in others
