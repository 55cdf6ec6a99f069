"""Tables as they are printed: readable names, few digits, a value and its interval in one cell.

`printed` knows how to print the tables that need a shape of their own; any other tidy table is
printed row by row.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from social_dilemmas.agents.scripted.player import scripted_player_names
from social_dilemmas.report.names import game_title, in_order, quantity_words, readable
from social_dilemmas.statistics.claims import CLAIMS
from social_dilemmas.statistics.tables import ALL_SEEDS, EVERYONE, SAME_SEED

NONE, SHARE = "–", "Share of the largest sum"
LAST = 0.1  # of the iterations; what a learning curve came to is their mean
AGENTS = ("agent", "opponent", "algorithm", "learner")


@dataclass(frozen=True)
class PrintedTable:
    """A table of texts. `label` tells it apart from others of the same name; it may be empty."""

    title: str
    label: str
    frame: pd.DataFrame


def printed(name: str, table: pd.DataFrame) -> list[PrintedTable]:
    """One printed table or several.

    Args:
        name: name of the table, that of its file.
        table: a tidy table.
    """
    return list(PRINTERS.get(name, _rows)(name, table))


def title_of(name: str) -> str:
    """The title of a table."""
    return TITLES.get(name) or name.replace("_", " ").capitalize()


def number(value: float) -> str:
    """Three digits or four, as many as tell two results apart; a count as it is."""
    if math.isnan(value):
        return NONE
    if isinstance(value, int):
        return str(value)
    digits = 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def with_interval(value: float, low: float, high: float) -> str:
    """A value and its interval; alone where there is no interval."""
    if math.isnan(value) or math.isnan(low) or math.isnan(high):
        return number(value)
    return f"{number(value)} [{number(low)}, {number(high)}]"


def _claims(name: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    """A table for each claim, with how many of its bounds hold."""
    for model, claim, rows in (
        (model, str(claim), rows)
        for model, of_model in _by_model(table)
        for claim, rows in of_model.groupby("claim")
    ):
        bounds = rows[~rows["aim"]]
        held = f"{int(bounds['holds'].sum())} of {len(bounds)} bounds hold"
        title = f"{claim}: {CLAIMS.get(claim, name)} ({held})"
        frame = pd.DataFrame(
            {
                "Game": rows["game"].map(game_title),
                "Agent": rows["agent"].map(readable),
                "With": rows["opponent"].map(_opponent),
                "Measured": rows["quantity"].map(lambda words: words[:1].upper() + words[1:]),
                "Value [95 % interval]": _intervals(rows, "value"),
                "Bound": rows["bound"].replace({"<=": "≤", ">=": "≥"}, regex=True)
                + rows["aim"].map({True: " (aim)", False: ""}),
                "Holds": rows["holds"]
                .map({True: "yes", False: "no"})
                .where(rows["value"].notna(), "not measured"),
            }
        )
        yield PrintedTable(title + _of(model), _label(claim, model), frame)


def _cross_play(name: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    """A matrix for each game: opponents down, agents that aren't scripted across."""
    itself = table["agent"] == table["opponent"]
    wanted = itself.map({True: SAME_SEED, False: ALL_SEEDS})
    payoffs = table[(table["quantity"] == "payoff") & (table["pairing"] == wanted)]
    for model, of_model in _by_model(payoffs):
        for game, rows in of_model.groupby("game", sort=False):
            opponents = in_order(rows["opponent"])
            frame = _matrix(rows, str(game), "opponent", opponents, readable, "Opponent")
            title = f"{game_title(str(game))}: points a round of agents (columns) with opponents [95 % interval]"
            yield PrintedTable(title + _of(model), _label(game, model), frame)


