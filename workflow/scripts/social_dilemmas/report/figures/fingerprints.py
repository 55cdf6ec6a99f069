"""What every agent does after what: the fingerprint of its strategy."""

from collections.abc import Mapping
from textwrap import fill

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from social_dilemmas.agents.agent import EVERYONE
from social_dilemmas.games import named_game
from social_dilemmas.games.talk import TRUTHFULNESS
from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.panels import draw_points, grid
from social_dilemmas.report.names import in_order
from social_dilemmas.statistics.tables import is_scripted

WIDTH = 9.0  # inches; the words beside the panels need room
ROW = 0.4  # inches that a behaviour needs at least


def table(fingerprints: pd.DataFrame) -> pd.DataFrame:
    """What trained agents and their warm start do, with all opponents together."""
    # Truthfulness is in other units; it has a figure of its own.
    shown = (fingerprints["opponent"] == EVERYONE) & (fingerprints["quantity"] != TRUTHFULNESS)
    return fingerprints[shown & ~is_scripted(fingerprints, "agent")].reset_index(drop=True)


@style.in_style
def draw(table: pd.DataFrame) -> Figure:
    """One panel per game (and a row of panels per model)."""
    agents = in_order(table["agent"])
    behaviours = table.groupby("game")["quantity"].nunique()

    def panel(axis: Axes, name: str, rows: pd.DataFrame) -> None:
        game, observed = named_game(name), set(rows["quantity"])
        shown = [quantity for quantity in game.behaviours if quantity in observed]
        places = {quantity: _label(game.behaviours, quantity) for quantity in shown}
        draw_points(axis, rows, places, "quantity", agents)
        label, end = game.axis
        axis.set_xlabel(label)
        axis.set_xlim(0, max(end, rows["mean"].max()))

    width, row = WIDTH * max(len(behaviours), 2) / 3, max(2.7, ROW * behaviours.max())
    figure = grid(table, panel, row=row, width=width, title_at=-0.8)
    style.legend(figure, agents)
    return figure


def _label(behaviours: Mapping[str, str], quantity: str) -> str:
    """The game's words on several short lines; dots stand for the words that the first behaviour has too."""
    first = next(iter(behaviours.values()))
    words = behaviours[quantity].replace("... ", "… ")
    return fill(words.replace(f"{first} ", "… "), 26)
