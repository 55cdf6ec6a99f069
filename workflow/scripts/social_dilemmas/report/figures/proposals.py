"""Trust-and-Split: coins asked for by hand, and with the lower hand by how the other behaved."""

import pandas as pd
from matplotlib.figure import Figure

from social_dilemmas.agents.scripted.player import scripted_player_names
from social_dilemmas.report.figures import style
from social_dilemmas.report.names import in_order
from social_dilemmas.statistics.tables import EVERYONE, SAME_SEED

GAME = "trust_and_split"
BY_HAND = {"coins_upper_hand": "upper hand", "coins_lower_hand": "lower hand"}
BY_TREATMENT = {
    "coins_lower_at_start": "before any\ntreatment",
    "coins_lower_after_fair": "after the other\nleft it the coins",
    "coins_lower_after_grab": "after the other\ngrabbed them",
}
COINS = 10


def table(fingerprints: pd.DataFrame) -> pd.DataFrame:
    """What the figure shows: by hand in self-play, by treatment with all opponents together.

    Args:
        fingerprints: the table of `tables.fingerprints`.
    """
    trained = ~fingerprints["agent"].isin(scripted_player_names(GAME))
    itself = (fingerprints["agent"] == fingerprints["opponent"]) & (
        fingerprints["pairing"] == SAME_SEED
    )
    by_hand = itself & fingerprints["quantity"].isin(BY_HAND)
    by_treatment = (fingerprints["opponent"] == EVERYONE) & fingerprints["quantity"].isin(
        BY_TREATMENT
    )
    shown = (fingerprints["game"] == GAME) & trained & (by_hand | by_treatment)
    return fingerprints[shown].reset_index(drop=True)


@style.in_style
def draw(table: pd.DataFrame) -> Figure:
    """Two panels for each model."""
    models = list(table["model"].unique())
    agents = in_order(table["agent"])
    figure = Figure(figsize=(style.WIDTH, 2.3 * len(models) + 0.35), layout="constrained")
    axes = figure.subplots(
        len(models), 2, squeeze=False, sharey=True, width_ratios=(len(BY_HAND), len(BY_TREATMENT))
    )
    for row, model in enumerate(models):
        part = table[table["model"] == model]
        of_model = f", {model}" if len(models) > 1 else ""
        for axis, words, heading in (
            (axes[row, 0], BY_HAND, "By hand, in self-play"),
            (axes[row, 1], BY_TREATMENT, "With the lower hand, against all opponents"),
        ):
            style.draw_points(axis, part, list(words), "quantity", agents, horizontal=False)
            axis.set_xticks(range(len(words)), list(words.values()))
            axis.tick_params(axis="x", length=0)
            axis.set_title(heading + of_model, loc="left")
        axes[row, 0].set_ylabel("Coins asked for")
        axes[row, 0].set_ylim(0, max(COINS, part["high"].max()))
    style.legend(figure, agents)
    return figure
