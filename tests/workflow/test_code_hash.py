"""The fingerprint of a script follows what it imports, and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from social_dilemmas.run import code_hash as module
from social_dilemmas.run.code_hash import code_hash


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A script that imports a.b, which imports c; d stands apart."""
    files = {
        "script.py": "from social_dilemmas.a.b import thing\n",
        "social_dilemmas/__init__.py": "",
        "social_dilemmas/a/__init__.py": "",
        "social_dilemmas/a/b.py": "def thing():\n    from social_dilemmas import c\n",
        "social_dilemmas/c.py": "import json\nimport social_dilemmas.e.f\n",
        "social_dilemmas/d.py": "",
        "social_dilemmas/e/__init__.py": "",
        "social_dilemmas/e/f.py": "",
        "social_dilemmas/e/g.py": "",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(module, "SCRIPTS", tmp_path)
    yield tmp_path
    forget()


def forget() -> None:
    """As in a new process."""
    for function in (code_hash, module._imported, module._instructions):
        function.cache_clear()


def changed(library: Path, name: str, text: str) -> bool:
    forget()
    before = code_hash("script.py")
    (library / name).write_text((library / name).read_text() + text)
    forget()
    return code_hash("script.py") != before


@pytest.mark.parametrize(
    "name",
    ["script.py"]
    + [f"social_dilemmas/{name}.py" for name in ("__init__", "a/__init__", "a/b", "c", "e/f")],
)
def test_what_is_imported_counts(library: Path, name: str) -> None:
    assert changed(library, name, "\nx = 1\n")


@pytest.mark.parametrize("name", ["d", "e/g"])
def test_what_is_not_imported_does_not_count(library: Path, name: str) -> None:
    assert not changed(library, f"social_dilemmas/{name}.py", "\nx = 1\n")


def test_what_is_found_by_name_counts(library: Path) -> None:
    assert code_hash("script.py", "d.py") != code_hash("script.py")


def test_comments_docstrings_and_layout_do_not_count(library: Path) -> None:
    path = library / "social_dilemmas" / "c.py"
    path.write_text('"""Words."""\nimport json\nimport social_dilemmas.e.f\n\n\n# words\n')
    forget()
    with_words = code_hash("script.py")
    path.write_text("import json\nimport social_dilemmas.e.f\n")
    forget()
    assert code_hash("script.py") == with_words


def test_a_missing_file_is_an_error(library: Path) -> None:
    with pytest.raises(FileNotFoundError):
        code_hash("script.py", "games/nothing.py")
