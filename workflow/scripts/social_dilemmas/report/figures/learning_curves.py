"""Payoffs in the course of training, by algorithm or, of naive RL, by base model.

They are drawn next to the payoffs of greedy and of welfare-optimal play.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.curves import draw_curves, summarise
from social_dilemmas.report.figures.panels import draw_reference, grid
from social_dilemmas.report.names import in_order
from social_dilemmas.statistics.references import OPTIMAL, references

NAIVE = "naive"
REFERENCE = "reference"


def table(curves: pd.DataFrame, naive: bool = False) -> pd.DataFrame:
    """Columns as from `curves.summarise`; reference payoffs have the line "reference", no iteration, and their name as
    algorithm. For naive RL there is no column algorithm, and the name is in the column model.
    """
    payoffs = summarise(curves[curves["algorithm"] == NAIVE] if naive else curves, "payoff")
    names = {"reference": "model" if naive else "algorithm", "payoff": "value"}
    lines = references(payoffs["game"].unique()).rename(columns=names).assign(line=REFERENCE)
    if naive:
        columns = ["game", "model", "line", "iteration", "value"]
        return pd.concat([payoffs, lines], ignore_index=True)[columns]
    lines = payoffs[["model", "game"]].drop_duplicates().merge(lines)
    return pd.concat([payoffs, lines], ignore_index=True)


@style.in_style
def draw(table: pd.DataFrame) -> Figure:
    """One panel per game, and by algorithm a row of panels per model; a single base model has the colour of naive RL."""
    curves = table["line"] != REFERENCE
    row = 2.1
    if "algorithm" in table:
        algorithms = in_order(table.loc[curves, "algorithm"])
    else:
        models, row = sorted(table.loc[curves, "model"].unique()), 1.95
        algorithms = [NAIVE] if len(models) == 1 else models
        names = dict(zip(models, algorithms, strict=True))
        table = table.assign(algorithm=table["model"].replace(names), model="")

    def panel(axis: Axes, game: str, rows: pd.DataFrame) -> None:
        is_reference = rows["line"] == REFERENCE
        draw_curves(axis, rows[~is_reference], algorithms)
        for name, payoff in rows[is_reference].set_index("algorithm")["value"].items():
            draw_reference(axis, payoff, str(name), above=name == OPTIMAL)
        axis.margins(y=0.12)  # room for the names

    figure = grid(table, panel, row=row, label="Payoff per round (points)")
    style.legend(figure, algorithms, lines=True)
    return figure
