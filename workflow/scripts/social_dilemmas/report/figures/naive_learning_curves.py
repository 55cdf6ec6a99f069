"""Naive RL in the course of training, by base model, next to greedy and to welfare-optimal play."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.curves import REFERENCE, draw_curves, draw_references, summarise
from social_dilemmas.statistics.references import references

NAIVE = "naive"


def table(curves: pd.DataFrame, games: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """What the figure shows.

    Args:
        curves: the table of `tables.learning_curves`.
        games: config entries of the games, for the reference payoffs.

    Returns:
        Columns game, model, line, iteration, value, as `curves.summarise` gives them; reference payoffs have the line
        "reference", no iteration, and their name as model.
    """
    payoffs = summarise(curves[curves["algorithm"] == NAIVE], "payoff")
    lines = references(games).rename(columns={"reference": "model", "payoff": "value"})
    lines = lines[lines["game"].isin(payoffs["game"])].assign(line=REFERENCE)
    columns = ["game", "model", "line", "iteration", "value"]
    return pd.concat([payoffs, lines], ignore_index=True)[columns]


@style.in_style
def draw(table: pd.DataFrame) -> Figure:
    """One panel per game; one colour per base model, that of naive RL if there is but one."""
    games = list(table["game"].unique())
    models = sorted(table.loc[table["line"] != REFERENCE, "model"].unique())
    figure, axes = style.panels(1, len(games), style.WIDTH * max(len(games), 2) / 3, 2.3)
    shown = [NAIVE] if len(models) == 1 else models
    names = dict(zip(models, shown, strict=True))
    for axis, game in zip(axes[0], games, strict=True):
        rows = table[table["game"] == game]
        is_reference = rows["line"] == REFERENCE
        curves = rows[~is_reference]
        draw_curves(axis, curves.assign(algorithm=curves["model"].map(names)), shown)
        draw_references(axis, rows[is_reference].set_index("model")["value"])
        style.title(axis, game, "", [])
    axes[0, 0].set_ylabel("Payoff per round (points)")
    style.legend(figure, shown, lines=True)
    return figure
