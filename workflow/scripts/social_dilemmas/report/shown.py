"""Which of the catalogue's tables and figures a configuration asks for: those whose files it asks for.

The main job makes what belongs to no experiment, and to those in `main_experiments`.
"""

from collections.abc import Iterable
from pkgutil import resolve_name

from social_dilemmas.config import outputs
from social_dilemmas.config.schema.config import Config
from social_dilemmas.report.catalogue import FIGURES, FIRST, TABLES


def tables(config: Config) -> list[str]:
    """Tables of the main job."""
    return [name for name in _tables(config) if _in_main_job(config, [name])]


def further_tables(config: Config) -> list[str]:
    """Tables of the further experiments that aren't in the main job."""
    return [name for name in _tables(config) if not _in_main_job(config, [name])]


def figures(config: Config) -> list[str]:
    """Figures of the main job."""
    return [name for name in _figures(config) if _in_main_job(config, FIGURES[name].tables)]


def further_figures(config: Config) -> list[str]:
    """Figures of the further experiments that aren't in the main job."""
    return [name for name in _figures(config) if not _in_main_job(config, FIGURES[name].tables)]


def _tables(config: Config) -> list[str]:
    files = outputs.files(config)
    return [
        name
        for name, table in TABLES.items()
        if name != FIRST and all(files[kind] for kind in table.inputs.values())
    ]


def _figures(config: Config) -> list[str]:
    there = {*_tables(config)}
    return [
        name
        for name, figure in FIGURES.items()
        if there.issuperset(figure.tables)
        and (figure.needs is None or resolve_name(f"social_dilemmas.{figure.needs}")(config))
    ]


def _in_main_job(config: Config, names: Iterable[str]) -> bool:
    """Whether the main job makes all of these tables."""
    return {TABLES[name].experiment for name in names} <= {"", *config.main_experiments}
