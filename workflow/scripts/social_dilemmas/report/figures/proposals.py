"""Trust-and-Split: coins asked for by hand, and with the lower hand by how the other behaved."""

import pandas as pd
from matplotlib.figure import Figure

from social_dilemmas.agents.agent import EVERYONE
from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.panels import blocks, draw_points, of_kind, panels, title
from social_dilemmas.report.names import in_order
from social_dilemmas.statistics.tables import as_reported, is_scripted

KIND, COINS = "trust_and_split", 10
BY_HAND = {"coins_upper_hand": "upper hand", "coins_lower_hand": "lower hand"}
BY_TREATMENT = {
    "coins_lower_at_start": "before any\ntreatment",
    "coins_lower_after_fair": "after the other\nleft it the coins",
    "coins_lower_after_grab": "after the other\ngrabbed them",
}
PANELS = {
    "By hand, in self-play": BY_HAND,
    "With the lower hand, against all opponents": BY_TREATMENT,
}


def table(fingerprints: pd.DataFrame) -> pd.DataFrame:
    """Coins asked for, by hand in self-play, by treatment with all opponents together."""
    rows = as_reported(of_kind(fingerprints, KIND))
    by_hand = (rows["agent"] == rows["opponent"]) & rows["quantity"].isin(BY_HAND)
    by_treatment = (rows["opponent"] == EVERYONE) & rows["quantity"].isin(BY_TREATMENT)
    shown = (by_hand | by_treatment) & ~is_scripted(rows, "agent")
    return rows[shown].reset_index(drop=True)


@style.in_style
def draw(table: pd.DataFrame) -> Figure:
    """Two panels for each model."""
    agents, lines = in_order(table["agent"]), list(blocks(table))
    height, widths = 2.3 * len(lines) + 0.35, [*map(len, PANELS.values())]
    figure, axes = panels(len(lines), 2, style.WIDTH, height, sharey=True, width_ratios=widths)
    for row, (_, model, rows) in zip(axes, lines, strict=True):
        for axis, (heading, words) in zip(row, PANELS.items(), strict=True):
            draw_points(axis, rows, words, "quantity", agents, horizontal=False)
            title(axis, heading, model, ", ")
        row[0].set_ylabel("Coins asked for")
        row[0].set_ylim(0, max(COINS, rows["high"].max()))
    style.legend(figure, agents)
    return figure
