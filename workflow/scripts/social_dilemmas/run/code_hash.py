"""A fingerprint of a script and of all code of this project that it runs.

Snakemake doesn't see edits of imported modules, and takes a script that was checked out again for
an edited one. So every rule carries this fingerprint as a parameter: an edit of code reruns exactly
the jobs that run that code. Comments, docstrings and layout don't count.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2]
LIBRARY = "social_dilemmas"


@cache
def code_hash(script: str, *by_name: str) -> str:
    """The fingerprint of a script.

    Imports of the library are followed, wherever they stand in a file.

    Args:
        script: file name in `workflow/scripts`.
        by_name: modules that the script only finds by their name at run time, such as a game's;
            paths below the library.

    Raises:
        FileNotFoundError: the script or one of the modules doesn't exist.
    """
    reached: set[Path] = set()
    waiting = [SCRIPTS / script, *(SCRIPTS / LIBRARY / path for path in by_name)]
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting.extend(_imported(path))
    digest = hashlib.sha256()
    for path in sorted(reached):
        digest.update(f"{path.relative_to(SCRIPTS)}\n{_instructions(path)}\n".encode())
    return digest.hexdigest()[:16]


@cache
def _imported(path: Path) -> frozenset[Path]:
    """Files of the library that a file imports, the packages on the way included."""
    return frozenset(file for module in _module_names(path) for file in _files(module))


def _module_names(path: Path) -> Iterator[str]:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _files(module: str) -> Iterator[Path]:
    """Every file that runs on import of a dotted name; its last part may be a name in a module."""
    parts = module.split(".")
    if parts[0] == LIBRARY:
        for length in range(1, len(parts) + 1):
            place = SCRIPTS.joinpath(*parts[:length])
            candidates = (place / "__init__.py", place.with_suffix(".py"))
            yield from (candidate for candidate in candidates if candidate.is_file())


@cache
def _instructions(path: Path) -> str:
    """The code of a file without comments, docstrings and layout."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    tree = _tree(path)
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
