"""Who takes over a population: from all shares of three agents, from equal shares of all, and when rare."""

from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from seaborn import heatmap

from social_dilemmas.agents.agent import CLONE_PREFIX, WARM_START
from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.panels import blocks, panels, title
from social_dilemmas.report.names import game_title, in_order, readable
from social_dilemmas.statistics.intervals import seeds_of_text
from social_dilemmas.statistics.population import STEPS, TIME, from_equal_shares
from social_dilemmas.statistics.quantities import GROWTH, PAYOFF
from social_dilemmas.statistics.replicator import Floats, rest_points
from social_dilemmas.statistics.tables import is_scripted

CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(3) / 2]])  # (3, x and y)
SHARE, MEAN = "share", "mean"
GRID = 60  # places of the flow, along each axis
HEIGHT = 2.75  # inches, of each game and model


def table(population: pd.DataFrame) -> pd.DataFrame:
    """Payoffs and growth when rare as they are, and shares from equal ones on.

    Columns of `statistics.population.population`, and of the quantity "share" also time and seed (the place of the
    seed, or "mean" over all).
    """
    parts = [population[population["quantity"].isin([PAYOFF, GROWTH])]]
    for game, model, rows in blocks(population):
        payoffs = payoffs_by_seed(rows)
        agents = agents_of(rows)
        paths = np.stack([from_equal_shares(each) for each in payoffs])
        for seed, path in [*enumerate(paths), (MEAN, paths.mean(axis=0))]:
            wide = pd.DataFrame(path, columns=agents).assign(time=np.linspace(0, TIME, STEPS + 1))
            long = wide.melt("time", var_name="agent", value_name="mean")
            keys = {"model": model or population["model"].iloc[0], "game": game}
            parts.append(long.assign(**keys, quantity=SHARE, seed=str(seed)))
    return pd.concat(parts, ignore_index=True)


def payoffs_by_seed(rows: pd.DataFrame, agents: list[str] | None = None) -> list[Floats]:
    """The payoffs (agents, agents) of each seed, from a table of `statistics.population.population` of one game."""
    rows, agents = rows[rows["quantity"] == PAYOFF], agents or agents_of(rows)
    cells = [seeds_of_text(cell) for cell in rows["by_seed"]]
    seeds = max(map(len, cells))  # where neither agent has seeds there is one value for all
    values = pd.DataFrame([cell * seeds if len(cell) == 1 else cell for cell in cells])
    index = [rows["agent"], rows["opponent"]]
    return [
        column.set_axis(index).unstack().loc[agents, agents].to_numpy()
        for _, column in values.items()
    ]


def agents_of(rows: pd.DataFrame) -> list[str]:
    """Who there is: agents trained by self-play first; the warm start, clones and scripted players last."""
    names, scripted = in_order(rows["agent"]), set(rows.loc[is_scripted(rows, "agent"), "agent"])
    others = {*scripted, WARM_START, *(name for name in names if name.startswith(CLONE_PREFIX))}
    return sorted(names, key=lambda name: name in others)


@style.in_style
def draw(table: pd.DataFrame) -> Figure:
    """A row of three panels for each game and model."""
    lines = list(blocks(table))
    size = style.WIDTH + 1.4, HEIGHT * len(lines)
    figure, axes = panels(len(lines), 3, *size, width_ratios=(1, 1, 1.25))
    for row, (game, model, rows) in zip(axes, lines, strict=True):
        _draw_simplex(row[0], rows[rows["quantity"] == PAYOFF])
        _draw_shares(row[1], rows[rows["quantity"] == SHARE])
        _draw_invasion(row[2], rows[rows["quantity"] == GROWTH])
        title(row[0], game_title(game), model)
    return figure


