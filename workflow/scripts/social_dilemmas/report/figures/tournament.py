"""Trained agents among the strategies of the Axelrod library: their ranks, and how they fare with each kind."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from social_dilemmas.agents.axelrod.kinds import EVERY_STRATEGY, KINDS
from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.panels import blocks, draw_points, errorbars, title
from social_dilemmas.report.names import game_title, in_order, readable
from social_dilemmas.statistics.quantities import quantity_words

RANKING, BY_KIND = "ranking", "by kind of opponent"
QUANTITIES = ("payoff", "payoff_opponent", "cooperation")
OPPONENTS = (*KINDS, EVERY_STRATEGY)
LANDMARKS = ("Tit For Tat", "Grudger", "Win-Stay Lose-Shift", "Cooperator", "Defector")
"""Strategies that readers know, named in the ranking."""

STRATEGY = "#b0b0b0"
HEIGHT = 5.2  # inches, of each game and model
NAME: Any = {"textcoords": "offset points", "rotation_mode": "anchor", "fontsize": 6.5}
ABOVE = {**NAME, "xytext": (3, 5), "rotation": 15, "verticalalignment": "bottom"}
BELOW = {**NAME, "xytext": (1, -3), "rotation": -25, "verticalalignment": "top"}


def table(ranking: pd.DataFrame, by_opponent: pd.DataFrame) -> pd.DataFrame:
    """Columns panel, model, game, agent, opponent, quantity, mean, low, high; in the ranking also rank and kind (of the
    agent).
    """
    payoffs = {"payoff": "mean", "payoff_low": "low", "payoff_high": "high"}
    ranks = ranking.rename(columns=payoffs).assign(panel=RANKING, opponent="", quantity="payoff")
    shown = by_opponent["opponent"].isin(OPPONENTS) & by_opponent["quantity"].isin(QUANTITIES)
    kinds = by_opponent[shown].assign(panel=BY_KIND)
    columns = ["panel", "model", "game", "agent", "opponent", "quantity", "mean", "low", "high"]
    parts = [ranks[[*columns, "rank", "kind"]], kinds[columns]]
    return pd.concat(parts, ignore_index=True)


@style.in_style
def draw(table: pd.DataFrame) -> Figure:
    """For each game and model the ranking, and below it a panel for each quantity by kind."""
    parts = list(blocks(table))
    figure = Figure(figsize=(style.WIDTH, HEIGHT * len(parts)), layout="constrained")
    grid = figure.add_gridspec(2 * len(parts), len(QUANTITIES), height_ratios=[1, 1.1] * len(parts))
    trained = in_order(table.loc[table["panel"] == BY_KIND, "agent"])
    for row, (game, model, part) in enumerate(parts):
        axis = figure.add_subplot(grid[2 * row, :])
        _draw_ranking(axis, part[part["panel"] == RANKING], trained)
        title(axis, game_title(game), model)
        by_kind = part[part["panel"] == BY_KIND]
        kinds = [kind for kind in OPPONENTS if kind in set(by_kind["opponent"])]
        for column, quantity in enumerate(QUANTITIES):
            axis = figure.add_subplot(grid[2 * row + 1, column])
            rows = by_kind[by_kind["quantity"] == quantity]
            places = {kind: readable(kind) * (column == 0) for kind in kinds}
            draw_points(axis, rows, places, "opponent", trained)
            axis.set_xlabel(quantity_words(game, quantity).capitalize())
            axis.set_xlim(0, max(1.0, _reach(rows)[1]))
            axis.set_ylabel("Opponents" * (column == 0))
    style.legend(figure, trained)
    return figure


def _draw_ranking(axis: Axes, ranking: pd.DataFrame, trained: list[str]) -> None:
    """Points a round down the ranks: strategies in grey, trained agents in their colours."""
    colours, markers = style.colours(trained), style.markers(trained)
    others = ranking[~ranking["agent"].isin(trained)]
    axis.plot(others["rank"], others["mean"], ".", color=STRATEGY, markersize=3)
    for row in others[others["agent"].isin(LANDMARKS)].to_dict("records"):
        place = row["rank"], row["mean"]
        axis.plot(*place, ".", color="black", markersize=4)
        axis.annotate(f"{row['agent']} ({row['rank']:.0f})", place, color=style.GREY, **BELOW)
    for index, agent in ranking.loc[ranking["agent"].isin(trained), "agent"].items():
        point, colour = ranking.loc[[index]], colours[agent]
        look = {"fmt": markers[agent], "color": colour, "markersize": 5}
        errorbars(axis, point, point["rank"], horizontal=False, **look)
        place = point["rank"].iloc[0], point["mean"].iloc[0]
        axis.annotate(f"{readable(agent)} ({place[0]:.0f})", place, color=colour, **ABOVE)
    axis.set_xlim(0, len(ranking) + 1)
    lowest, highest = _reach(ranking)
    span = highest - lowest or 1.0
    axis.set_ylim(lowest - 0.1 * span, highest + 0.4 * span)  # room for the names
    axis.set_xlabel(f"Rank among {len(ranking)}")
    axis.set_ylabel("Points a round, all opponents")
    axis.grid(axis="y")


def _reach(rows: pd.DataFrame) -> tuple[float, float]:
    """The least and the most of all means and intervals; one seed has no interval."""
    ends = rows.melt(value_vars=["mean", "low", "high"])["value"]
    return float(ends.min()), float(ends.max())
