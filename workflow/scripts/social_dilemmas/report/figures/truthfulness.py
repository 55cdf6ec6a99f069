"""Trust-and-Split: how often messages name the hand that the sender really holds."""

import pandas as pd
from matplotlib.figure import Figure

from social_dilemmas.agents.agent import EVERYONE, ITSELF
from social_dilemmas.report.figures import panels as shared
from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.curves import draw_curves, summarise
from social_dilemmas.report.names import in_order, readable
from social_dilemmas.statistics.tables import as_reported, is_scripted

QUANTITY, LABEL = "truthfulness", "Share of true messages"
KIND, CHANCE = "trust_and_split", 1 / 3
CROSS_PLAY = "cross-play"


def table(curves: pd.DataFrame, fingerprints: pd.DataFrame) -> pd.DataFrame:
    """Columns as from `curves.summarise`, and, with the line "cross-play", of each trained agent after training:
    opponent (scripted, "everyone", or "itself" in self-play), value, low, high.
    """
    curves, fingerprints = (shared.of_kind(each, KIND) for each in (curves, fingerprints))
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
    """Two panels for each model: in training, and in cross-play."""
    agents, lines = in_order(table["algorithm"]), list(shared.blocks(table))
    size = style.WIDTH, 3.0 * len(lines) + 0.35
    figure, axes = shared.panels(len(lines), 2, *size, width_ratios=(1.15, 1))
    for (left, right), (_, model, part) in zip(axes, lines, strict=True):
        played = part["line"] == CROSS_PLAY
        draw_curves(left, part[~played], in_order(part.loc[~played, "algorithm"]))
        left.set_ylabel(LABEL)
        left.set_ylim(0, 1.02)
        shared.draw_reference(left, CHANCE, "naming a hand at random", above=False)
        shared.title(left, "In training", model, ", ")
        rows = part[played].rename(columns={"algorithm": "agent", "value": "mean"})
        opponents = sorted(in_order(rows["opponent"]), key=lambda name: name != ITSELF)
        places = {name: readable(name) for name in opponents}
        shared.draw_points(right, rows, places, "opponent", agents)
        right.axvline(CHANCE, color=style.GREY, linewidth=0.8, linestyle=style.DASHES)
        right.set_xlim(0, 1)
        right.set_xlabel(LABEL)
        shared.title(right, "After training, by opponent", model, ", ")
    style.legend(figure, agents)
    return figure
