"""A folder in which make sets up .venv.

A small stand-in takes the interpreter's place, so that nothing is downloaded; the test of the dead
network uses the real one.
"""

import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[3]

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
