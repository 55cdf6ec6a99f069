"""Filling in the templates in `workflow/report`."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from social_dilemmas.report.names import game_title, readable

TEMPLATES = Path(__file__).resolve().parents[4] / "report"


def write_page(template: str, output: Path, **values: Any) -> None:
    """Write a page from a template, see `filled`."""
    output.write_text(filled(template, **values), encoding="utf-8")


def filled(template: str, **values: Any) -> str:
    """A page from a template in `workflow/report`, of HTML or of Markdown (`.md.jinja`).

    Markup in the values of a HTML template is escaped and shows as text.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(disabled_extensions=("md.jinja",), default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"game_title": game_title, "readable": readable}
    page = environment.get_template(template).render(**values)
    return page.rstrip() + "\n"
