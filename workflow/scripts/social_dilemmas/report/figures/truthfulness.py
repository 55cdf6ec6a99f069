"""Trust-and-Split: how often messages name the hand that the sender really holds."""

import pandas as pd
from matplotlib.figure import Figure

from social_dilemmas.agents.scripted.player import scripted_player_names
from social_dilemmas.report.figures import style
from social_dilemmas.report.figures.curves import draw_curves, summarise
from social_dilemmas.report.names import in_order, readable
from social_dilemmas.statistics.tables import ALL_SEEDS, EVERYONE, SAME_SEED

QUANTITY = "truthfulness"
CHANCE = 1 / 3
CROSS_PLAY = "cross-play"
SELF_PLAY = "itself"
CROSS_COLUMNS = ["model", "game", "algorithm", "line", "opponent", "value", "low", "high"]


def table(curves: pd.DataFrame, fingerprints: pd.DataFrame) -> pd.DataFrame:
    """What the figure shows.

    Args:
        curves: the table of `tables.learning_curves`.
        fingerprints: the table of `tables.fingerprints`.

    Returns:
        Columns model, game, algorithm, line, iteration, value, as `curves.summarise` gives them,
        and, with the line "cross-play", of each trained agent after training: opponent (scripted,
        "everyone", or "itself" in self-play with the same seed), value, low, high.
    """
    parts = [summarise(curves, QUANTITY)]
    rows = fingerprints[fingerprints["quantity"] == QUANTITY]
    for game, of_game in rows.groupby("game", sort=False):
        scripted = scripted_player_names(str(game))
        itself = (of_game["agent"] == of_game["opponent"]) & (of_game["pairing"] == SAME_SEED)
        others = of_game["opponent"].isin([*scripted, EVERYONE]) & (of_game["pairing"] == ALL_SEEDS)
        shown = of_game[(itself | others) & ~of_game["agent"].isin(scripted)]
        shown = shown.assign(opponent=shown["opponent"].mask(itself, SELF_PLAY), line=CROSS_PLAY)
        parts.append(shown.rename(columns={"agent": "algorithm", "mean": "value"})[CROSS_COLUMNS])
    return pd.concat(parts, ignore_index=True)


@style.in_style
def draw(table: pd.DataFrame) -> Figure:
    """Two panels for each game with messages and each model: in training, and in cross-play."""
    models, games = style.panel_keys(table)
    agents = in_order(table["algorithm"])
    keys = [(game, model) for game in games for model in models]
    figure = Figure(figsize=(style.WIDTH, 3.0 * len(keys) + 0.35), layout="constrained")
    axes = figure.subplots(len(keys), 2, squeeze=False, width_ratios=(1.15, 1))
    for (left, right), (game, model) in zip(axes, keys, strict=True):
        part = table[(table["game"] == game) & (table["model"] == model)]
        of_model = f", {model}" if len(models) > 1 else ""
        played = part["line"] == CROSS_PLAY
        draw_curves(left, part[~played], in_order(part.loc[~played, "algorithm"]))
        left.set_ylabel("Share of true messages")
        left.set_ylim(0, 1.02)
        style.draw_reference(left, CHANCE, "naming a hand at random", above=False)
        left.set_title(f"In training{of_model}", loc="left")
        cross_play = part[played].rename(columns={"algorithm": "agent", "value": "mean"})
        opponents = set(cross_play["opponent"])
        places = [name for name in (SELF_PLAY, *in_order(opponents)) if name in opponents]
        places = list(dict.fromkeys(places))
        style.draw_points(right, cross_play, places, "opponent", agents, horizontal=True)
        right.set_yticks(range(len(places)), [readable(name) for name in places])
        right.tick_params(axis="y", length=0)
        right.axvline(CHANCE, color=style.GREY, linewidth=0.8, linestyle=style.DASHES)
        right.set_xlim(0, 1)
        right.set_xlabel("Share of true messages")
        right.set_title(f"After training, by opponent{of_model}", loc="left")
    style.legend(figure, agents)
    return figure
