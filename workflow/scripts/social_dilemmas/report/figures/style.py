"""One look for all figures: colours, type, and files that are the same bytes when drawn again.

Colours are those of Okabe and Ito (Color universal design, 2008), which people with any kind of
colour vision can tell apart; markers differ as well. An algorithm has the same colour everywhere.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from social_dilemmas.report.names import game_title, in_order, readable

WIDTH = 7.2  # inches: a page with two columns
GREY, BAND = "#666666", "#f5f5f5"
DASHES = (0, (4, 2))
COLOURS = {
    "warm_start": "#CC79A7",
    "naive": "#D55E00",
    "sum_of_rewards": "#009E73",
    "advantage_alignment": "#0072B2",
}
MARKERS = {"warm_start": "D", "naive": "s", "sum_of_rewards": "^", "advantage_alignment": "o"}
OTHER_COLOURS = ("#E69F00", "#56B4E9", "#000000", "#F0E442")
OTHER_MARKERS = ("v", "P", "X", "<")

LOOK: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 7.5,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": "black",
    "ytick.labelcolor": "black",
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "figure.dpi": 100,
    "savefig.dpi": 220,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "social dilemmas",
}
NO_DATES: dict[str, dict[str, Any]] = {
    ".pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    ".svg": {"Date": None, "Creator": None},
    ".png": {"Software": None},
}

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def in_style(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Let a function draw in this look, and leave other code's settings alone."""

    @wraps(function)
    def styled(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with rc_context(LOOK):
            return function(*args, **kwargs)

    return styled


@in_style
def save(figure: Figure, outputs: Sequence[Path]) -> None:
    """Write a figure to all files, in the formats of their suffixes (.pdf, .svg, .png).

    No file holds a date or a random name, so the same figure gives the same bytes.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # the layout is made: the same one for every format
    for output in outputs:
        Path(output).parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(output, metadata=NO_DATES[Path(output).suffix])


def panels(rows: int, columns: int, width: float, height: float) -> tuple[Figure, Any]:
    """A figure of `width` x `height` inches and its axes, an array of shape (rows, columns)."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def panel_keys(table: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Models (rows of panels) and games (columns) of a table, in the order in which they stand."""
    return list(table["model"].unique()), list(table["game"].unique())


def title(axis: Axes, game: str, model: str, models: Sequence[str], x: float = 0) -> None:
    """Name a panel after its game, and after its model where there are several.

    The title begins at `x`, where 0 is the left and 1 the right end of the axis.
    """
    of_model = f"\n{model}" if len(models) > 1 else ""
    axis.set_title(game_title(game) + of_model, loc="left", x=x)


def _styles(agents: Iterable[str]) -> Mapping[str, tuple[str, str]]:
    others = [name for name in in_order(agents) if name not in COLOURS]
    styles = {name: (COLOURS[name], MARKERS[name]) for name in COLOURS}
    for place, name in enumerate(others):
        cycle = place % len(OTHER_COLOURS)
        styles[name] = (OTHER_COLOURS[cycle], OTHER_MARKERS[cycle])
    return styles


def colours(agents: Iterable[str]) -> dict[str, str]:
    """The colour of every agent."""
    return {name: colour for name, (colour, _) in _styles(agents).items()}


def markers(agents: Iterable[str]) -> dict[str, str]:
    """The marker of every agent."""
    return {name: marker for name, (_, marker) in _styles(agents).items()}


def legend(figure: Figure, agents: Sequence[str], *, lines: bool = False) -> None:
    """A legend of the agents below all panels, as lines or as points."""
    colour, marker = colours(agents), markers(agents)
    handles: list[Artist] = [
        Line2D(
            [],
            [],
            color=colour[name],
            marker="" if lines else marker[name],
            linestyle="-" if lines else "",
            markersize=4.5,
            label=readable(name),
        )
        for name in agents
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


def draw_points(
    axis: Axes,
    table: pd.DataFrame,
    places: Sequence[str],
    column: str,
    agents: Sequence[str],
    *,
    horizontal: bool,
) -> None:
    """Means as points with their intervals, side by side at each place.

    Args:
        axis: where to draw.
        table: columns agent, `column`, mean, low, high.
        places: values of `column`, in order along the axis.
        column: what the places are.
        agents: in order within a place.
        horizontal: values run along x and places down y; else the other way round.
    """
    colour, marker = colours(agents), markers(agents)
    position = {place: index for index, place in enumerate(places)}
    step = 0.6 / max(len(agents), 2)
    for index, agent in enumerate(agents):
        rows = table[(table["agent"] == agent) & table[column].isin(list(places))]
        at = rows[column].map(position).to_numpy(float) + step * (index - (len(agents) - 1) / 2)
        mean = rows["mean"].to_numpy(float)
        reach = np.stack([mean - rows["low"], rows["high"] - mean]).clip(0)
        look: dict[str, Any] = {
            "fmt": marker[agent],
            "color": colour[agent],
            "markersize": 4,
            "markeredgewidth": 0,
            "elinewidth": 1,
            "capsize": 0,
            "clip_on": False,
        }
        if horizontal:
            axis.errorbar(mean, at, xerr=reach, **look)
        else:
            axis.errorbar(at, mean, yerr=reach, **look)
    band = axis.axhspan if horizontal else axis.axvspan
    for index in range(1, len(places), 2):
        band(index - 0.5, index + 0.5, color=BAND, linewidth=0, zorder=0)
    if horizontal:
        axis.set_ylim(len(places) - 0.5, -0.5)
        axis.grid(axis="x")
    else:
        axis.set_xlim(-0.5, len(places) - 0.5)
        axis.grid(axis="y")


def draw_reference(axis: Axes, value: float, words: str, *, above: bool) -> None:
    """A dashed line across at a value, and its name at the left end, above or below the line."""
    axis.axhline(value, color=GREY, linewidth=0.8, linestyle=DASHES)
    axis.annotate(
        words,
        (0, value),
        xycoords=("axes fraction", "data"),
        xytext=(2, 2 if above else -2),
        textcoords="offset points",
        verticalalignment="bottom" if above else "top",
        color=GREY,
        fontsize=6.5,
        path_effects=[withStroke(linewidth=1.5, foreground="white", alpha=0.7)],
    )