def _draw_simplex(axis: Axes, rows: pd.DataFrame) -> None:
    """The flow among the first three agents, its rest points, and each seed's way from equal shares."""
    axis.set_axis_off()
    agents = agents_of(rows)[:3]
    if len(agents) < len(CORNERS):
        return
    seeds = payoffs_by_seed(rows, agents)
    payoffs = np.mean(seeds, axis=0)
    x, y = np.linspace(0, 1, GRID), np.linspace(0, CORNERS[2, 1], GRID)
    inverse = np.linalg.inv(np.column_stack([CORNERS, np.ones(3)]))  # from (x, y, 1) to shares
    places = np.stack([*np.meshgrid(x, y), np.ones((GRID, GRID))], axis=-1)
    shares = places @ inverse
    gains = shares @ payoffs.T
    change = shares * (gains - (shares * gains).sum(axis=-1, keepdims=True))
    change[(shares < 0).any(axis=-1)] = np.nan
    flow = change @ CORNERS
    look: Any = {"color": style.GREY, "linewidth": 0.5, "arrowsize": 0.6, "density": 0.8}
    axis.streamplot(x, y, flow[..., 0], flow[..., 1], **look)
    axis.fill(*CORNERS.T, edgecolor="black", facecolor="none", linewidth=0.8)
    for each in seeds:
        way = from_equal_shares(each) @ CORNERS
        axis.plot(*way.T, color="black", linewidth=0.9)
        axis.plot(*way[-1], "x", color="black", markersize=4, clip_on=False)
    for point in rest_points(payoffs):
        face = "black" if point.stable else "white"
        place = point.shares @ CORNERS
        axis.plot(*place, "o", color="black", markerfacecolor=face, markersize=5, clip_on=False)
    colours = style.colours(agents)
    for name, (x_, y_) in zip(agents, CORNERS, strict=True):
        at: Any = {"xytext": (8, -2) if y_ else (0, -8), "textcoords": "offset points"}
        at |= {"horizontalalignment": "left" if y_ else "center"}
        at |= {"verticalalignment": "baseline" if y_ else "top"}
        axis.annotate(readable(name), (x_, y_), color=colours[name], **at)
    axis.set_aspect("equal")
    axis.margins(0.12)


def _draw_shares(axis: Axes, shares: pd.DataFrame) -> None:
    """Shares from equal ones on: thick the mean over seeds, thin each seed."""
    colours = style.colours(shares["agent"])
    for (agent, seed), rows in shares.groupby(["agent", "seed"], sort=False):
        look: Any = {"linewidth": 1.8} if seed == MEAN else {"linewidth": 0.5, "alpha": 0.6}
        axis.plot(rows["time"], rows["mean"], color=colours[str(agent)], **look)
    axis.set_xscale("symlog", linthresh=1)
    axis.set_xticks([0, 1, 10, TIME], ["0", "1", "10", f"{TIME:g}"])
    axis.set_xlim(0, TIME)
    axis.set_ylim(0, 1)
    axis.set_ylabel("Share of the population")
    axis.set_xlabel("Time (logarithmic from 1 on)")
    axis.grid(axis="y")


def _draw_invasion(axis: Axes, rows: pd.DataFrame) -> None:
    """Growth of a rare agent (down) among others (across), and in how many seeds it grows; in the lines' colours."""
    names = agents_of(rows)
    colours = style.colours(names)
    rows = rows[rows["agent"] != rows["opponent"]]
    digits = 2 if rows["mean"].abs().max() < 10 else 1
    values = (rows["mean"].round(digits) + 0.0).map(f"{{:+.{digits}f}}".format)
    above, seeds = (
        rows[column].astype(int).astype(str) for column in ("seeds_above_zero", "seeds")
    )
    rows = rows.assign(label=values.str.replace("-", "−") + "\n" + above + "/" + seeds)
    growth, texts = (
        rows.pivot(index="agent", columns="opponent", values=column).reindex(names, columns=names)
        for column in ("mean", "label")
    )
    heatmap(
        growth,
        cmap="PuOr_r",
        center=0,
        annot=texts.fillna(""),
        fmt="",
        annot_kws={"fontsize": 5.5, "linespacing": 1.2, "in_layout": False},
        cbar=False,
        xticklabels=[fill(readable(name), 10, break_long_words=False) for name in names],
        yticklabels=[readable(name) for name in names],
        linewidths=0.5,
        ax=axis,
    )
    axis.tick_params(length=0, labelsize=6.5)
    axis.tick_params(axis="x", labelrotation=90)
    axis.tick_params(axis="y", labelrotation=0)
    for labels in (axis.get_xticklabels(), axis.get_yticklabels()):
        for label, name in zip(labels, names, strict=True):
            label.set(color=colours[name], fontweight="bold")
    axis.set_xlabel("Residents")
    axis.set_ylabel("Rare newcomer")
