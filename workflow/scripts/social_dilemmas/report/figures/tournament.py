"""Trained agents among the strategies of the Axelrod library: their ranks, and how they fare with each kind."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from social_dilemmas.agents.axelrod.kinds import EVERY_STRATEGY, KINDS
from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.panels import blocks, draw_points, name_places, title
from social_dilemmas.report.names import game_title, in_order, readable
from social_dilemmas.statistics.quantities import quantity_words

RANKING, BY_KIND = "ranking", "by kind of opponent"
QUANTITIES = ("payoff", "payoff_opponent", "cooperation")
LANDMARKS = ("Tit For Tat", "Grudger", "Win-Stay Lose-Shift", "Cooperator", "Defector")
"""Strategies that readers know, named in the ranking."""

STRATEGY = "#b0b0b0"
HEIGHT = 5.2  # inches, of each game and model


def table(ranking: pd.DataFrame, by_opponent: pd.DataFrame) -> pd.DataFrame:
    """Columns panel, model, game, agent, opponent, quantity, mean, low, high, and in the ranking only rank and kind (of
    the agent).
    """
    payoffs = {"payoff": "mean", "payoff_low": "low", "payoff_high": "high"}
    ranks = ranking.rename(columns=payoffs).assign(panel=RANKING, opponent="", quantity="payoff")
    shown = by_opponent["opponent"].isin([*KINDS, EVERY_STRATEGY])
    shown &= by_opponent["quantity"].isin(QUANTITIES)
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
        found = set(by_kind["opponent"])
        kinds = [kind for kind in (*KINDS, EVERY_STRATEGY) if kind in found]
        for column, quantity in enumerate(QUANTITIES):
            axis = figure.add_subplot(grid[2 * row + 1, column])
            rows = by_kind[by_kind["quantity"] == quantity]
            draw_points(axis, rows, kinds, "opponent", trained)
            name_places(axis, [readable(kind) * (column == 0) for kind in kinds])
            axis.set_xlabel(quantity_words(game, quantity).capitalize())
            axis.set_xlim(0, max(1.0, rows["high"].max()))
            if column == 0:
                axis.set_ylabel("Opponents")
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
        words = f"{row['agent']} ({row['rank']:.0f})"
        _write(axis, words, place, above=False, colour=style.GREY)
    for row in ranking[ranking["agent"].isin(trained)].to_dict("records"):
        agent, rank, mean = row["agent"], row["rank"], row["mean"]
        axis.errorbar(
            [rank],
            [mean],
            yerr=[[mean - row["low"]], [row["high"] - mean]],
            fmt=markers[agent],
            color=colours[agent],
            markersize=5,
            elinewidth=1,
        )
        words = f"{readable(agent)} ({rank:.0f})"
        _write(axis, words, (rank, mean), above=True, colour=colours[agent])
    axis.set_xlim(0, len(ranking) + 1)
    lowest, highest = ranking["low"].min(), ranking["high"].max()
    span = highest - lowest or 1.0
    axis.set_ylim(lowest - 0.1 * span, highest + 0.4 * span)  # room for the names
    axis.set_xlabel(f"Rank among {len(ranking)}")
    axis.set_ylabel("Points a round, all opponents")
    axis.grid(axis="y")


def _write(axis: Axes, words: str, place: tuple[float, float], *, above: bool, colour: str) -> None:
    """Write next to a point, upwards from above it or downwards from below it."""
    axis.annotate(
        words,
        place,
        (3, 5) if above else (1, -3),
        textcoords="offset points",
        rotation=15 if above else -25,
        rotation_mode="anchor",
        verticalalignment="bottom" if above else "top",
        color=colour,
        fontsize=6.5,
    )
