"""Where heavy libraries are not needed, they are not imported: environments without them suffice."""

import ast
import subprocess
import sys
from collections.abc import Iterator

import pytest
from tests.workflow.conftest import REPOSITORY

from social_dilemmas.report.catalogue import FIGURES, TABLES

SCRIPTS = REPOSITORY / "workflow" / "scripts"
HEAVY = ("torch", "transformers", "peft")
MODULES = [module for table in TABLES.values() for module in table.modules]
MODULES += [module for figure in FIGURES.values() for module in figure.modules]


def imports(text: str) -> Iterator[str]:
    """The import statements of a source text."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield ast.unparse(node)


def run_without(libraries: tuple[str, ...], statements: list[str]) -> str:
    """What goes wrong if statements run where these libraries are missing."""
    missing = [f"sys.modules[{name!r}] = None" for name in libraries]
    code = "\n".join(["import sys", f"sys.path.insert(0, {str(SCRIPTS)!r})", *missing, *statements])
    return subprocess.run([sys.executable, "-c", code], text=True, capture_output=True).stderr


def test_the_launcher_needs_no_scientific_library() -> None:
    rules = (REPOSITORY / "workflow/rules/common.smk").read_text()
    head = rules[: rules.index("\ndef ")].replace("workflow.basedir", "''")
    statements = list(imports(head))
    assert any("social_dilemmas" in statement for statement in statements)
    assert run_without((*HEAVY, "numpy", "pandas", "scipy", "matplotlib"), statements) == ""


@pytest.mark.parametrize("script", ["make_table.py", "print_table.py", "draw_figure.py"])
def test_tables_and_figures_need_no_torch(script: str) -> None:
    statements = list(imports((SCRIPTS / script).read_text()))
    for module in dict.fromkeys(MODULES):
        name = module.removesuffix(".py").replace("/", ".")
        statements.append(f"import social_dilemmas.{name}")
    assert run_without(HEAVY, statements) == ""
