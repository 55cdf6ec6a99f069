"""Payoffs in the course of training, by algorithm, next to greedy and to welfare-optimal play."""

import pandas as pd
from matplotlib.figure import Figure

from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.curves import REFERENCE, draw_payoffs, references_of, summarise
from social_dilemmas.report.names import in_order


def table(curves: pd.DataFrame) -> pd.DataFrame:
    """Columns as from `curves.summarise`; reference payoffs have the line "reference", no
    iteration, and their name as algorithm.
    """
    payoffs = summarise(curves, "payoff")
    lines = references_of(payoffs["game"].unique(), "algorithm")
    lines = payoffs[["model", "game"]].drop_duplicates().merge(lines)
    return pd.concat([payoffs, lines], ignore_index=True)


@style.in_style
def draw(table: pd.DataFrame) -> Figure:
    """One panel per game (and a row of panels per model)."""
    algorithms = in_order(table.loc[table["line"] != REFERENCE, "algorithm"])
    return draw_payoffs(table, algorithms, row=2.1)