def _fingerprints(name: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    """A matrix for each game: what is done down, agents that aren't scripted across."""
    pooled = table[table["opponent"] == EVERYONE]
    for model, of_model in _by_model(pooled):
        for game, rows in of_model.groupby("game", sort=False):

            def words(quantity: str, game: str = str(game)) -> str:
                return quantity_words(game, quantity)

            quantities = list(rows.loc[rows["mean"].notna(), "quantity"].unique())
            frame = _matrix(rows, str(game), "quantity", quantities, words, "What it does")
            title = f"{game_title(str(game))}: what each agent does, with all opponents together [95 % interval]"
            yield PrintedTable(title + _of(model), _label(game, model), frame)


def _learning_curves(name: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    """What every run came to: the mean of its last iterations, then mean and range over seeds."""
    kind = [column for column in ("model", "game", "algorithm", "opponent") if column in table]
    last = table.groupby([*kind, "seed"])["iteration"].transform("max")
    shown = {"payoff": "Points a round", "payoff_other": "The other's", "welfare_share": SHARE}
    first = np.minimum(last, (1 - LAST) * (last + 1))
    kept = table[(table["iteration"] >= first) & table["quantity"].isin(list(shown))]
    ends = kept.groupby([*kind, "seed", "quantity"], sort=False)["value"].mean()
    summary = ends.groupby([*kind, "quantity"], sort=False).agg(["mean", "min", "max"])
    summary.columns = ["mean", "low", "high"]
    for model, rows in _by_model(summary.reset_index()):
        title = f"{title_of(name)}: mean of the last tenth of all iterations [lowest, highest seed]"
        yield PrintedTable(title + _of(model), model, _wide(rows, kind[1:], shown))


def _exploitability(name: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    shown = {
        "payoff": "Learner's points a round",
        "payoff_opponent": "Opponent's points a round",
        "payoff_gap": "Difference",
    }
    kept = table[(table["pairing"] == ALL_SEEDS) & table["quantity"].isin(list(shown))]
    for model, rows in _by_model(kept):
        frame = _wide(rows, ["game", "opponent", "agent"], shown)
        yield PrintedTable(f"{title_of(name)} [95 % interval]" + _of(model), model, frame)


def _ablations(name: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    payoffs = table[table["quantity"] == "payoff"]
    for model, rows in _by_model(payoffs):
        changes = rows[["change", "change_low", "change_high"]].itertuples(index=False)
        frame = pd.DataFrame(
            {
                "Game": rows["game"].map(game_title),
                "Variant": rows["agent"].map(readable),
                "With": rows["opponent"].map(_opponent),
                "Points a round [95 % interval]": _intervals(rows, "mean"),
                "Change [95 % interval]": [with_interval(*change) for change in changes],
                "Matters": [
                    "" if pd.isna(change) else "it does" if matters else "can't be told"
                    for change, matters in zip(rows["change"], rows["matters"], strict=True)
                ],
            }
        )
        yield PrintedTable(title_of(name) + _of(model), model, frame)


def _tournament(name: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    """The trained agents' places, and then everyone's."""
    kept = table.drop(columns=["seeds", "interval_over"], errors="ignore")
    trained = kept[kept["kind"].fillna("") == ""]
    for part in _rows(name, trained.drop(columns="kind")):
        yield PrintedTable(
            "Places of the trained agents" + part.title.removeprefix(title_of(name)),
            part.label,
            part.frame,
        )
    for part in _rows(name, kept.fillna({"kind": ""})):
        label = f"{part.label}-all" if part.label else "all"
        yield PrintedTable(part.title, label, part.frame)


def _rows(name: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    """Any tidy table: its rows, with an interval beside the value that it belongs to."""
    for model, rows in _by_model(table):
        frame = pd.DataFrame(index=rows.index)
        for column in map(str, rows.columns):
            words = column.replace("_", " ").capitalize()
            ends = (
                ["low", "high"]
                if column in ("mean", "value")
                else [f"{column}_low", f"{column}_high"]
            )
            if set(ends) <= set(rows):
                values = rows[[column, *ends]].itertuples(index=False)
                frame[f"{words} [95 % interval]"] = [with_interval(*value) for value in values]
            elif column != "model" and not _is_end(column, rows):
                frame[words] = _column(rows, column)
        yield PrintedTable(title_of(name) + _of(model), model, frame)


def _is_end(column: str, rows: pd.DataFrame) -> bool:
    """Whether a column is the end of another one's interval."""
    for end in ("low", "high"):
        if column == end and {"mean", "value"} & set(rows):
            return True
        if column.endswith(f"_{end}") and column.removesuffix(f"_{end}") in rows:
            return True
    return False


def _wide(rows: pd.DataFrame, keys: Sequence[str], quantities: Mapping[str, str]) -> pd.DataFrame:
    """One row for each value of the keys, one column for each quantity."""
    cells = rows.assign(cell=_intervals(rows, "mean"))
    wide = cells.pivot(index=list(keys), columns="quantity", values="cell")
    order = pd.MultiIndex.from_frame(rows[list(keys)].drop_duplicates())
    wide = wide.reindex(order).fillna(NONE).reset_index()
    shown = {words: wide[name] for name, words in quantities.items() if name in wide}
    return pd.DataFrame({key.capitalize(): _column(wide, key) for key in keys} | shown)


def _column(rows: pd.DataFrame, column: str) -> list[str]:
    values = rows[column]
    if column == "game":
        return [game_title(game) for game in values]
    if column in AGENTS:
        return [_opponent(str(agent)) if isinstance(agent, str) else NONE for agent in values]
    if column == "quantity" and "game" in rows:
        return [quantity_words(*pair) for pair in rows[["game", column]].itertuples(index=False)]
    return [_cell(value) for value in values]


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return number(value)
    return NONE if pd.isna(value) else str(value)


def _matrix(
    rows: pd.DataFrame,
    game: str,
    down: str,
    places: list[str],
    words: Callable[[str], str],
    head: str,
) -> pd.DataFrame:
    """Values with intervals; `places` of the column `down` down, unscripted agents across."""
    scripted = scripted_player_names(game)
    agents = [agent for agent in in_order(rows["agent"]) if agent not in scripted]
    cells = rows.assign(cell=_intervals(rows, "mean"))
    wide = cells.pivot(index=down, columns="agent", values="cell").reindex(places)
    columns = {readable(agent): wide[agent].fillna(NONE).to_list() for agent in agents}
    return pd.DataFrame({head: [words(place) for place in places], **columns})


def _intervals(rows: pd.DataFrame, value: str) -> list[str]:
    return [with_interval(*row) for row in rows[[value, "low", "high"]].itertuples(index=False)]


def _by_model(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Rows of each model; its name is empty where there is only one."""
    models = list(table["model"].unique()) if "model" in table else []
    if len(models) < 2:
        yield "", table
    else:
        for model in models:
            yield str(model), table[table["model"] == model]


def _of(model: str) -> str:
    return f" ({model})" if model else ""


def _label(game: object, model: str) -> str:
    return f"{game}-{model}" if model else str(game)


def _opponent(name: str) -> str:
    return "Itself" if name == "itself" else readable(name)


PRINTERS: dict[str, Callable[[str, pd.DataFrame], Iterator[PrintedTable]]] = {
    "claims": _claims,
    "cross_play": _cross_play,
    "fingerprints": _fingerprints,
    "learning_curves": _learning_curves,
    "learning_against_fixed": _learning_curves,
    "exploitability": _exploitability,
    "ablations": _ablations,
    "tournament": _tournament,
    "all_claims": _claims,
}

TITLES = {
    "claims": "The paper's claims and what was measured",
    "all_claims": "All of the paper's claims and what was measured",
    "cross_play": "Payoffs of every agent with every other",
    "fingerprints": "What each agent does in which situation",
    "learning_curves": "Ends of the learning curves",
    "exploitability": "What learners get out of opponents that don't learn",
    "learning_against_fixed": "Learning against opponents that don't learn",
    "tournament_by_opponent": "What trained agents get with each strategy of the Axelrod library",
    "ablations": "What each part of the method is worth",
    "tournament": "Ranking among the strategies of the Axelrod library",
}
