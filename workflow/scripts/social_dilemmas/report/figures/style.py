"""One look for all figures: colours, type, and files that are the same bytes when drawn again.

Colours are those of Okabe and Ito (Color universal design, 2008), which people with any kind of colour vision can tell
apart; markers differ as well. An algorithm has the same colour everywhere.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from matplotlib import rc_context, rcParamsDefault
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from social_dilemmas.report.names import in_order, readable

WIDTH = 7.2  # inches: a page with two columns
GREY, BAND = "#666666", "#f5f5f5"
DASHES = (0, (4, 2))
COLOURS = {
    "warm_start": "#CC79A7",
    "naive": "#D55E00",
    "sum_of_rewards": "#009E73",
    "advantage_alignment": "#0072B2",
    "cloned_reciprocator": "#999999",
    "cloned_tit_for_tat": "#666666",
}
MARKERS = {"warm_start": "D", "naive": "s", "sum_of_rewards": "^", "advantage_alignment": "o"}
MARKERS |= dict.fromkeys(("cloned_reciprocator", "cloned_tit_for_tat"), "p")
OTHER_COLOURS = ("#E69F00", "#56B4E9", "#000000", "#F0E442")
OTHER_MARKERS = ("v", "P", "X", "<", "*")  # one more than colours, so that pairs differ

TICKS = {
    "labelsize": 7,
    "color": GREY,
    "labelcolor": "black",
    "major.width": 0.6,
    "major.size": 2.5,
}
LOOK: Any = {
    **rcParamsDefault,  # not what the user's own matplotlibrc says
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
    **{f"{axis}tick.{name}": value for axis in "xy" for name, value in TICKS.items()},
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

in_style = rc_context(LOOK)
"""Makes a function draw in this look, and leaves other code's settings alone."""


def add_note(figure: Figure, words: str) -> None:
    """Words above a figure, below those that it has there; none if there are none."""
    if words:
        above = "\n".join(filter(None, (figure.get_suptitle(), words)))
        figure.suptitle(above, x=0.01, horizontalalignment="left", fontsize=8)


@in_style
def save(figure: Figure, outputs: Sequence[Path]) -> None:
    """Write a figure to all files (.pdf, .svg, .png); without dates, so that it gives the same bytes again."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # keep this layout for every format
    for output in outputs:
        figure.savefig(output, metadata=NO_DATES[output.suffix])


def _assign(agents: Iterable[str], own: Mapping[str, str], others: Sequence[str]) -> dict[str, str]:
    names = (name for name in in_order(agents) if name not in own)
    return {**own, **dict(zip(names, cycle(others), strict=False))}


def colours(agents: Iterable[str]) -> dict[str, str]:
    """The colour of every agent."""
    return _assign(agents, COLOURS, OTHER_COLOURS)


def markers(agents: Iterable[str]) -> dict[str, str]:
    """The marker of every agent."""
    return _assign(agents, MARKERS, OTHER_MARKERS)


def legend(
    figure: Figure,
    agents: Sequence[str],
    *,
    lines: bool = False,
    doing: str = "",
    size: float = 4.5,
    others: Sequence[Artist] = (),
    columns: int | None = None,
) -> None:
    """A legend below all panels, in one row unless there are `columns`.

    It is one of agents (who are `doing` something), as lines or as points, and of `others`.
    """
    colour, marker = colours(agents), markers(agents)
    handles: list[Artist] = []
    for name in agents:
        look: Any = {"linestyle": "-"} if lines else {"linestyle": "", "marker": marker[name]}
        label = readable(name) + doing
        handles.append(Line2D([], [], color=colour[name], markersize=size, label=label, **look))
    handles += others
    if not handles:
        return
    columns = min(columns or len(handles), len(handles))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)
