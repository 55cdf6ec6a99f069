"""A fingerprint of the code that a job's result can depend on.

Snakemake doesn't see edits of imported modules, and takes a script that was checked out again for an edited one. So
every rule carries this fingerprint as a parameter: an edit of code reruns exactly the jobs whose results it can change.
Comments, docstrings and layout don't count, nor which version of Python reads the code.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2]
LIBRARY = "social_dilemmas"
WITHOUT_INFLUENCE = ("config/", "run/job.py", "run/progress.py", "run/shortage.py")
"""Code that changes no result: settings count as parameters of a job, and what a job says is no result."""


@cache
def fingerprint(script: str, *by_name: str) -> str:
    """The fingerprint of a script in `workflow/scripts`, and of all that it imports of the library, wherever in a file.

    `by_name`: further files, as paths below the library: modules that the script only finds by their name at run time,
    such as a game's, and data. Raises FileNotFoundError where one of them doesn't exist.
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
        digest.update(f"{path.relative_to(SCRIPTS).as_posix()} {_content(path)}\n".encode())
    return digest.hexdigest()[:16]


@cache
def _imported(path: Path) -> frozenset[Path]:
    """Files of the library with an influence that a file imports, the packages on the way included."""
    if path.suffix != ".py":
        return frozenset()
    return frozenset(
        file
        for module in _module_names(_tree(path))
        for file in _files(module)
        if not file.relative_to(SCRIPTS / LIBRARY).as_posix().startswith(WITHOUT_INFLUENCE)
    )


def _module_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
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
def _content(path: Path) -> str:
    """What a file holds: of Python its instructions, of anything else all of it."""
    if path.suffix != ".py":
        return path.read_text(encoding="utf-8")
    tree = _tree(path)
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(tree):
        if isinstance(node, documented):  # also what is said of constants and fields
            node.body = [each for each in node.body if not _is_text(each)]
        if isinstance(node, ast.JoinedStr):  # Python 3.12 has empty texts in some of them
            node.values = [each for each in node.values if getattr(each, "value", None) != ""]
    return "".join(_written(tree))


def _is_text(statement: ast.stmt) -> bool:
    """Whether a statement is a text and nothing else."""
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Constant):
        return False
    return isinstance(statement.value.value, str)


def _written(value: object) -> Iterator[str]:
    """A syntax tree as text that is the same in every version of Python: what is empty isn't written."""
    if isinstance(value, ast.AST):
        yield f"({type(value).__name__}"
        for name, field in sorted(ast.iter_fields(value)):
            if field is not None and field != []:
                yield f" {name}="
                yield from _written(field)
        yield ")"
    elif isinstance(value, list):
        yield "["
        for item in value:
            yield from _written(item)
        yield "]"
    else:
        yield ascii(value)


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def combined(texts: Iterable[str]) -> str:
    """One fingerprint of several texts."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
