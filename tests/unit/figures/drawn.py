"""Figures as they are drawn, and what stands in them."""

from importlib import import_module
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from social_dilemmas.report.catalogue import FIGURES
from social_dilemmas.report.figures import style

DRAWN = {
    name: entry
    for name, entry in FIGURES.items()
    if not name.startswith(("tournament", "all_", "first_"))
}
"""The tournament has a test of its own; figures of all seeds look like those of some."""


def module_of(name: str) -> Any:
    return import_module(f"social_dilemmas.report.figures.{FIGURES[name].module}")


def draw(name: str, table: pd.DataFrame) -> Figure:
    """A figure of the catalogue, from the table of what it shows."""
    figure: Figure = module_of(name).draw(table)
    return figure


def chosen(table: pd.DataFrame, **values: str) -> pd.DataFrame:
    """The rows with these values."""
    return table[(table[list(values)] == pd.Series(values)).all(axis="columns")]


def one_game(table: pd.DataFrame) -> pd.DataFrame:
    """The part of a table that takes least time to draw."""
    return table[table["game"] == "trust_and_split"].reset_index(drop=True)


def texts_of(figure: Figure) -> list[Text]:
    """All text that stands in a figure; labels of ticks beyond the ends of an axis don't."""
    figure.draw_without_rendering()
    beyond = set()
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        for tick in axis.get_major_ticks():
            if not low <= tick.get_loc() <= high:
                beyond |= {tick.label1, tick.label2}
    found = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    shown = [text for text in found if text.get_visible() and text.get_text().strip()]
    return [text for text in shown if text not in beyond]


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in texts_of(figure)]


def titles(figure: Figure) -> list[str]:
    """Titles of all visible panels."""
    found = [axis.get_title(loc="left") for axis in figure.axes if axis.get_visible()]
    return [title for title in found if title]


def thick(axis: Axes, agent: str, agents: tuple[str, ...] = ()) -> list[Line2D]:
    """An agent's lines that show means."""
    colour = style.colours(agents or [agent])[agent]
    return [line for line in axis.lines if line.get_color() == colour and not line.get_alpha()]
