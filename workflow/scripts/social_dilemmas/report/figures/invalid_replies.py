"""The share of rounds that were forfeited by an invalid reply, in the course of training."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.curves import draw_curves, summarise
from social_dilemmas.report.figures.panels import grid
from social_dilemmas.report.names import in_order


def table(curves: pd.DataFrame) -> pd.DataFrame:
    """Columns as from `curves.summarise`."""
    return summarise(curves, "invalid_rate")


@style.in_style
def draw(table: pd.DataFrame) -> Figure:
    """One panel per game (and a row of panels per model)."""
    algorithms = in_order(table["algorithm"])

    def panel(axis: Axes, game: str, rows: pd.DataFrame) -> None:
        draw_curves(axis, rows, algorithms)
        top = max(1.1 * rows["value"].max(), 0.1)
        axis.set_ylim(-0.01 * top, top)  # a line at 0 is fully visible

    figure = grid(table, panel, row=1.8, label="Share of rounds")
    style.legend(figure, algorithms, lines=True)
    return figure
