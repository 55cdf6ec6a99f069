"""What it costs to leave a part of the method out, or to do it differently."""

import pandas as pd
from matplotlib.figure import Figure

from social_dilemmas.report.figures import style
from social_dilemmas.report.names import game_title, in_order, readable
from social_dilemmas.statistics.tables import ITSELF

COOPERATOR = "welfare_maximising"
COOPERATORS = (COOPERATOR, "always_a")
GREEDY = ("greedy", "always_b")
QUANTITY = {"payoff": "Payoff", "payoff_opponent": "What it leaves"}


def table(ablations: pd.DataFrame) -> pd.DataFrame:
    """What the figure shows: payoffs in self-play, against greedy players, and with cooperators.

    Args:
        ablations: the table of `tables.ablations`.
    """
    payoff = ablations["quantity"] == "payoff"
    left = (ablations["quantity"] == "payoff_opponent") & ablations["opponent"].isin(COOPERATORS)
    shown = ablations["opponent"].isin([ITSELF, *GREEDY, *COOPERATORS]) & (payoff | left)
    return ablations[shown].reset_index(drop=True)


@style.in_style
def draw(table: pd.DataFrame) -> Figure:
    """A row of panels for each game and model; the band is the interval of the method as it is."""
    models = list(table["model"].unique())
    keys = list(dict.fromkeys(zip(table["game"], table["model"], strict=True)))
    by_game = table.groupby("game", sort=False)[
        "agent"
    ].unique()  # as the config lists them, the standard first
    most = by_game.map(len).max()
    figure, axes = style.panels(
        len(keys), 4, style.WIDTH + 1.6, (0.24 * most + 0.8) * len(keys) + 0.2
    )
    for row, (game, model) in enumerate(keys):
        part = table[(table["game"] == game) & (table["model"] == model)]
        variants = list(by_game[game])
        agents = [variant for variant in variants if variant in style.COLOURS] or variants[:1]
        others = in_order(set(part["opponent"]) - {ITSELF})
        panels = [(ITSELF, "payoff"), *((other, "payoff") for other in others)]
        panels += [(other, "payoff_opponent") for other in others if other in COOPERATORS]
        for axis in axes[row, len(panels) :]:
            axis.set_visible(False)
        for axis, (opponent, quantity) in zip(axes[row], panels, strict=False):
            rows = part[(part["opponent"] == opponent) & (part["quantity"] == quantity)]
            for place, variant in enumerate(variants):
                found = rows[rows["agent"] == variant]
                if found.empty:
                    continue
                mean, low, high = (float(found[end].iloc[0]) for end in ("mean", "low", "high"))
                standard = variant in agents
                if standard:
                    axis.axvspan(low, high, color=style.colours(agents)[variant], alpha=0.13, lw=0)
                matters = not standard and bool(found["matters"].iloc[0])
                axis.errorbar(
                    mean,
                    place,
                    xerr=[[max(mean - low, 0)], [max(high - mean, 0)]],
                    fmt="o",
                    color=style.colours(agents)[variant] if standard else "black",
                    markerfacecolor=None if standard or matters else "white",
                    markersize=4.5,
                    elinewidth=1,
                    clip_on=False,
                )
            words = "in self-play" if opponent == ITSELF else f"with {readable(opponent).lower()}"
            axis.set_title(f"{QUANTITY[quantity]}\n{words}", loc="left")
            axis.set_ylim(len(variants) - 0.5, -0.5)
            axis.set_yticks(range(len(variants)), [""] * len(variants))
            axis.tick_params(axis="y", length=0)
            axis.grid(axis="x")
            axis.set_xlabel("points a round")
            axis.margins(x=0.08)
        axes[row, 0].set_yticks(range(len(variants)), [readable(name) for name in variants])
        of_model = f", {model}" if len(models) > 1 else ""
        if len(keys) > 1:
            axes[row, 0].set_ylabel(f"{game_title(game)}{of_model}")
    figure.supxlabel(
        "Filled: the interval of the change from the method as it is leaves out zero. "
        "Band: interval of the method as it is.",
        fontsize=7,
    )
    return figure
