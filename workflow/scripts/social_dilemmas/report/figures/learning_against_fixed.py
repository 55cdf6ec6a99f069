"""Payoffs of both sides while one of them learns and the other doesn't."""

from collections.abc import Collection

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.curves import draw_curves, summarise
from social_dilemmas.report.names import game_title, in_order, readable

SIDES = {"payoff": "learner", "payoff_other": "opponent"}
PANEL = 1.8, 1.45  # inches: width and height


def table(curves: pd.DataFrame, opponents: Collection[str] = ()) -> pd.DataFrame:
    """What the figure shows.

    Args:
        curves: the table of `tables.learning_against_fixed`.
        opponents: show these only; all of them if none is named.

    Returns:
        Columns model, game, opponent, side ("learner" or "opponent"), algorithm, line, iteration, value; the last four
        as `curves.summarise` gives them.
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
    """A row of panels for each game and model, one panel for each opponent; one for each game, if there is but one."""
    models, games = list(table["model"].unique()), list(table["game"].unique())
    found = table.groupby(["game", "model"])["opponent"].unique()
    alone = table["opponent"].iloc[0] if table["opponent"].nunique() == 1 else None
    if alone:
        rows = [
            [(game, model, alone) for game in games if (game, model) in found] for model in models
        ]
    else:
        rows = [
            [(game, model, opponent) for opponent in in_order(found[game, model])]
            for game in games
            for model in models
            if (game, model) in found
        ]
    columns = max(map(len, rows))
    algorithms = in_order(table["algorithm"])
    width = style.WIDTH * max(columns, 2) / 3 if alone else PANEL[0] * max(columns, 3) + 0.6
    figure, axes = style.panels(len(rows), columns, width, PANEL[1] * len(rows) + 0.9)
    for row, cells in enumerate(rows):
        for axis in axes[row, len(cells) :]:
            axis.set_visible(False)
        for axis, (game, model, opponent) in zip(axes[row], cells, strict=False):
            part = table[
                (table["game"] == game)
                & (table["model"] == model)
                & (table["opponent"] == opponent)
            ]
            for side, dashes in (("learner", "-"), ("opponent", style.DASHES)):
                draw_curves(axis, part[part["side"] == side], algorithms, linestyle=dashes)
            axis.margins(y=0.1)
            axis.set_title(game_title(game) if alone else readable(opponent), loc="left")
            if row < len(rows) - 1:
                axis.set_xlabel("")
        game, model, _ = cells[0]
        named = [] if alone else [game_title(game)]
        named += [model] if len(models) > 1 else []
        axes[row, 0].set_ylabel("\n".join([*named, "points a round"]))
    who = f"Against {readable(alone)}" if alone else "By the opponent"
    figure.suptitle(f"{who}, which doesn't learn", x=0.01, ha="left", fontsize=8)
    colour = style.colours(algorithms)
    handles = [
        Line2D([], [], color=colour[name], label=f"{readable(name)}, learning")
        for name in algorithms
    ]
    handles.append(Line2D([], [], color=style.GREY, linestyle=style.DASHES, label="its opponent"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure
