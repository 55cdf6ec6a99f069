"""What becomes of play after a slip of the hand, and under hands that tremble all the time."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from social_dilemmas.agents.agent import ITSELF
from social_dilemmas.agents.conditions import Condition
from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.panels import (
    blocks,
    draw_seeds,
    errorbars,
    name_places,
    panels,
    seeds_of,
    title,
)
from social_dilemmas.report.names import game_title, in_order, readable
from social_dilemmas.statistics.disturbances import ROUND
from social_dilemmas.statistics.quantities import PAYOFF
from social_dilemmas.statistics.tables import ALL_SEEDS, is_scripted

REFERENCES = ("tit_for_tat", "win_stay_lose_shift", "grim", "reciprocator")
"""Scripted players that answer a slip; the curves of others don't change after its round."""
FACES = {Condition.NONE.value: "white", Condition.TREMBLES.value: None}


def table(noise: pd.DataFrame) -> pd.DataFrame:
    """In self-play: points in every round with one slip, and over all rounds with trembles and undisturbed."""
    by_round = noise["quantity"].str.startswith(ROUND) & (noise["condition"] == Condition.ONE_SLIP)
    overall = (noise["quantity"] == PAYOFF) & noise["condition"].isin(FACES)
    shown = (noise["opponent"] == ITSELF) & (by_round | overall)
    return noise[shown].reset_index(drop=True)


@style.in_style
def draw(table: pd.DataFrame) -> Figure:
    """A row of two panels for each game and model."""
    lines = list(blocks(table))
    most = max(rows["agent"].nunique() for _, _, rows in lines)
    height = (0.2 * most + 0.95) * len(lines) + 0.5
    figure, axes = panels(len(lines), 2, style.WIDTH, height, width_ratios=[1.3, 1])
    trained = in_order(table.loc[~is_scripted(table, "agent"), "agent"])
    references = [name for name in in_order(table["agent"]) if name in REFERENCES]
    curves = [*trained, *references]
    for (left, right), (game, model, rows) in zip(axes, lines, strict=True):
        _draw_rounds(left, rows[rows["condition"] == Condition.ONE_SLIP], curves)
        _draw_trembles(right, rows[rows["quantity"] == PAYOFF], trained)
        title(left, f"{game_title(game)}: one slip", model, ", ")
        title(right, "Trembles", "")
    hollow: Any = {"linestyle": "", "marker": "o", "color": style.GREY, "markersize": 4.5}
    undisturbed = Line2D([], [], markerfacecolor="white", label="undisturbed", **hollow)
    trembling = Line2D([], [], label="with trembles", **hollow)
    colours = style.colours(curves)
    dashed = [
        Line2D([], [], color=colours[name], linestyle=style.DASHES, label=readable(name))
        for name in references
    ]
    others = [*dashed, undisturbed, trembling]
    style.legend(figure, trained, lines=True, others=others, columns=5)
    return figure


def _draw_rounds(axis: Axes, rows: pd.DataFrame, agents: list[str]) -> None:
    """Points by round: means as lines, seeds as thin ones, scripted players dashed."""
    colours = style.colours(agents)
    at = rows["quantity"].str.removeprefix(ROUND).astype(int)
    rows = rows.assign(round=at, scripted=is_scripted(rows, "agent"))
    for (agent, seed), curve in rows[rows["agent"].isin(agents)].groupby(["agent", "seed"]):
        curve = curve.sort_values("round")
        look: Any = {"linewidth": 1.4} if seed == ALL_SEEDS else {"linewidth": 0.5, "alpha": 0.4}
        dashes = style.DASHES if curve["scripted"].any() else "-"
        axis.plot(
            curve["round"], curve["mean"], color=colours[str(agent)], linestyle=dashes, **look
        )
    axis.axvline(rows["slip_round"].iloc[0], color=style.GREY, linewidth=0.8, linestyle=":")
    axis.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    axis.margins(x=0.02)
    axis.grid(axis="y")
    axis.set_xlabel("Round (dotted: that of the slip)")
    axis.set_ylabel("Points, mean of both")


def _draw_trembles(axis: Axes, rows: pd.DataFrame, trained: list[str]) -> None:
    """Points a round: undisturbed hollow, with trembles filled; seeds as small dots; scripted players grey."""
    places = in_order(rows["agent"])
    colours, markers = style.colours(trained), style.markers(trained)
    for place, agent in enumerate(places):
        own = rows[rows["agent"] == agent]
        means = own[own["seed"] == ALL_SEEDS].set_index("condition")
        colour = colours[agent] if agent in trained else style.GREY
        axis.plot(means["mean"], [place] * len(means), color=colour, alpha=0.35, linewidth=2)
        for condition, face in FACES.items():
            marker, face = markers[agent] if agent in trained else "o", face or colour
            look: Any = {"fmt": marker, "color": colour, "markerfacecolor": face}
            beside = place + (0.25 if condition == Condition.TREMBLES else -0.25)
            seeds = own[own["condition"] == condition]
            draw_seeds(axis, seeds_of(seeds), beside, color=colour, markerfacecolor=face)
            errorbars(axis, means.loc[[condition]], [place], markersize=4.5, **look)
    name_places(axis, [readable(name) for name in places])
    axis.grid(axis="x")
    axis.margins(x=0.08)
    axis.set_xlabel("Points a round, in self-play")
