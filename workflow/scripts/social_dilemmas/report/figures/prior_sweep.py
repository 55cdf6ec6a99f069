"""What training makes of warm starts with more or less reciprocity."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from social_dilemmas.agents.agent import ITSELF
from social_dilemmas.agents.roles import GREEDY_PLAYERS
from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.panels import draw_runs, errorbars, panel_keys, panels, title
from social_dilemmas.report.names import game_title, in_order
from social_dilemmas.statistics.quantities import NORMALISED_PAYOFF, NORMALISED_WELFARE

ROWS = {
    NORMALISED_WELFARE: "Normalised welfare in self-play",
    NORMALISED_PAYOFF: "Normalised payoff\nagainst a greedy player",
}


def table(prior_sweep: pd.DataFrame) -> pd.DataFrame:
    """Welfare in self-play, and own payoffs against greedy players."""
    itself = (prior_sweep["opponent"] == ITSELF) & (prior_sweep["quantity"] == NORMALISED_WELFARE)
    greedy = prior_sweep["opponent"].isin(GREEDY_PLAYERS)
    greedy &= prior_sweep["quantity"] == NORMALISED_PAYOFF
    return prior_sweep[itself | greedy].reset_index(drop=True)


@style.in_style
def draw(table: pd.DataFrame) -> Figure:
    """A column of two panels for each game and model: mean and interval of each agent, and every seed as a point."""
    models, games = panel_keys(table)
    places = [(game, model) for game in games for model in models]
    agents = in_order(table["agent"])
    width = style.WIDTH * max(len(places), 2) / 3 + 0.6
    figure, axes = panels(len(ROWS), len(places), width, 4.2, sharex=True, sharey="row")
    for column, (game, model) in zip(axes.T, places, strict=True):
        here = table[(table["game"] == game) & (table["model"] == model)]
        for axis, quantity in zip(column, ROWS, strict=True):
            _draw_panel(axis, here[here["quantity"] == quantity], agents)
        title(column[0], game_title(game), model if len(models) > 1 else "")
        column[0].set_ylim(min(0, table["mean"].min()) - 0.1, 1.1)  # intervals may reach further
        column[-1].set_xlabel("Share of reciprocal players\nin the warm start's population (%)")
    for axis, words in zip(axes[:, 0], ROWS.values(), strict=True):
        axis.set_ylabel(words)
    style.legend(figure, agents)
    return figure


def _draw_panel(axis: Axes, rows: pd.DataFrame, agents: list[str]) -> None:
    """Agents side by side at each share, and beside each mean its seeds."""
    colours, markers = style.colours(agents), style.markers(agents)
    step = 100 * np.diff(np.unique(rows["share"])).min(initial=1) / 6
    for index, agent in enumerate(agents):
        own = rows[rows["agent"] == agent].sort_values("share")
        at = 100 * own["share"].to_numpy(float) + step * (index - (len(agents) - 1) / 2)
        look: Any = {"color": colours[agent], "markersize": 5}
        errorbars(axis, own, at, horizontal=False, fmt=markers[agent], **look)
        axis.plot(at, own["mean"], color=colours[agent], alpha=0.5)
        draw_runs(axis, own, at + step / 3, horizontal=False, color=colours[agent])
    axis.set_xticks(100 * np.unique(rows["share"]))
    axis.grid(axis="y")
