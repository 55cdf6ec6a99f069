"""The fingerprint of a script follows what its result can depend on, and nothing else."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.workflow.conftest import REPOSITORY

from social_dilemmas.agents.agent import Agent, Kind
from social_dilemmas.agents.modules import modules_of

SCRIPTS = REPOSITORY / "workflow/scripts"
FILES = {
    "script.py": "from social_dilemmas.a.b import thing\n",
    "social_dilemmas/__init__.py": "",
    "social_dilemmas/a/__init__.py": "",
    "social_dilemmas/a/b.py": "def thing():\n    from social_dilemmas import c\n",
    "social_dilemmas/c.py": "import json\nimport social_dilemmas.e.f\nfrom social_dilemmas.config import k\n",
    "social_dilemmas/config/__init__.py": "",
    "social_dilemmas/config/k.py": "",
    "social_dilemmas/d.py": "",
    "social_dilemmas/e/__init__.py": "",
    "social_dilemmas/e/f.py": "",
    "social_dilemmas/e/g.py": "",
    "social_dilemmas/names.csv": "a\n",
    "social_dilemmas/run/__init__.py": "",
}
SYNTAX = '''
from __future__ import annotations
import functools
X: dict[str, int] = {**{"a": 1}, "b": -2.5e-3}
@functools.cache
def f(a, /, b=1, *args: int, c: str = "é\\n", **kwargs) -> None:
    global X
    with open(a) as g, open(b) as h:
        [y async for y in g] if False else None
    try:
        assert (z := a) is not None, f"{a!r:>{b}} and {X['a']:.2f} {{}} {a=}"
    except* (ValueError, OSError) as error:
        raise KeyError(b"bytes", 1j, ...) from error
    finally:
        del z
    match a:
        case {"k": [1, *rest], **more} | None if rest: yield lambda x, *y: x @ y
        case Point(x=0, y=1.0): return
    for i, *j in a: continue
    else: pass
    while not a < b <= c: break
class C(dict, metaclass=type):
    """Words."""
    x: int
'''


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A script that imports a.b, which imports c, which imports e.f and a module of config; d stands apart."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    shutil.copy2(
        SCRIPTS / "social_dilemmas/run/fingerprint.py",
        tmp_path / "social_dilemmas/run/fingerprint.py",
    )
    return tmp_path


def fingerprint(library: Path, *by_name: str, python: str = sys.executable) -> str:
    """The fingerprint of script.py, in a process of its own."""
    code = (
        "import sys; from social_dilemmas.run.fingerprint import fingerprint;"
        "print(fingerprint('script.py', *sys.argv[1:]))"
    )
    command = [python, "-c", code, *by_name]
    environment = {"PYTHONPATH": str(library), "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(command, env=environment, text=True, capture_output=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def changed(library: Path, name: str, text: str, *by_name: str) -> bool:
    """Whether a text at the end of a file changes the fingerprint."""
    before = fingerprint(library, *by_name)
    (library / name).write_text((library / name).read_text() + text)
    return fingerprint(library, *by_name) != before


@pytest.mark.parametrize(
    "name", ["script", *(f"social_dilemmas/{n}" for n in ("a/__init__", "a/b", "c", "e/f"))]
)
def test_what_is_imported_counts(library: Path, name: str) -> None:
    assert changed(library, f"{name}.py", "\nx = 1\n")


@pytest.mark.parametrize("name", ["d", "e/g", "config/k"])
def test_what_has_no_influence_does_not_count(library: Path, name: str) -> None:
    assert not changed(library, f"social_dilemmas/{name}.py", "\nx = 1\n")


@pytest.mark.parametrize("name", ["d.py", "names.csv"])
def test_what_is_found_by_name_counts(library: Path, name: str) -> None:
    assert fingerprint(library, name) != fingerprint(library)
    assert changed(library, f"social_dilemmas/{name}", "\nx = 1\n", name)


def test_comments_docstrings_and_layout_do_not_count(library: Path) -> None:
    path = library / "social_dilemmas" / "c.py"
    before = fingerprint(library)
    path.write_text(f'"""Words."""\n\n{path.read_text()}\n\n# words\n')
    assert fingerprint(library) == before
    path.write_text(f'{path.read_text()}\nBOUND = 1\n"""Words."""\n')
    documented = fingerprint(library)
    path.write_text(path.read_text().replace("Words", "Others"))
    assert fingerprint(library) == documented != before


def test_what_a_job_finds_by_name() -> None:
    """Its game with the players of it, what its agents are, and the server that samples."""
    alone = modules_of(["split"], [Agent("naive"), Agent("greedy", Kind.SCRIPTED)])
    assert alone == ["agents/scripted/player.py", "agents/scripted/split.py", "games/split.py"]
    more = modules_of(["split"], [Agent("Tit For Tat", Kind.AXELROD)], "vllm")
    assert set(more) - set(alone) == {
        *("agents/axelrod/player.py", "agents/axelrod/strategies.txt"),
        *(f"backends/vllm/{name}.py" for name in ("agents", "masks", "sampler")),
    }
    assert all((SCRIPTS / "social_dilemmas" / path).is_file() for path in more)


def test_a_missing_file_is_an_error(library: Path) -> None:
    with pytest.raises(AssertionError, match="FileNotFoundError"):
        fingerprint(library, "games/nothing.py")


def test_all_versions_of_python_agree(library: Path) -> None:
    """Those that are installed here; one is always there."""
    (library / "script.py").write_text(SYNTAX)
    assert len({fingerprint(library, python=path) for path in pythons()}) == 1
    shutil.rmtree(library / "social_dilemmas")
    shutil.copytree(SCRIPTS / "social_dilemmas", library / "social_dilemmas")
    shutil.copy2(SCRIPTS / "train.py", library / "script.py")
    assert len({fingerprint(library, python=path) for path in pythons()}) == 1


def pythons() -> list[str]:
    """Interpreters of the supported versions that are installed here, those of pyenv too."""
    names = [shutil.which(f"python3.{minor}") for minor in range(11, 16)]
    pyenv = Path.home() / ".pyenv" / "versions"
    candidates = [*filter(None, names), *map(str, sorted(pyenv.glob("3.1[1-9].*/bin/python")))]
    works = "import sys; sys.exit(sys.version_info < (3, 11))"
    return [sys.executable] + [
        path
        for path in candidates
        if subprocess.run([path, "-c", works], capture_output=True, check=False).returncode == 0
    ]
