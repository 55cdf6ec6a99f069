"""Payoffs of every agent with every opponent, as a heat map with the numbers in it."""

from textwrap import fill

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from seaborn import heatmap

from social_dilemmas.agents.scripted.player import scripted_player_names
from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.panels import blocks, panels, title
from social_dilemmas.report.names import game_title, in_order, readable
from social_dilemmas.statistics.tables import as_reported

CELL = 0.62, 0.36  # inches: width and height
COLOUR_BAR = {"label": "Payoff per round (points)", "pad": 0.01, "aspect": 40, "fraction": 0.03}


def table(cross_play: pd.DataFrame) -> pd.DataFrame:
    """Payoffs, of an agent with itself between the same seeds, of others between all seeds."""
    return as_reported(cross_play[cross_play["quantity"] == "payoff"]).reset_index(drop=True)


@style.in_style
def draw(table: pd.DataFrame) -> Figure:
    """One heat map per game and model, below one another."""
    parts = list(blocks(table))
    sizes = [rows["agent"].nunique() for _, _, rows in parts]
    width, height = max(sizes) * CELL[0] + 2.0, sum(sizes) * CELL[1] + 1.05 * len(sizes)
    figure, axes = panels(len(parts), 1, width, height, height_ratios=sizes)
    for axis, (game, model, rows) in zip(axes[:, 0], parts, strict=True):
        _draw_matrix(axis, game, rows)
        title(axis, game_title(game), model)
    return figure


def _draw_matrix(axis: Axes, game: str, part: pd.DataFrame) -> None:
    """Payoffs of one game: agents down, opponents across, trained ones first."""
    names = in_order({*part["agent"], *part["opponent"]})
    scripted = [name for name in names if name in scripted_player_names(game)]
    names = [name for name in names if name not in scripted] + scripted
    digits = 2 if part["mean"].max() < 10 else 1
    mean, low, high = (
        part[name].map(f"{{:.{digits}f}}".format) for name in ("mean", "low", "high")
    )
    interval = ("\n" + low + "–" + high).where(part["low"].notna(), "")
    part = part.assign(label=mean + interval)
    payoffs, labels = (
        part.pivot(index="agent", columns="opponent", values=values).reindex(names, columns=names)
        for values in ("mean", "label")
    )
    heatmap(
        payoffs,
        cmap="cividis",
        annot=labels,
        fmt="",
        annot_kws={"fontsize": 6, "linespacing": 1.3, "in_layout": False},
        cbar_kws=COLOUR_BAR,
        xticklabels=[fill(readable(name), 10, break_long_words=False) for name in names],
        yticklabels=[readable(name) for name in names],
        ax=axis,
    )
    for line in (axis.axhline, axis.axvline):
        line(len(names) - len(scripted), color="white", linewidth=2.5)
    axis.tick_params(length=0, labelrotation=0)
    axis.set_xlabel("Opponent")
    axis.set_ylabel("Agent whose payoff is shown")
