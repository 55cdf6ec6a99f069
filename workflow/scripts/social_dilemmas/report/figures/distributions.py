"""Welfare of single matches in self-play, where a mean can hide that some end well and others in a feud."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.panels import grid
from social_dilemmas.report.names import in_order, readable

PITCH = 0.12  # inches from one seed to the next
GAP = 0.8  # seeds that would have room between two algorithms
MEAN: dict[str, Any] = {"color": "black", "linewidth": 1.0, "solid_capstyle": "butt"}


def table(distributions: pd.DataFrame) -> pd.DataFrame:
    """All matches."""
    return distributions


@style.in_style
def draw(table: pd.DataFrame) -> Figure:
    """One panel per game (and a row of panels per model); a line of points for each seed, by its algorithm's name."""
    agents, seeds = in_order(table["agent"]), sorted(table["seed"].unique())
    colours = style.colours(agents)
    block = len(seeds) + GAP  # from one algorithm to the next, in lines
    middles = [number * block + (len(seeds) - 1) / 2 for number in range(len(agents))]

    def panel(axis: Axes, game: str, rows: pd.DataFrame) -> None:
        for (agent, seed), matches in rows.groupby(["agent", "seed"]):
            line = agents.index(str(agent)) * block + seeds.index(seed)
            height = line + np.linspace(-0.35, 0.35, len(matches))  # tells equal values apart
            axis.plot([matches["value"].mean()] * 2, [line - 0.5, line + 0.5], **MEAN)
            look: Any = {"color": colours[str(agent)], "s": 7, "alpha": 0.4, "linewidths": 0}
            axis.scatter(matches["value"], height, clip_on=False, zorder=3, **look)
        for reference in (0, 1):
            axis.axvline(reference, color=style.GREY, linewidth=0.8, linestyle=style.DASHES)
        axis.set_yticks(middles, map(readable, agents if game == first else [""] * len(agents)))
        axis.tick_params(axis="y", length=0)
        axis.set_ylim(len(agents) * block - GAP, -0.9)
        axis.set_xlabel("Normalised welfare of a match")

    first, games = table["game"].iloc[0], table["game"].nunique()
    width = style.WIDTH * max(games, 2) / 3 + 0.8
    figure = grid(table, panel, row=PITCH * block * len(agents) + 0.7, below=0.3, width=width)
    style.legend(figure, [], others=[Line2D([], [], label="mean of a seed", **MEAN)])
    return figure
