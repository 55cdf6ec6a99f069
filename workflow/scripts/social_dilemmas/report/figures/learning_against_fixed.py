"""Payoffs of both sides while one of them learns and the other doesn't."""

from collections.abc import Collection

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.curves import draw_curves, summarise
from social_dilemmas.report.figures.panels import blocks, panels
from social_dilemmas.report.names import game_title, in_order, readable

SIDES = {"payoff": ("learner", "-"), "payoff_opponent": ("opponent", style.DASHES)}
PANEL = 1.8, 1.45  # inches: width and height


def table(curves: pd.DataFrame, opponents: Collection[str] = ()) -> pd.DataFrame:
    """Columns as from `curves.summarise`, opponent, and side ("learner" or "opponent").

    `opponents` are the only ones to show; all are shown if none is named.
    """
    parts = [
        summarise(rows, quantity).assign(opponent=opponent, side=side)
        for opponent, rows in curves.groupby("opponent", sort=False)
        if not opponents or opponent in opponents
        for quantity, (side, _) in SIDES.items()
    ]
    columns = ["model", "game", "opponent", "side", "algorithm", "line", "iteration", "value"]
    return pd.concat(parts, ignore_index=True)[columns]


@style.in_style
def draw(table: pd.DataFrame) -> Figure:
    """A row of panels for each game and model, a panel for each opponent; if there is only one opponent, a row for each
    model and a panel for each game.
    """
    games, opponents = list(table["game"].unique()), in_order(table["opponent"])
    alone = opponents[0] if len(opponents) == 1 else ""
    lines = list(blocks(table))
    if alone:
        lines = [("", str(model), part) for model, part in table.groupby("model", sort=False)]
    column, order = ("game", games) if alone else ("opponent", opponents)
    columns = max(part[column].nunique() for *_, part in lines)
    width = style.WIDTH * max(columns, 2) / 3 if alone else PANEL[0] * max(columns, 3) + 0.6
    figure, axes = panels(len(lines), columns, width, PANEL[1] * len(lines) + 0.9)
    algorithms = in_order(table["algorithm"])
    for line, (row, (game, model, part)) in enumerate(zip(axes, lines, strict=True), 1):
        shown = [name for name in order if name in set(part[column])]
        for axis in row[len(shown) :]:
            axis.set_visible(False)
        for axis, name in zip(row, shown, strict=False):
            for side, dashes in SIDES.values():
                curves = part[(part[column] == name) & (part["side"] == side)]
                draw_curves(axis, curves, algorithms, linestyle=dashes)
            axis.margins(y=0.1)
            axis.set_title(game_title(name) if alone else readable(name), loc="left")
            if line < len(lines):
                axis.set_xlabel("")
        named = [game_title(game) if game else "", model if table["model"].nunique() > 1 else ""]
        row[0].set_ylabel("\n".join([*filter(None, named), "points a round"]))
    who = f"Against {readable(alone)}" if alone else "By the opponent"
    figure.suptitle(f"{who}, which doesn't learn", x=0.01, ha="left", fontsize=8)
    other = Line2D([], [], color=style.GREY, linestyle=style.DASHES, label="its opponent")
    style.legend(figure, algorithms, lines=True, doing=", learning", others=[other])
    return figure
