"""What agents do under what they weren't trained on, beside the untrained model."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from social_dilemmas.agents.agent import ITSELF
from social_dilemmas.agents.roles import COOPERATOR, DEFECTOR
from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.panels import blocks, draw_points, panels, title
from social_dilemmas.report.names import game_title, in_order, readable
from social_dilemmas.statistics.quantities import COOPERATION, NORMALISED_PAYOFF

PANELS = {
    ITSELF: (COOPERATION, "Cooperation with itself"),
    COOPERATOR: (COOPERATION, "Cooperation with a cooperator"),
    DEFECTOR: (NORMALISED_PAYOFF, "Payoff against a defector\n(0: the most possible)"),
}
"""By the opponent: what is shown, and in words."""


def table(generalisation: pd.DataFrame) -> pd.DataFrame:
    """Cooperation with itself and with a cooperator, and the normalised payoff against a defector."""
    wanted = {opponent: quantity for opponent, (quantity, _) in PANELS.items()}
    shown = generalisation["quantity"] == generalisation["opponent"].map(wanted)
    return generalisation[shown].reset_index(drop=True)


@style.in_style
def draw(table: pd.DataFrame) -> Figure:
    """A row of three panels for each game and model; variations down, agents side by side in each."""
    lines = list(blocks(table))
    agents = in_order(table["agent"])
    counts = [rows["variation"].nunique() for _, _, rows in lines]
    step = 0.08 * len(agents) + 0.08  # inches, of a variation
    height = step * sum(counts) + 0.85 * len(lines) + 0.3
    figure, axes = panels(len(lines), 3, style.WIDTH, height, height_ratios=counts)
    for row, (game, model, rows) in zip(axes, lines, strict=True):
        for axis, (opponent, (_, words)) in zip(row, PANELS.items(), strict=True):
            _draw_panel(axis, rows[rows["opponent"] == opponent], agents)
            axis.set_xlabel(words)
            if axis is not row[0]:
                axis.set_yticklabels([])
        title(row[0], game_title(game), model, ", ")
    style.legend(figure, agents)
    return figure


def _draw_panel(axis: Axes, rows: pd.DataFrame, agents: list[str]) -> None:
    places = {name: readable(name) for name in rows["variation"].unique()}
    draw_points(axis, rows, places, "variation", agents, seeds=True)
    line: Any = {"color": style.GREY, "linewidth": 0.6, "linestyle": style.DASHES, "zorder": 0}
    if (rows["quantity"] == COOPERATION).all():
        axis.set_xlim(-0.05, 1.05)
    else:
        axis.axvline(0, **line)
        axis.margins(x=0.08)
