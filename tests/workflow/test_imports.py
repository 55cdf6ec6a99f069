"""Rooms only know the rooms below them, and heavy libraries are imported only where they are needed."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter

from tests.workflow.conftest import REPOSITORY

from social_dilemmas.report.catalogue import FIGURES, TABLES

SCRIPTS = REPOSITORY / "workflow" / "scripts"
HEAVY = ("torch", "transformers", "peft")
DRAWING = (
    *("make_table.py", "print_table.py", "draw_figure.py"),
    *("describe_run.py", "list_transcripts.py", "show_transcript.py"),
)
MODULES = {
    *(module for table in TABLES.values() for module in table.modules),
    *(module for figure in FIGURES.values() for module in figure.modules),
}
ROOMS = (
    ("errors", "randomness"),
    ("games", "config.schema", "config.paths"),
    ("config.settings", "run"),
    ("agents",),
    ("policy", "config"),
    ("run.conversation", "run.workload", "run.resources", "backends"),
    ("method",),
    ("evaluation", "statistics"),
    ("report", "pettingzoo_view"),
)
"""The library from bottom to top; the longest name that fits is a module's room."""


def modules() -> dict[str, list[str]]:
    """All modules of the library, and the modules that each imports."""
    library = SCRIPTS / "social_dilemmas"
    names = {}
    for path in library.rglob("*.py"):
        *folders, last = path.relative_to(library).with_suffix("").parts
        if last != "__init__":
            names[".".join([*folders, last])] = path
        elif len(ast.parse(path.read_text()).body) > 1:  # more than a description
            names[".".join(folders)] = path
    found: dict[str, list[str]] = {}
    for name, path in names.items():
        said = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported = {alias.name.removeprefix("social_dilemmas.") for alias in node.names}
                assert not imported & set(names), "modules of the library are imported by from"
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("social_dil"):
                whole = str(node.module).removeprefix("social_dilemmas").strip(".")
                said.add(whole)
                said.update(f"{whole}.{alias.name}".strip(".") for alias in node.names)
        found[name] = sorted(said & set(names) - {name})
    return found


def level(module: str) -> int:
    """How high up a module's room is."""
    fits = [
        (len(room), place)
        for place, rooms in enumerate(ROOMS)
        for room in rooms
        if module == room or module.startswith(f"{room}.")
    ]
    return max(fits)[1]


def test_nothing_is_imported_from_above() -> None:
    upwards = [
        f"{name} -> {other}"
        for name, others in modules().items()
        for other in others
        if level(other) > level(name)
    ]
    assert upwards == []


def test_no_imports_in_circles() -> None:
    TopologicalSorter(modules()).prepare()  # raises CycleError


def imports(text: str) -> Iterator[str]:
    """The import statements of a source text."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield ast.unparse(node)


def run_without(libraries: tuple[str, ...], statements: list[str]) -> str:
    """What goes wrong if statements run where these libraries are missing."""
    head = f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {libraries!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
sys.path.insert(0, {str(SCRIPTS)!r})
"""
    code = "\n".join([head, *statements])
    return subprocess.run([sys.executable, "-c", code], text=True, capture_output=True).stderr


def test_the_launcher_needs_no_scientific_library() -> None:
    rules = (REPOSITORY / "workflow/rules/common.smk").read_text()
    head = rules[: rules.index("\ntry:")]
    statements = list(imports(head))
    assert any("social_dilemmas" in statement for statement in statements)
    assert run_without((*HEAVY, "numpy", "pandas", "scipy", "matplotlib"), statements) == ""


def test_tables_and_figures_need_no_torch() -> None:
    statements = [each for script in DRAWING for each in imports((SCRIPTS / script).read_text())]
    for module in sorted(MODULES):
        name = module.removesuffix(".py").replace("/", ".")
        statements.append(f"import social_dilemmas.{name}")
    assert run_without(HEAVY, statements) == ""
