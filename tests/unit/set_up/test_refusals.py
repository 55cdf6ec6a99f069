"""Where .venv can't be set up, one sentence says why."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.set_up.equipment import BASE_PYTHON, STAND_IN, Folder, complaint, equip


@pytest.mark.parametrize("name", ["a folder", "a$folder", "it's", "a;b", "(1)"])
def test_paths_that_shells_take_apart(tmp_path: Path, name: str) -> None:
    folder = equip(Folder(tmp_path / name))
    result = subprocess.run(
        ["sh", "tools/setup.sh"],
        cwd=folder.path,
        env=folder.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"/{name}, has a space or another character" in complaint(result)
    assert not folder.pip_calls()
    assert not (folder.path / ".venv").exists()


def test_letters_of_other_languages_are_part_of_paths(tmp_path: Path) -> None:
    assert equip(Folder(tmp_path / "Übung-1.2_ä+b")).set_up().returncode == 0


def test_no_python(folder: Folder) -> None:
    assert "python3 is not installed" in complaint(folder.set_up())
    assert not (folder.path / ".venv").exists()


def test_named_python_does_not_exist(equipped: Folder) -> None:
    assert "PYTHON=no-such-python" in complaint(equipped.set_up(PYTHON="no-such-python"))


@pytest.mark.parametrize(
    ("pretend", "message"),
    [
        ("sys.version_info = (3, 9, 1)", r"python3 is Python 3\.9, .*3\.11 to 3\.13"),
        ("sys.version_info = (3, 14, 0)", r"python3 is Python 3\.14, .*3\.11 to 3\.13"),
        (
            'sys.modules["ensurepip"] = None',
            rf"no venv module.*apt install python3\.{sys.version_info[1]}-venv",
        ),
    ],
)
def test_unsuitable_python(folder: Folder, pretend: str, message: str) -> None:
    code = f"import sys; code = sys.argv[-1]; {pretend}; exec(code)"
    folder.add_program("python3", f"#!/bin/sh\nexec '{BASE_PYTHON}' -c '{code}' \"$2\"\n")
    assert re.search(message, complaint(folder.set_up()))


def test_an_interpreter_that_fails_is_named_with_its_reason(folder: Folder) -> None:
    shim = "#!/bin/sh\necho >&2\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n"
    folder.add_program("python3.13", shim)
    for environment in ({"PYTHON": "python3.13"}, {}):
        message = complaint(folder.set_up(**environment))
        assert "python3.13 is there but can't be run: pyenv: python3.13: command not f" in message


def test_an_interpreter_that_warns_is_taken(equipped: Folder) -> None:
    equipped.add_program("python3", STAND_IN.replace("\n", "\necho a warning >&2\n", 1))
    assert equipped.set_up(PYTHON=str(equipped.programs / "python3")).returncode == 0


def test_a_platform_without_packages(equipped: Folder) -> None:
    equipped.add_program("uname", "#!/bin/sh\necho Darwin x86_64\n")
    assert "no packages for Darwin x86_64" in complaint(equipped.set_up())
    assert not (equipped.path / ".venv").exists()


@pytest.mark.parametrize(
    ("pip_says", "sentence"),
    [
        ("WARNING: Retrying after connection broken by 'NewConnectionError'", "not be reached"),
        ("ERROR: Could not install packages: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: No matching distribution found for torch==2.13.0", "has torch==2.13.0 for Python"),
        ("Collecting connection_pool\nERROR: something unheard of", "the reason is at the end"),
    ],
)
def test_pip_fails(equipped: Folder, pip_says: str, sentence: str) -> None:
    message = complaint(equipped.set_up(PIP_SAYS=pip_says))
    assert sentence in message
    assert ".venv/setup.log" in message
    assert pip_says in (equipped.path / ".venv" / "setup.log").read_text()
    assert not equipped.is_ready()
    assert equipped.set_up().returncode == 0


@pytest.mark.slow
def test_dead_network(folder: Folder) -> None:
    result = folder.set_up(
        PYTHON=str(BASE_PYTHON),
        PIP_CONFIG_FILE=os.devnull,
        PIP_INDEX_URL="http://127.0.0.1:9/simple",
        TORCH_INDEX="",
    )
    assert "index could not be reached" in complaint(result)
    assert not folder.is_ready()
