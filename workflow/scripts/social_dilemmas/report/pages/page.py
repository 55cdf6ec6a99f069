"""Filling in the templates in `workflow/report`."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).resolve().parents[4] / "report"


def write_page(template: str, output: Path, **values: Any) -> None:
    """Write a page.

    Whatever text the values hold is shown as text: markup in it is escaped.

    Args:
        template: file name in `workflow/report`.
        output: HTML file.
        values: by their names in the template.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(template).render(**values)
    output.write_text(page + "\n", encoding="utf-8")
