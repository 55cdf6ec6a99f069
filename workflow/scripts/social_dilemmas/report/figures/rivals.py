"""Other ways to cooperation: what agents reach with copies of themselves, and what they get in the worst case."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from social_dilemmas.agents.agent import ITSELF, WORST_CASE
from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.panels import grid, limits, runs_of
from social_dilemmas.report.names import in_order
from social_dilemmas.statistics.quantities import NORMALISED_PAYOFF, NORMALISED_WELFARE

SIDES = {ITSELF: NORMALISED_WELFARE, WORST_CASE: NORMALISED_PAYOFF}
"""What is shown across and up."""

COLUMN = 1.65  # inches, of the legend


def table(rivals: pd.DataFrame) -> pd.DataFrame:
    """Welfare in self-play, and the payoff in the worst case."""
    shown = rivals["quantity"] == rivals["opponent"].map(SIDES)
    return rivals[shown].reset_index(drop=True)


@style.in_style
def draw(table: pd.DataFrame) -> Figure:
    """One panel per game (and a row of panels per model): welfare across, the worst case up."""
    agents = in_order(table["agent"])
    colours, markers = style.colours(agents), style.markers(agents)
    dashed: Any = {"color": style.GREY, "linewidth": 0.6, "linestyle": style.DASHES, "zorder": 0}

    def panel(axis: Axes, game: str, rows: pd.DataFrame) -> None:
        for agent in in_order(rows["agent"]):
            own = rows[rows["agent"] == agent].set_index("opponent").loc[list(SIDES)]
            look: Any = {"color": colours[agent], "marker": markers[agent], "linestyle": ""}
            axis.plot(*runs_of(own), markersize=2.5, alpha=0.5, markeredgewidth=0, **look)
            look |= {"markeredgecolor": "white", "markeredgewidth": 0.5, "elinewidth": 0.8}
            across, up = own["mean"]
            reach_across, reach_up = own["high"] - own["mean"]
            axis.errorbar(across, up, reach_up, reach_across, markersize=5.5, **look)
        for value in (0, 1):
            axis.axvline(value, **dashed)
        axis.axhline(0, **dashed)
        axis.set_xlabel("Welfare with itself")
        axis.set_xlim(limits(rows[rows["opponent"] == ITSELF]))
        axis.set_ylim(limits(rows[rows["opponent"] == WORST_CASE]))

    width = style.WIDTH * max(table["game"].nunique(), 2) / 3 + 1.2
    figure = grid(table, panel, row=2.4, below=0.5, width=width, label="Payoff in the worst case")
    style.legend(figure, agents, columns=int(width / COLUMN))
    return figure
