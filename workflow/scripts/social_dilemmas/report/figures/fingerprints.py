"""What every agent does after what: the fingerprint of its strategy."""

from textwrap import fill

import pandas as pd
from matplotlib.figure import Figure

from social_dilemmas.agents.scripted.player import scripted_player_names
from social_dilemmas.games import named_game
from social_dilemmas.report.figures import style
from social_dilemmas.report.names import in_order
from social_dilemmas.statistics.tables import EVERYONE

WIDTH = 9.0  # inches; the words beside the panels need room

ROW = 0.4  # inches that a behaviour needs at least

ELSEWHERE = ("truthfulness",)
"""Behaviours in other units, which have a figure of their own."""


def table(fingerprints: pd.DataFrame) -> pd.DataFrame:
    """What the figure shows: trained agents and their warm start, with all opponents together.

    Args:
        fingerprints: the table of `tables.fingerprints`.
    """
    shown = (fingerprints["opponent"] == EVERYONE) & ~fingerprints["quantity"].isin(ELSEWHERE)
    for game in fingerprints["game"].unique():
        scripted = fingerprints["agent"].isin(scripted_player_names(game))
        shown &= ~((fingerprints["game"] == game) & scripted)
    return fingerprints[shown].reset_index(drop=True)


@style.in_style
def draw(table: pd.DataFrame) -> Figure:
    """One panel per game (and a row of panels per model)."""
    models, games = style.panel_keys(table)
    agents = in_order(table["agent"])
    width = WIDTH * max(len(games), 2) / 3
    most = max(part["quantity"].nunique() for _, part in table.groupby("game"))
    height = max(2.7, ROW * most) * len(models) + 0.35
    figure, axes = style.panels(len(models), len(games), width, height)
    for row, model in enumerate(models):
        for column, game in enumerate(games):
            axis = axes[row, column]
            part = table[(table["model"] == model) & (table["game"] == game)]
            observed = set(part["quantity"])
            places = [name for name in named_game(game).behaviours if name in observed]
            style.draw_points(axis, part, places, "quantity", agents, horizontal=True)
            axis.set_yticks(range(len(places)), [_label(game, name) for name in places])
            axis.tick_params(axis="y", length=0)
            label, end = named_game(game).axis
            axis.set_xlabel(label)
            axis.set_xlim(0, max(end, part["high"].max()))
            style.title(axis, game, model, models, x=-0.8)
    style.legend(figure, agents)
    return figure


def _label(game: str, quantity: str) -> str:
    """The game's words on as many short lines as they need, without those that all have in common.

    What goes on where another behaviour's words stop opens with dots.
    """
    behaviours = named_game(game).behaviours
    first = next(iter(behaviours.values()))
    words = behaviours[quantity].replace("... ", "… ")
    return fill(words.replace(f"{first} ", "… "), 26)
