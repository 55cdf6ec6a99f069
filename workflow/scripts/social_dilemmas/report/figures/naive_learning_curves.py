"""Naive RL in the course of training, by base model, next to greedy and to welfare-optimal play."""

import pandas as pd
from matplotlib.figure import Figure

from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.curves import REFERENCE, draw_payoffs, references_of, summarise

NAIVE = "naive"


def table(curves: pd.DataFrame) -> pd.DataFrame:
    """Columns game, model, line, iteration, value, as from `curves.summarise`; reference payoffs
    have the line "reference", no iteration, and their name as model.
    """
    payoffs = summarise(curves[curves["algorithm"] == NAIVE], "payoff")
    lines = references_of(payoffs["game"].unique(), "model")
    columns = ["game", "model", "line", "iteration", "value"]
    return pd.concat([payoffs, lines], ignore_index=True)[columns]


@style.in_style
def draw(table: pd.DataFrame) -> Figure:
    """One panel per game; one colour per base model, that of naive RL if there is only one."""
    models = sorted(table.loc[table["line"] != REFERENCE, "model"].unique())
    shown = [NAIVE] if len(models) == 1 else models
    lines = table["model"].replace(dict(zip(models, shown, strict=True)))
    return draw_payoffs(table.assign(algorithm=lines, model=""), shown, row=1.95)
