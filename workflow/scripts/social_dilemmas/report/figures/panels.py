"""Figures of several panels, and what is drawn into them: points with intervals, reference lines."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from math import isnan
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike

from social_dilemmas.games import named_game
from social_dilemmas.report.figures import style
from social_dilemmas.report.names import game_title
from social_dilemmas.statistics.intervals import seeds_of_text
from social_dilemmas.statistics.tables import ALL_SEEDS


def panels(
    rows: int, columns: int, width: float, height: float, **layout: Any
) -> tuple[Figure, Any]:
    """A figure of `width` x `height` inches and its axes, an array of shape (rows, columns)."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **layout)


def panel_keys(table: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Models and games of a table, in order of appearance."""
    return list(table["model"].unique()), list(table["game"].unique())


def grid(
    table: pd.DataFrame,
    draw: Callable[[Axes, str, pd.DataFrame], None],
    *,
    row: float,
    below: float = 0.35,
    width: float | None = None,
    title_at: float = 0,
    label: str = "",
) -> Figure:
    """One panel per game, and a row of panels per model; `draw` draws one from its game and its rows of the table.

    In inches: a row's height, further height below for the legend, the figure's width. `label` is that of the y axes
    at the left, `title_at` where titles begin.
    """
    models, games = panel_keys(table)
    width = width or style.WIDTH * max(len(games), 2) / 3
    figure, axes = panels(len(models), len(games), width, row * len(models) + below)
    for line, model in zip(axes, models, strict=True):
        for axis, game in zip(line, games, strict=True):
            draw(axis, game, table[(table["model"] == model) & (table["game"] == game)])
            title(axis, game_title(game), model if len(models) > 1 else "", x=title_at)
        line[0].set_ylabel(label)
    return figure


def blocks(table: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Game, model and rows of each game and model; the model is empty where there is only one."""
    models, games = panel_keys(table)
    for game in games:
        for model in models:
            rows = table[(table["game"] == game) & (table["model"] == model)]
            if not rows.empty:
                yield game, model if len(models) > 1 else "", rows


def title(axis: Axes, words: str, model: str, between: str = "\n", x: float = 0) -> None:
    """Name a panel, and its model if there is one; at `x`, from 0 to 1 along the axis."""
    axis.set_title(f"{words}{between}{model}" if model else words, loc="left", x=x)


def name_places(axis: Axes, names: Sequence[str]) -> None:
    """Names down the y axis, the first one at the top."""
    axis.set_yticks(range(len(names)), names)
    axis.tick_params(axis="y", length=0)
    axis.set_ylim(len(names) - 0.5, -0.5)


def errorbars(
    axis: Axes, rows: pd.DataFrame, at: ArrayLike, *, horizontal: bool = True, **look: Any
) -> None:
    """Means of the rows, from low to high, as points with intervals along x (or y), at places of the other axis."""
    mean = rows["mean"].to_numpy(float)
    reach = np.stack([mean - rows["low"], rows["high"] - mean]).clip(0)  # (2, rows)
    if horizontal:
        drawn = axis.errorbar(mean, at, xerr=reach, elinewidth=1, **look)
    else:
        drawn = axis.errorbar(at, mean, yerr=reach, elinewidth=1, **look)
    for bar in drawn.lines[2]:
        bar.set_clip_on(True)  # with few seeds it may reach far beyond what is possible


def seeds_of(rows: pd.DataFrame) -> list[float]:
    """The means of single seeds, where each seed has a row (in the column `seed`)."""
    return list(rows.loc[rows["seed"] != ALL_SEEDS, "mean"])


def draw_seeds(
    axis: Axes, means: Collection[float], at: float, *, horizontal: bool = True, **look: Any
) -> None:
    """The means of single seeds as small dots along x (or y), at a place of the other axis."""
    sides = (means, [at] * len(means))
    small: Any = {"linestyle": "", "marker": "o", "markersize": 2, "markeredgewidth": 0.6}
    axis.plot(*(sides if horizontal else sides[::-1]), **small, **look)


def of_kind(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The rows about games of a kind, whatever their names."""
    return table.loc[[named_game(game).kind == kind for game in table["game"]]]


def runs_of(rows: pd.DataFrame) -> list[list[float]]:
    """The means of single runs in each row (from the column `by_seed`), where there was something to measure."""
    return [
        [value for value in seeds_of_text(cell) if not isnan(value)] for cell in rows["by_seed"]
    ]


def draw_runs(
    axis: Axes, rows: pd.DataFrame, at: Iterable[float], *, horizontal: bool = True, color: str
) -> None:
    """The means of single runs in each row as small dots along x (or y), at places of the other axis."""
    for place, runs in zip(at, runs_of(rows), strict=True):
        draw_seeds(axis, runs, place, horizontal=horizontal, color=color, alpha=0.5)


def limits(rows: pd.DataFrame) -> tuple[float, float]:
    """Ends of an axis that shows all means and runs; with few runs, intervals may reach far beyond what is possible."""
    values = [*rows["mean"], *chain.from_iterable(runs_of(rows))]
    margin = 0.08 * (max(values) - min(values) or 1)
    return min(values) - margin, max(values) + margin


def draw_points(
    axis: Axes,
    table: pd.DataFrame,
    places: Mapping[str, str],
    column: str,
    agents: Sequence[str],
    *,
    horizontal: bool = True,
    seeds: bool = False,
) -> None:
    """Means as points with their intervals, side by side at each place (a value of the column, with its name).

    With `seeds` those of single seeds are there as small dots (from the column `by_seed`).
    """
    colour, marker = style.colours(agents), style.markers(agents)
    position = {place: index for index, place in enumerate(places)}
    step = 0.6 / max(len(agents), 2)
    for index, agent in enumerate(agents):
        rows = table[(table["agent"] == agent) & table[column].isin(list(places))]
        if rows.empty:  # what is drawn of nothing would take room in the layout
            continue
        at = rows[column].map(position).to_numpy(float) + step * (index - (len(agents) - 1) / 2)
        look = {"fmt": marker[agent], "color": colour[agent], "markersize": 4, "clip_on": False}
        errorbars(axis, rows, at, horizontal=horizontal, markeredgewidth=0, **look)
        if seeds:
            draw_runs(axis, rows, at, horizontal=horizontal, color=colour[agent])
    band = axis.axhspan if horizontal else axis.axvspan
    for index in range(1, len(places), 2):
        band(index - 0.5, index + 0.5, color=style.BAND, linewidth=0, zorder=0)
    if horizontal:
        name_places(axis, list(places.values()))
    else:
        axis.set_xticks(range(len(places)), list(places.values()))
        axis.tick_params(axis="x", length=0)
        axis.set_xlim(-0.5, len(places) - 0.5)
    axis.grid(axis="x" if horizontal else "y")


def draw_reference(axis: Axes, value: float, words: str, *, above: bool) -> None:
    """A dashed line across at a value, and its name at the left end, above or below the line."""
    axis.axhline(value, color=style.GREY, linewidth=0.8, linestyle=style.DASHES)
    axis.annotate(
        words,
        (0, value),
        xycoords=("axes fraction", "data"),
        xytext=(2, 2 if above else -2),
        textcoords="offset points",
        verticalalignment="bottom" if above else "top",
        color=style.GREY,
        fontsize=6.5,
        path_effects=[withStroke(linewidth=1.5, foreground="white", alpha=0.7)],
    )
