"""Payoffs of two learners at once, while each learns against the other."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from social_dilemmas.agents.agent import LEARNERS
from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.curves import REFERENCE, draw_curves, summarise
from social_dilemmas.report.figures.panels import blocks, draw_reference, panels
from social_dilemmas.report.names import game_title, in_order, readable
from social_dilemmas.statistics.references import OPTIMAL, references
from social_dilemmas.statistics.tables import VERSUS

DASHES: dict[str, Any] = dict(zip(LEARNERS, ("-", style.DASHES), strict=True))


def table(curves: pd.DataFrame) -> pd.DataFrame:
    """Columns as from `curves.summarise`, pair and learner; references have no pair, learner or iteration, and their
    name is the algorithm.
    """
    parts = [
        summarise(rows, "payoff").assign(pair=rows["pair"].iloc[0], learner=rows["learner"].iloc[0])
        for _, rows in curves.groupby(["pair", "learner"], sort=False)
    ]
    names = {"reference": "algorithm", "payoff": "value"}
    lines = references(curves["game"].unique()).rename(columns=names).assign(line=REFERENCE)
    lines = curves[["model", "game"]].drop_duplicates().merge(lines)
    columns = ["model", "game", "pair", "learner", "algorithm", "line", "iteration", "value"]
    return pd.concat([*parts, lines], ignore_index=True)[columns]


@style.in_style
def draw(table: pd.DataFrame) -> Figure:
    """A row of panels for each game and model, a panel for each pair."""
    is_reference = table["line"] == REFERENCE
    algorithms = in_order(table.loc[~is_reference, "algorithm"])
    pairs, rows = list(table["pair"].dropna().unique()), list(blocks(table))
    width = max(style.WIDTH * len(pairs) / 3, 4.8)
    figure, axes = panels(len(rows), len(pairs), width, 2.0 * len(rows) + 0.35, sharey="row")
    for line, (game, model, part) in zip(axes, rows, strict=True):
        for axis, pair in zip(line, pairs, strict=True):
            _draw_pair(axis, part[part["pair"] == pair], part[part["line"] == REFERENCE])
            words = " and\n".join(map(readable, pair.split(VERSUS)))
            axis.set_title(words, loc="left")
        named = ", ".join(filter(None, (game_title(game), model)))
        line[0].set_ylabel(f"{named}\npoints a round")
    others = [
        Line2D([], [], color="black", linestyle=dashes, label=f"{learner} learner")
        for learner, dashes in DASHES.items()
    ]
    style.legend(figure, algorithms, lines=True, others=others)
    return figure


def _draw_pair(axis: Axes, curves: pd.DataFrame, lines: pd.DataFrame) -> None:
    """Both learners' payoffs, and the payoffs that they are compared with."""
    for learner, dashes in DASHES.items():
        rows = curves[curves["learner"] == learner]
        draw_curves(axis, rows, in_order(rows["algorithm"]), linestyle=dashes)
    for name, payoff in lines.set_index("algorithm")["value"].items():
        draw_reference(axis, payoff, str(name), above=name == OPTIMAL)
    axis.margins(y=0.12)  # room for the names
