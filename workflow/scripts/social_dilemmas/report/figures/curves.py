"""Quantities over the course of training: the mean over seeds, and how far the seeds lie apart.

Payoffs, by algorithm or for naive RL by base model, are drawn next to those of greedy and of welfare-optimal play.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.panels import draw_reference, grid
from social_dilemmas.report.names import in_order
from social_dilemmas.statistics.references import OPTIMAL, references

MEAN, LOWEST, HIGHEST = "mean over seeds", "lowest seed", "highest seed"
REFERENCE = "reference"  # the line of payoffs that curves are compared with
NAIVE = "naive"


def summarise(curves: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """One quantity of the table of learning curves: each seed, and their mean and range.

    Columns model, game, algorithm, line (one of the constants above or "seed N"), iteration, value. Iterations in which
    a seed observed nothing, such as one that met none but past agents, are left out; for mean and range its line goes
    straight on to the next. Before the last seed's first value, and after the first one's last, there is no mean.
    """
    rows = curves[curves["quantity"] == quantity].dropna(subset="value")
    keys = ["model", "game", "algorithm"]
    parts = [rows.assign(line="seed " + rows["seed"].astype(str))]
    for names, group in rows.groupby(keys, sort=False):
        by_seed = group.pivot(index="iteration", columns="seed", values="value")
        joined = by_seed.interpolate("index", limit_area="inside").dropna()
        for line, statistic in ((MEAN, "mean"), (LOWEST, "min"), (HIGHEST, "max")):
            values = joined.agg(statistic, axis=1).rename("value").reset_index()
            of_all = dict(zip(keys, map(str, names), strict=True))
            parts.append(values.assign(line=line, **of_all))
    return pd.concat(parts, ignore_index=True)[[*keys, "line", "iteration", "value"]]


def table(curves: pd.DataFrame, quantity: str = "payoff", naive: bool = False) -> pd.DataFrame:
    """Columns as from `summarise`. Payoffs also have references: their line is "reference", they have no iteration, and
    their name is the algorithm. For naive RL there is no column algorithm, and the name is the model.
    """
    curves = curves[curves["algorithm"] == NAIVE] if naive else curves
    shown = summarise(curves, quantity)
    if quantity != "payoff":
        return shown
    names = {"reference": "model" if naive else "algorithm", "payoff": "value"}
    lines = references(curves["game"].unique()).rename(columns=names).assign(line=REFERENCE)
    if naive:
        shown = shown.drop(columns="algorithm")[["game", "model", "line", "iteration", "value"]]
    else:
        lines = curves[["model", "game"]].drop_duplicates().merge(lines)
    return pd.concat([shown, lines], ignore_index=True)


@style.in_style
def draw(table: pd.DataFrame) -> Figure:
    """One panel per game, and by algorithm a row of panels per model; a single base model looks like naive RL."""
    is_reference = table["line"] == REFERENCE
    label = "Payoff per round (points)" if is_reference.any() else "Invalid replies a round"
    row = 2.1 if is_reference.any() else 1.8
    if "algorithm" in table:
        algorithms = in_order(table.loc[~is_reference, "algorithm"])
    else:
        models, row = sorted(table.loc[~is_reference, "model"].unique()), 1.95
        algorithms = [NAIVE] if len(models) == 1 else models
        names = dict(zip(models, algorithms, strict=True))
        table = table.assign(algorithm=table["model"].replace(names), model="")

    def panel(axis: Axes, game: str, rows: pd.DataFrame) -> None:
        drawn = rows["line"] == REFERENCE
        draw_curves(axis, rows[~drawn], algorithms)
        for name, payoff in rows[drawn].set_index("algorithm")["value"].items():
            draw_reference(axis, payoff, str(name), above=name == OPTIMAL)
        if drawn.any():
            axis.margins(y=0.12)  # room for the names
        else:
            top = max(1.1 * rows["value"].max(), 0.1)
            axis.set_ylim(-0.01 * top, top)  # a line at 0 is fully visible

    figure = grid(table, panel, row=row, label=label)
    style.legend(figure, algorithms, lines=True)
    return figure


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
        colour = colours[algorithm]
        # Runs that observed the quantity at different times have no mean.
        lines = lines.reindex(columns=lines.columns.union([MEAN, LOWEST, HIGHEST]))
        band = lines[[LOWEST, HIGHEST]].dropna()
        axis.fill_between(band.index, *band.to_numpy().T, color=colour, alpha=0.15, linewidth=0)
        for seed in lines.columns.difference([MEAN, LOWEST, HIGHEST]):
            seen = lines[seed].dropna()
            axis.plot(seen.index, seen, color=colour, alpha=0.35, linewidth=0.5)
        mean = lines[MEAN].dropna()
        axis.plot(mean.index, mean, color=colour, linestyle=linestyle)
    axis.set_xlabel("Training iteration")
    axis.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], integer=True))
    axis.margins(x=0)
    axis.grid(axis="y")
