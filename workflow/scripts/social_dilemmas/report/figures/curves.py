"""Quantities over the course of training: the mean over seeds, and how far the seeds lie apart."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from social_dilemmas.report.figures import style

MEAN, LOWEST, HIGHEST = "mean over seeds", "lowest seed", "highest seed"
KEYS = ["model", "game", "algorithm", "iteration"]


def summarise(curves: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """One quantity of the table of learning curves: each seed, and their mean and range.

    With a few seeds the range from the lowest to the highest one says all that an interval could.

    Returns:
        Columns model, game, algorithm, line, iteration, value; `line` is one of the three constants above or "seed N".
        Iterations in which nothing was observed are left out.
    """
    rows = curves[curves["quantity"] == quantity].dropna(subset="value")
    by_iteration = rows.groupby(KEYS, sort=False)["value"]
    parts = [rows.assign(line="seed " + rows["seed"].astype(str))]
    for line, statistic in ((MEAN, "mean"), (LOWEST, "min"), (HIGHEST, "max")):
        parts.append(by_iteration.agg(statistic).reset_index().assign(line=line))
    columns = ["model", "game", "algorithm", "line", "iteration", "value"]
    return pd.concat(parts, ignore_index=True)[columns]


def draw_curves(
    axis: Axes, table: pd.DataFrame, algorithms: Sequence[str], linestyle: Any = "-"
) -> None:
    """Draw rows of `summarise`: the mean as a line, seeds as thin lines, their range as a band."""
    colours = style.colours(algorithms)
    for algorithm in algorithms:
        rows = table[table["algorithm"] == algorithm]
        lines = rows.pivot(index="iteration", columns="line", values="value")
        if lines.empty:
            continue
        at, colour = lines.index, colours[algorithm]
        axis.fill_between(at, lines[LOWEST], lines[HIGHEST], color=colour, alpha=0.15, linewidth=0)
        for seed in lines.columns.difference([MEAN, LOWEST, HIGHEST]):
            axis.plot(at, lines[seed], color=colour, alpha=0.35, linewidth=0.5)
        axis.plot(at, lines[MEAN], color=colour, linestyle=linestyle)
    axis.set_xlabel("Training iteration")
    axis.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], integer=True))
    axis.margins(x=0)
    axis.grid(axis="y")
