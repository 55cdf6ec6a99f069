"""What cooperation owes to messages: self-play with messages as they are sent, shuffled, and without any."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.panels import (
    draw_reference,
    draw_seeds,
    errorbars,
    grid,
    seeds_of,
)
from social_dilemmas.report.names import in_order, readable
from social_dilemmas.statistics.quantities import PAYOFF
from social_dilemmas.statistics.references import OPTIMAL, references
from social_dilemmas.statistics.tables import ALL_SEEDS, is_scripted

MARKERS = {"as_sent": "o", "shuffled": "s", "none": "X"}
WORDS = {"as_sent": "messages as sent", "shuffled": "shuffled", "none": "none"}


def table(messages: pd.DataFrame) -> pd.DataFrame:
    """Points a round of all agents under each condition."""
    return messages[messages["quantity"] == PAYOFF].reset_index(drop=True)


@style.in_style
def draw(table: pd.DataFrame) -> Figure:
    """One panel per game, and a row of panels per model; agents side by side, conditions within."""
    lines = references(table["game"].unique())
    trained = in_order(table.loc[~is_scripted(table, "agent"), "agent"])
    colours = style.colours(trained)

    def panel(axis: Axes, game: str, rows: pd.DataFrame) -> None:
        agents = in_order(rows["agent"])
        for place, agent in enumerate(agents):
            colour = colours[agent] if agent in trained else style.GREY
            for offset, (condition, marker) in zip((-0.22, 0, 0.22), MARKERS.items(), strict=True):
                own = rows[(rows["agent"] == agent) & (rows["condition"] == condition)]
                draw_seeds(
                    axis, seeds_of(own), place + offset + 0.08, color=colour, horizontal=False
                )
                look: Any = {"fmt": marker, "color": colour, "markersize": 4.5}
                point = own[own["seed"] == ALL_SEEDS]
                errorbars(axis, point, [place + offset], horizontal=False, **look)
        for _, name, payoff in lines[lines["game"] == game].itertuples(index=False):
            draw_reference(axis, payoff, str(name), above=name == OPTIMAL)
        axis.set_xticks(
            range(len(agents)), [readable(agent).replace(" ", "\n") for agent in agents]
        )
        axis.tick_params(axis="x", length=0)
        axis.set_xlim(-1.2, len(agents) - 0.5)  # room for the names of the lines
        axis.margins(y=0.12)

    most = table.groupby("game")["agent"].nunique().max()
    width = max(0.7 * most, 3) * table["game"].nunique() + 0.6
    figure = grid(table, panel, row=2.4, width=width, label="Payoff per round (points)")
    look: Any = {"linestyle": "", "color": style.GREY, "markersize": 4.5}
    handles = [
        Line2D([], [], marker=marker, label=WORDS[condition], **look)
        for condition, marker in MARKERS.items()
    ]
    style.legend(figure, [], others=handles)
    return figure
