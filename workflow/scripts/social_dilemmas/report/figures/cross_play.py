"""Payoffs of every agent with every opponent, as a heat map with the numbers in it."""

from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from social_dilemmas.agents.scripted.player import scripted_player_names
from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.panels import blocks, panels, title
from social_dilemmas.report.names import game_title, in_order, readable
from social_dilemmas.statistics.tables import as_reported

COLOUR_MAP = colormaps["cividis"]
CELL = 0.62, 0.36  # inches: width and height


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
        image = _draw_matrix(axis, game, rows)
        bar = figure.colorbar(image, ax=axis, pad=0.01, aspect=40, fraction=0.03)
        bar.set_label("Payoff per round (points)")
        title(axis, game_title(game), model)
    return figure


def _draw_matrix(axis: Axes, game: str, part: pd.DataFrame) -> AxesImage:
    """Payoffs of one game: agents down, opponents across, trained ones first."""
    names = in_order({*part["agent"], *part["opponent"]})
    scripted = [name for name in names if name in scripted_player_names(game)]
    names = [name for name in names if name not in scripted] + scripted
    payoffs = part.pivot(index="agent", columns="opponent", values="mean")
    image = axis.imshow(payoffs.reindex(index=names, columns=names), COLOUR_MAP, aspect="auto")
    digits = 2 if part["mean"].max() < 10 else 1
    columns = part[["agent", "opponent", "mean", "low", "high"]]
    for agent, opponent, mean, low, high in columns.itertuples(index=False):
        red, green, blue, _ = np.ravel(COLOUR_MAP(image.norm(np.asarray(mean))))
        luma = 0.299 * red + 0.587 * green + 0.114 * blue  # of ITU-R BT.601
        colour = "white" if luma < 0.5 else "black"
        for text, offset, side, size in (
            (f"{mean:.{digits}f}", 0.5, "bottom", 7),
            (f"{low:.{digits}f}–{high:.{digits}f}", -1.5, "top", 5.5),
        ):
            cell = names.index(opponent), names.index(agent)
            look: Any = {"color": colour, "fontsize": size, "in_layout": False}
            look |= {"horizontalalignment": "center", "verticalalignment": side}
            axis.annotate(text, cell, (0, offset), textcoords="offset points", **look)
    for line in (axis.axhline, axis.axvline):
        line(len(names) - len(scripted) - 0.5, color="white", linewidth=2.5)
    narrow = [fill(readable(name), 10, break_long_words=False) for name in names]
    axis.set_xticks(range(len(names)), narrow)
    axis.set_yticks(range(len(names)), [readable(name) for name in names])
    axis.tick_params(length=0)
    axis.spines[["left", "bottom"]].set_visible(False)
    axis.set_xlabel("Opponent")
    axis.set_ylabel("Agent whose payoff is shown")
    return image
