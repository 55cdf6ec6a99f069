"""Quantities over the course of training: the mean over seeds, and how far the seeds lie apart."""

from collections.abc import Iterable, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.panels import draw_reference, grid
from social_dilemmas.statistics.references import OPTIMAL, references

MEAN, LOWEST, HIGHEST = "mean over seeds", "lowest seed", "highest seed"
REFERENCE = "reference"  # the line of payoffs that curves are compared with
KEYS = ["model", "game", "algorithm", "iteration"]


def summarise(curves: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """One quantity of the table of learning curves, and what its seeds have in common.

    With a few seeds the range from the lowest to the highest one says all that an interval could.

    Returns:
        Columns model, game, algorithm, line, iteration, value; `line` is one of the three constants
        above or "seed N". Iterations in which nothing was observed are left out.
    """
    rows = curves[curves["quantity"] == quantity].dropna(subset="value")
    by_iteration = rows.groupby(KEYS, sort=False)["value"]
    parts = [rows.assign(line="seed " + rows["seed"].astype(str))]
    for line, statistic in ((MEAN, "mean"), (LOWEST, "min"), (HIGHEST, "max")):
        parts.append(by_iteration.agg(statistic).reset_index().assign(line=line))
    columns = ["model", "game", "algorithm", "line", "iteration", "value"]
    return pd.concat(parts, ignore_index=True)[columns]


def references_of(games: Iterable[str], name: str) -> pd.DataFrame:
    """Payoffs that curves are compared with: columns game, `name` (what it is), value, line."""
    found = references(games).rename(columns={"reference": name, "payoff": "value"})
    return found.assign(line=REFERENCE)


def draw_curves(
    axis: Axes,
    table: pd.DataFrame,
    algorithms: Sequence[str],
    linestyle: str | tuple[int, tuple[int, int]] = "-",
) -> None:
    """Draw rows of `summarise`: the mean as a line, seeds as thin lines, their range as a band."""
    colour = style.colours(algorithms)
    for algorithm in algorithms:
        rows = table[table["algorithm"] == algorithm]
        lines = rows.pivot(index="iteration", columns="line", values="value")
        if lines.empty:
            continue
        axis.fill_between(
            lines.index,
            lines[LOWEST],
            lines[HIGHEST],
            color=colour[algorithm],
            alpha=0.15,
            linewidth=0,
        )
        for name in lines.columns.difference([MEAN, LOWEST, HIGHEST]):
            axis.plot(lines.index, lines[name], color=colour[algorithm], alpha=0.35, linewidth=0.5)
        axis.plot(lines.index, lines[MEAN], color=colour[algorithm], linestyle=linestyle)
    axis.set_xlabel("Training iteration")
    axis.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], integer=True))
    axis.margins(x=0)
    axis.grid(axis="y")


def draw_payoffs(table: pd.DataFrame, algorithms: Sequence[str], row: float) -> Figure:
    """Curves of payoffs next to the payoffs that they are compared with, whose name is in the
    column algorithm; one panel per game, and a row of panels, `row` inches high, per model.
    """

    def panel(axis: Axes, game: str, rows: pd.DataFrame) -> None:
        is_reference = rows["line"] == REFERENCE
        draw_curves(axis, rows[~is_reference], algorithms)
        for name, payoff in rows[is_reference].set_index("algorithm")["value"].items():
            draw_reference(axis, payoff, str(name), above=name == OPTIMAL)
        axis.margins(y=0.12)  # room for the names

    figure = grid(table, panel, row=row, label="Payoff per round (points)")
    style.legend(figure, algorithms, lines=True)
    return figure
