"""The share of rounds that were forfeited by an invalid reply, in the course of training."""

import pandas as pd
from matplotlib.figure import Figure

from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.curves import draw_curves, summarise
from social_dilemmas.report.names import in_order


def table(curves: pd.DataFrame) -> pd.DataFrame:
    """What the figure shows.

    Args:
        curves: the table of `tables.learning_curves`.

    Returns:
        Columns as `curves.summarise` gives them.
    """
    return summarise(curves, "invalid_rate")


@style.in_style
def draw(table: pd.DataFrame) -> Figure:
    """One panel per game (and a row of panels per model)."""
    models, games = style.panel_keys(table)
    figure, axes = style.panels(
        len(models), len(games), style.WIDTH * max(len(games), 2) / 3, 1.8 * len(models) + 0.35
    )
    algorithms = in_order(table["algorithm"])
    for row, model in enumerate(models):
        for column, game in enumerate(games):
            axis = axes[row, column]
            part = table[(table["model"] == model) & (table["game"] == game)]
            draw_curves(axis, part, algorithms)
            top = max(1.1 * part["value"].max(), 0.1)
            axis.set_ylim(-0.01 * top, top)  # a line at 0 is seen whole
            style.title(axis, game, model, models)
        axes[row, 0].set_ylabel("Share of rounds")
    style.legend(figure, algorithms, lines=True)
    return figure
