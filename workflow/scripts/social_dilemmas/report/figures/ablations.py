"""What it costs to leave a part of the method out, or to do it differently."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from social_dilemmas.agents.agent import ITSELF
from social_dilemmas.agents.roles import COOPERATORS, GREEDY_PLAYERS
from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.panels import (
    blocks,
    draw_runs,
    errorbars,
    limits,
    name_places,
    panels,
)
from social_dilemmas.report.names import game_title, in_order, readable

QUANTITY = {"payoff": "Payoff", "payoff_opponent": "What it leaves"}
LEGEND = (
    "Filled: the interval of the change from what it is compared with leaves out zero. "
    "Band: interval of the method as it is."
)


def table(ablations: pd.DataFrame) -> pd.DataFrame:
    """Payoffs in self-play, against greedy players, and with cooperators."""
    payoff = ablations["quantity"] == "payoff"
    left = (ablations["quantity"] == "payoff_opponent") & ablations["opponent"].isin(COOPERATORS)
    met = ablations["opponent"].isin([ITSELF, *GREEDY_PLAYERS, *COOPERATORS])
    return ablations[met & (payoff | left)].reset_index(drop=True)


@style.in_style
def draw(table: pd.DataFrame) -> Figure:
    """A row of panels for each game and model; the band is the interval of the method as it is."""
    lines = list(blocks(table))
    by_game = table.groupby("game", sort=False)["agent"].unique()  # the standard first
    height = (0.24 * by_game.map(len).max() + 0.8) * len(lines) + 0.2
    figure, axes = panels(len(lines), 4, style.WIDTH + 1.6, height)
    for row, (game, model, part) in zip(axes, lines, strict=True):
        variants = list(by_game[game])
        others = in_order(set(part["opponent"]) - {ITSELF})
        shown = [(name, "payoff") for name in (ITSELF, *others)]
        shown += [(name, "payoff_opponent") for name in others if name in COOPERATORS]
        for axis in row[len(shown) :]:
            axis.set_visible(False)
        for axis, (opponent, quantity) in zip(row, shown, strict=False):
            rows = part[(part["opponent"] == opponent) & (part["quantity"] == quantity)]
            _draw_panel(axis, rows, variants)
            words = "in self-play" if opponent == ITSELF else f"with {readable(opponent).lower()}"
            axis.set_title(f"{QUANTITY[quantity]}\n{words}", loc="left")
        row[0].set_yticks(range(len(variants)), [readable(name) for name in variants])
        if len(lines) > 1:
            row[0].set_ylabel(", ".join(filter(None, (game_title(game), model))))
    figure.supxlabel(LEGEND, fontsize=7)
    return figure


def _draw_panel(axis: Axes, rows: pd.DataFrame, variants: list[str]) -> None:
    """A point for each variant; those with a colour of their own are the method as it is."""
    standards = [variant for variant in variants if variant in style.COLOURS] or variants[:1]
    colours = style.colours(standards)
    for index, agent in rows["agent"].items():
        point, colour = rows.loc[[index]], colours[agent] if agent in standards else "black"
        if agent in standards:
            low, high = point[["low", "high"]].to_numpy()[0]
            axis.axvspan(low, high, color=colour, alpha=0.13, lw=0)
        filled = agent in standards or bool(point["matters"].iloc[0])
        look: Any = {"color": colour, "markerfacecolor": colour if filled else "white", "fmt": "o"}
        place = [variants.index(agent)]
        errorbars(axis, point, place, markersize=4.5, clip_on=False, **look)
        draw_runs(axis, point, place, color=colour)
    name_places(axis, [""] * len(variants))
    axis.grid(axis="x")
    axis.set_xlabel("points a round")
    axis.set_xlim(limits(rows))
