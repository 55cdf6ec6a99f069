"""Every entry of the catalogue names things that exist."""

import inspect
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name

import pytest

from social_dilemmas.report import printed
from social_dilemmas.report.catalogue import FIGURES, TABLES
from social_dilemmas.report.pages.page import TEMPLATES

LIBRARY = Path(printed.__file__).parents[1]


@pytest.mark.parametrize("name", TABLES)
def test_tables(name: str) -> None:
    table = TABLES[name]
    wanted = {*table.inputs, *(["tables"] if table.tables else [])}
    assert (
        wanted
        == inspect.signature(resolve_name(f"social_dilemmas.{table.function}")).parameters.keys()
    )
    assert TABLES.keys() >= set(table.tables)
    assert table.text is None or resolve_name(f"social_dilemmas.{table.text}")
    assert callable(getattr(printed, table.printer))
    assert all((LIBRARY / file).is_file() for file in table.files)
    assert (TEMPLATES / f"table_{name}.rst").is_file()


@pytest.mark.parametrize("name", FIGURES)
def test_figures(name: str) -> None:
    figure = FIGURES[name]
    module = import_module(f"social_dilemmas.report.figures.{figure.module}")
    parameters = list(inspect.signature(module.table).parameters)
    assert TABLES.keys() >= set(figure.tables)
    assert set(figure.arguments) <= set(parameters[len(figure.tables) :])
    assert callable(module.draw)
    assert (TEMPLATES / f"fig_{name}.rst").is_file()
