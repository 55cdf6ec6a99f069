"""Payoffs of both sides while one of them learns and the other doesn't."""

from collections.abc import Collection

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.curves import draw_curves, summarise
from social_dilemmas.report.figures.panels import panel_keys, panels
from social_dilemmas.report.names import game_title, in_order, readable

SIDES = {"payoff": "learner", "payoff_opponent": "opponent"}
PANEL = 1.8, 1.45  # inches: width and height

Cell = tuple[str, str, str]
"""(game, model, opponent)"""


def table(curves: pd.DataFrame, opponents: Collection[str] = ()) -> pd.DataFrame:
    """Columns as from `curves.summarise`, opponent, and side ("learner" or "opponent").

    `opponents` are the only ones to show; all of them if none is named.
    """
    parts = [
        summarise(rows, quantity).assign(opponent=opponent, side=side)
        for opponent, rows in curves.groupby("opponent", sort=False)
        if not opponents or opponent in opponents
        for quantity, side in SIDES.items()
    ]
    columns = ["model", "game", "opponent", "side", "algorithm", "line", "iteration", "value"]
    return pd.concat(parts, ignore_index=True)[columns]


@style.in_style
def draw(table: pd.DataFrame) -> Figure:
    """A row of panels for each game and model, a panel for each opponent; if there is only one opponent, a row for each
    model and a panel for each game.
    """
    alone = table["opponent"].iloc[0] if table["opponent"].nunique() == 1 else None
    rows = _rows(table, alone)
    columns = max(map(len, rows))
    algorithms = in_order(table["algorithm"])
    width = style.WIDTH * max(columns, 2) / 3 if alone else PANEL[0] * max(columns, 3) + 0.6
    figure, axes = panels(len(rows), columns, width, PANEL[1] * len(rows) + 0.9)
    parts = dict(iter(table.groupby(["game", "model", "opponent"])))
    for row, cells in zip(axes, rows, strict=True):
        for axis in row[len(cells) :]:
            axis.set_visible(False)
        for axis, cell in zip(row, cells, strict=False):
            for side, dashes in (("learner", "-"), ("opponent", style.DASHES)):
                part = parts[cell][parts[cell]["side"] == side]
                draw_curves(axis, part, algorithms, linestyle=dashes)
            axis.margins(y=0.1)
            axis.set_title(game_title(cell[0]) if alone else readable(cell[2]), loc="left")
            if cells is not rows[-1]:
                axis.set_xlabel("")
        game, model, _ = cells[0]
        named = [] if alone else [game_title(game)]
        named += [model] if table["model"].nunique() > 1 else []
        row[0].set_ylabel("\n".join([*named, "points a round"]))
    who = f"Against {readable(alone)}" if alone else "By the opponent"
    figure.suptitle(f"{who}, which doesn't learn", x=0.01, ha="left", fontsize=8)
    other = Line2D([], [], color=style.GREY, linestyle=style.DASHES, label="its opponent")
    style.legend(figure, algorithms, lines=True, doing=", learning", others=[other])
    return figure


def _rows(table: pd.DataFrame, alone: str | None) -> list[list[Cell]]:
    """What the panels show, row by row."""
    models, games = panel_keys(table)
    found = table.groupby(["game", "model"])["opponent"].unique()
    if alone:
        rows = [
            [(game, model, alone) for game in games if (game, model) in found] for model in models
        ]
        return rows
    return [
        [(game, model, opponent) for opponent in in_order(found[game, model])]
        for game in games
        for model in models
        if (game, model) in found
    ]
