"""Payoffs of both sides while one of them learns and the other doesn't."""

from collections.abc import Collection

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from social_dilemmas.evaluation.names import game_title, in_order, readable
from social_dilemmas.figures import style
from social_dilemmas.figures.curves import draw_curves, summarise

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
    """A row of panels for each game and model, one panel for each opponent."""
    models = list(table["model"].unique())
    keys = list(dict.fromkeys(zip(table["game"], table["model"], strict=True)))
    keys.sort(key=lambda key: list(table["game"].unique()).index(key[0]))
    opponents = {
        key: in_order(table.loc[(table["game"] == key[0]) & (table["model"] == key[1]), "opponent"])
        for key in keys
    }
    columns = max(map(len, opponents.values()))
    algorithms = in_order(table["algorithm"])
    figure, axes = style.panels(
        len(keys), columns, PANEL[0] * max(columns, 2) + 0.6, PANEL[1] * len(keys) + 0.9
    )
    for row, key in enumerate(keys):
        game, model = key
        for column in range(columns):
            axis = axes[row, column]
            if column >= len(opponents[key]):
                axis.set_visible(False)
                continue
            opponent = opponents[key][column]
            part = table[
                (table["game"] == game)
                & (table["model"] == model)
                & (table["opponent"] == opponent)
            ]
            for side, dashes in (("learner", "-"), ("opponent", style.DASHES)):
                draw_curves(axis, part[part["side"] == side], algorithms, linestyle=dashes)
            axis.margins(y=0.1)
            axis.set_title(readable(opponent), loc="left")
            if row < len(keys) - 1:
                axis.set_xlabel("")
        of_model = f"\n{model}" if len(models) > 1 else ""
        axes[row, 0].set_ylabel(f"{game_title(game)}{of_model}\npoints a round")
    figure.suptitle("By the opponent, which doesn't learn", x=0.01, ha="left", fontsize=8)
    colour = style.colours(algorithms)
    handles = [
        Line2D([], [], color=colour[name], label=f"{readable(name)}, learning")
        for name in algorithms
    ]
    handles.append(Line2D([], [], color=style.GREY, linestyle=style.DASHES, label="its opponent"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure
