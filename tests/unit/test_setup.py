"""Setting up .venv: done once, redone after breaking off, one sentence when it can't be done.

A small stand-in takes the interpreter's place, so that nothing is downloaded; the test of the dead
network uses the real one.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BASE_PYTHON = Path(sys.base_prefix) / "bin" / "python3"
TOOLS = [
    *(
        "cat",
        "cmp",
        "cp",
        "date",
        "dirname",
        "env",
        "grep",
        "head",
        "ls",
        "make",
        "mkdir",
        "rm",
        "sed",
    ),
    *("sh", "sleep", "touch", "tr"),
]

# Answers the probe with its own path, "makes" an environment by copying itself, notes each call of
# pip, and lets a test choose how pip ends.
STAND_IN = """#!/bin/sh
case "$*" in
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    "-m pip --version") ;;
    "-m pip install"*)
        echo "$*" >>pip_calls
        echo "$PIP_USER$PIP_TARGET$PYTHONPATH$PYTHONHOME$MPLBACKEND" >>foreign
        echo "$HOME" >home
        [ -z "$PIP_SAYS" ] || { echo "$PIP_SAYS"; exit 1; }
        [ -z "$PIP_HANGS" ] || { echo $$ >pip_process; exec sleep 30; } ;;
    "-V") echo "Python 3.11.0" ;;
    "-c "*_base_executable*) echo "path $0" ;;
    "-c "*urlopen*) exit ${TORCH_INDEX_IS_DOWN:-0} ;;
esac
"""


class Folder:
    """A copy of what the set-up consists of, with a search path of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.programs = path / "programs"
        for folder in (path / "tools", path / "config", self.programs):
            folder.mkdir(parents=True)
        (path / "workflow").mkdir()
        (path / "config" / "smoke.yaml").touch()
        needed = ["Makefile", "requirements.lock", "requirements-axelrod.txt", "tools/setup.sh"]
        needed += ["workflow/foreign_variables.txt"]
        for name in needed:
            shutil.copy(ROOT / name, path / name)
        for tool in TOOLS:
            if found := shutil.which(tool):
                (self.programs / tool).symlink_to(found)
        self.add_program("uname", "#!/bin/sh\n[ $1 = -s ] && echo Linux || echo Linux x86_64\n")

    def add_program(self, name: str, text: str) -> None:
        program = self.programs / name
        program.write_text(text)
        program.chmod(0o755)

    def environment(self, **more: str) -> dict[str, str]:
        return {"PATH": str(self.programs), "HOME": str(self.path), **more}

    def make(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", *arguments],
            cwd=self.path,
            env=self.environment(**environment),
            capture_output=True,
            text=True,
            timeout=60,
        )

    def set_up(self, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.make(".venv/.ready", **environment)

    def is_ready(self) -> bool:
        return (self.path / ".venv" / ".ready").exists()

    def pip_calls(self) -> list[str]:
        calls = self.path / "pip_calls"
        return calls.read_text().splitlines() if calls.exists() else []


def complaint(result: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a failed set-up; there must be nothing but that sentence."""
    assert result.returncode != 0, result.stdout
    lines = [line for line in result.stderr.splitlines() if line and not line.startswith("make")]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("Set-up stopped: ")
    return lines[0]


def start_hanging(folder: Folder) -> tuple[subprocess.Popen[bytes], int]:
    """Start a set-up whose pip never ends; return it and pip's process id."""
    process = subprocess.Popen(
        ["sh", "tools/setup.sh"],
        cwd=folder.path,
        env=folder.environment(PIP_HANGS="1"),
        stdout=subprocess.DEVNULL,
    )
    pip_process = folder.path / "pip_process"
    deadline = time.monotonic() + 20
    while not (pip_process.exists() and pip_process.read_text()):
        assert time.monotonic() < deadline, "pip was never called"
        time.sleep(0.05)
    return process, int(pip_process.read_text())


def equip(folder: Folder) -> Folder:
    """Make the stand-in the folder's python3."""
    folder.add_program("python3", STAND_IN)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "a-folder")


@pytest.fixture
def equipped(folder: Folder) -> Folder:
    return equip(folder)


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


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["results"], ".venv/bin/snakemake --cores all"),
        (
            ["results", "SCALE=smoke"],
            ".venv/bin/snakemake --cores all --configfile config/smoke.yaml",
        ),
        (
            ["play", "GAME=split", "AGAINST=naive/seed-0"],
            "PYTHONPATH=workflow/scripts .venv/bin/python tools/play.py --scale 'laptop' \\",
        ),
        (["play", "GAME=split", "AGAINST=greedy"], "\t--game 'split' --against 'greedy'"),
        (["serve", "GAME=split", "MODEL=mine"], "\t--game 'split' --model 'mine' "),
        (["everything"], ".venv/bin/snakemake --cores all -- everything"),
        (
            ["report"],
            "for kind in zip html; do .venv/bin/snakemake --cores all "
            "--report results/laptop/report.$kind \\",
        ),
    ],
)
def test_commands(equipped: Folder, arguments: list[str], command: str) -> None:
    equipped.set_up()
    lines = equipped.make("--dry-run", *arguments).stdout.splitlines()
    assert command in [line.split(" || {")[0] for line in lines]


@pytest.mark.parametrize("target", ["results", "everything"])
def test_a_run_that_was_killed_is_told_from_one_that_failed(equipped: Folder, target: str) -> None:
    equipped.set_up()
    snakemake = equipped.path / ".venv" / "bin" / "snakemake"
    snakemake.write_text('#!/bin/sh\necho "$*" >>calls\nexit 7\n')
    snakemake.chmod(0o755)
    assert "unlock" not in equipped.make(target).stderr
    lock = equipped.path / ".snakemake" / "locks" / "0.output.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    locked = equipped.make(target)
    assert locked.returncode != 0
    assert "if none is at work, call: make unlock\n" in locked.stderr
    equipped.make("unlock")
    assert (equipped.path / "calls").read_text().splitlines()[-1] == "--cores all --unlock"


def test_unknown_scale(equipped: Folder) -> None:
    result = equipped.make("results", "SCALE=smok")
    assert result.returncode != 0
    assert "SCALE=smok is unknown; choose one of: laptop smoke" in result.stderr
