"""How often messages are true: whether they name what the sender really holds."""

import pandas as pd
from matplotlib.figure import Figure

from social_dilemmas.agents.agent import EVERYONE, ITSELF
from social_dilemmas.games import named_game
from social_dilemmas.games.talk import TRUTHFULNESS
from social_dilemmas.report.figures import panels as shared
from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.curves import draw_curves, summarise
from social_dilemmas.report.names import game_title, in_order, readable
from social_dilemmas.statistics.tables import as_reported, is_scripted

LABEL = "Share of true messages"
CROSS_PLAY = "cross-play"


def table(curves: pd.DataFrame, fingerprints: pd.DataFrame) -> pd.DataFrame:
    """Columns as from `curves.summarise`, and, with the line "cross-play", of each trained agent after training:
    opponent (scripted, "everyone", or "itself" in self-play), value, low, high.
    """
    rows = as_reported(fingerprints[fingerprints["quantity"] == TRUTHFULNESS])
    itself = rows["opponent"] == rows["agent"]
    others = is_scripted(rows, "opponent") | (rows["opponent"] == EVERYONE)
    rows = rows.assign(opponent=rows["opponent"].mask(itself, ITSELF), line=CROSS_PLAY)
    rows = rows[~is_scripted(rows, "agent") & (itself | others)]
    rows = rows.rename(columns={"agent": "algorithm", "mean": "value"})
    columns = ["model", "game", "algorithm", "line", "opponent", "value", "low", "high"]
    return pd.concat([summarise(curves, TRUTHFULNESS), rows[columns]], ignore_index=True)


@style.in_style
def draw(table: pd.DataFrame) -> Figure:
    """Two panels for each game and model: in training, and in cross-play."""
    agents, lines = in_order(table["algorithm"]), list(shared.blocks(table))
    size = style.WIDTH, 3.0 * len(lines) + 0.35
    figure, axes = shared.panels(len(lines), 2, *size, width_ratios=(1.15, 1))
    several = table["game"].nunique() > 1
    for (left, right), (game, model, part) in zip(axes, lines, strict=True):
        name = ", ".join(filter(None, (game_title(game) if several else "", model)))
        chance = getattr(named_game(game), "true_by_chance", None)
        played = part["line"] == CROSS_PLAY
        draw_curves(left, part[~played], in_order(part.loc[~played, "algorithm"]))
        left.set_ylabel(LABEL)
        left.set_ylim(0, 1.02)
        if chance is not None:
            shared.draw_reference(left, chance, "saying something at random", above=False)
            right.axvline(chance, color=style.GREY, linewidth=0.8, linestyle=style.DASHES)
        shared.title(left, "In training", name, ", ")
        rows = part[played].rename(columns={"algorithm": "agent", "value": "mean"})
        opponents = sorted(in_order(rows["opponent"]), key=lambda name: name != ITSELF)
        places = {name: readable(name) for name in opponents}
        shared.draw_points(right, rows, places, "opponent", agents)
        right.set_xlim(0, 1)
        right.set_xlabel(LABEL)
        shared.title(right, "After training, by opponent", name, ", ")
    style.legend(figure, agents)
    return figure
