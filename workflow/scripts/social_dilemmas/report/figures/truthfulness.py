"""Trust-and-Split: how often messages name the hand that the sender really holds."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.curves import draw_curves, summarise
from social_dilemmas.report.figures.panels import (
    blocks,
    draw_points,
    draw_reference,
    name_places,
    panels,
    title,
)
from social_dilemmas.report.names import in_order, readable
from social_dilemmas.statistics.tables import EVERYONE, ITSELF, as_reported, is_scripted

QUANTITY = "truthfulness"
CHANCE = 1 / 3
CROSS_PLAY = "cross-play"
LABEL = "Share of true messages"


def table(curves: pd.DataFrame, fingerprints: pd.DataFrame) -> pd.DataFrame:
    """Columns as from `curves.summarise`, and, with the line "cross-play", of each trained agent
    after training: opponent (scripted, "everyone", or "itself" in self-play), value, low, high.
    """
    rows = as_reported(fingerprints[fingerprints["quantity"] == QUANTITY])
    itself = rows["opponent"] == rows["agent"]
    others = is_scripted(rows, "opponent") | (rows["opponent"] == EVERYONE)
    rows = rows.assign(opponent=rows["opponent"].mask(itself, ITSELF), line=CROSS_PLAY)
    rows = rows[~is_scripted(rows, "agent") & (itself | others)]
    rows = rows.rename(columns={"agent": "algorithm", "mean": "value"})
    columns = ["model", "game", "algorithm", "line", "opponent", "value", "low", "high"]
    return pd.concat([summarise(curves, QUANTITY), rows[columns]], ignore_index=True)


@style.in_style
def draw(table: pd.DataFrame) -> Figure:
    """Two panels for each game with messages and each model: in training, and in cross-play."""
    agents, lines = in_order(table["algorithm"]), list(blocks(table))
    figure, axes = panels(
        len(lines), 2, style.WIDTH, 3.0 * len(lines) + 0.35, width_ratios=(1.15, 1)
    )
    for (left, right), (_, model, part) in zip(axes, lines, strict=True):
        played = part["line"] == CROSS_PLAY
        draw_curves(left, part[~played], in_order(part.loc[~played, "algorithm"]))
        left.set_ylabel(LABEL)
        left.set_ylim(0, 1.02)
        draw_reference(left, CHANCE, "naming a hand at random", above=False)
        title(left, "In training", model, ", ")
        _draw_cross_play(right, part[played], agents)
        title(right, "After training, by opponent", model, ", ")
    style.legend(figure, agents)
    return figure


def _draw_cross_play(axis: Axes, rows: pd.DataFrame, agents: list[str]) -> None:
    """Every agent's truthfulness with every opponent, itself first."""
    rows = rows.rename(columns={"algorithm": "agent", "value": "mean"})
    places = sorted(in_order(rows["opponent"]), key=lambda name: name != ITSELF)
    draw_points(axis, rows, places, "opponent", agents)
    name_places(axis, [readable(name) for name in places])
    axis.axvline(CHANCE, color=style.GREY, linewidth=0.8, linestyle=style.DASHES)
    axis.set_xlim(0, 1)
    axis.set_xlabel(LABEL)
