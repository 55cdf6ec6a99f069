"""Payoffs in the course of training, by algorithm, next to greedy and to welfare-optimal play."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.curves import REFERENCE, draw_curves, draw_references, summarise
from social_dilemmas.report.names import in_order
from social_dilemmas.statistics.references import references


def table(curves: pd.DataFrame, games: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """What the figure shows.

    Args:
        curves: the table of `tables.learning_curves`.
        games: config entries of the games, for the reference payoffs.

    Returns:
        Columns model, game, algorithm, line, iteration, value, as `curves.summarise` gives them;
        reference payoffs have the line "reference", no iteration, and their name as algorithm.
    """
    payoffs = summarise(curves, "payoff")
    lines = references(games).rename(columns={"reference": "algorithm", "payoff": "value"})
    lines = payoffs[["model", "game"]].drop_duplicates().merge(lines.assign(line=REFERENCE))
    return pd.concat([payoffs, lines], ignore_index=True)


@style.in_style
def draw(table: pd.DataFrame) -> Figure:
    """One panel per game (and a row of panels per model)."""
    models, games = style.panel_keys(table)
    figure, axes = style.panels(
        len(models), len(games), style.WIDTH * max(len(games), 2) / 3, 2.1 * len(models) + 0.35
    )
    algorithms = in_order(table.loc[table["line"] != REFERENCE, "algorithm"])
    for row, model in enumerate(models):
        for column, game in enumerate(games):
            axis = axes[row, column]
            rows = table[(table["model"] == model) & (table["game"] == game)]
            is_reference = rows["line"] == REFERENCE
            draw_curves(axis, rows[~is_reference], algorithms)
            draw_references(axis, rows[is_reference].set_index("algorithm")["value"])
            style.title(axis, game, model, models)
        axes[row, 0].set_ylabel("Payoff per round (points)")
    style.legend(figure, algorithms, lines=True)
    return figure
