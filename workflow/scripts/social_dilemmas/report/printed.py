"""Tables as they are printed: readable names, few digits, a value and its interval in one cell.

A printer gets the title and the rows of one model. Tables that need a shape of their own have their
own printer; `rows` prints any other tidy table row by row.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from social_dilemmas.report.catalogue import TABLES, Table, resolve
from social_dilemmas.report.names import game_title, in_order, readable
from social_dilemmas.report.numbers import NONE, number, with_interval
from social_dilemmas.statistics.claims import CLAIMS
from social_dilemmas.statistics.quantities import quantity_words
from social_dilemmas.statistics.tables import (
    ALL_SEEDS,
    EVERYONE,
    ITSELF,
    RELATION,
    as_reported,
    is_scripted,
)

LAST = 0.1  # of the iterations; the end of a learning curve is their mean
AGENTS = ("agent", "opponent", "algorithm", "learner")
INTERVAL = " [95 % interval]"


@dataclass(frozen=True)
class PrintedTable:
    """A table of texts. `label` distinguishes it from others of the same name; it may be empty."""

    title: str
    label: str
    frame: pd.DataFrame


def printed(name: str, table: pd.DataFrame) -> list[PrintedTable]:
    """One printed table or several, for each model.

    Args:
        name: name of the table, that of its file.
        table: a tidy table.
    """
    printer = resolve(TABLES.get(name, Table("", "")).printer)
    models = list(table["model"].unique()) if "model" in table else []
    if len(models) < 2:
        return list(printer(title_of(name), table))
    return [
        PrintedTable(
            f"{part.title} ({model})", "-".join(filter(None, (part.label, model))), part.frame
        )
        for model in models
        for part in printer(title_of(name), table[table["model"] == model])
    ]


def title_of(name: str) -> str:
    """The title of a table."""
    return TABLES[name].title if name in TABLES else name.replace("_", " ").capitalize()


def claims(title: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    """A table for each claim, with how many of its bounds hold."""
    for claim, rows in table.groupby("claim"):
        bounds = rows[~rows["aim"]]
        held = f"{int(bounds['holds'].sum())} of {len(bounds)} bounds hold"
        frame = _chosen(rows, {"game": "Game", "agent": "Agent", "opponent": "With"})
        frame["Measured"] = rows["quantity"].map(lambda words: words[:1].upper() + words[1:])
        frame["Value" + INTERVAL] = _cells(rows, "value")
        bound = rows["bound"].replace({"<=": "≤", ">=": "≥"}, regex=True)
        frame["Bound"] = bound + rows["aim"].map({True: " (aim)", False: ""})
        holds = rows["holds"].map({True: "yes", False: "no"})
        frame["Holds"] = holds.where(rows["value"].notna(), "not measured")
        yield PrintedTable(f"{claim}: {CLAIMS.get(str(claim), title)} ({held})", str(claim), frame)


def cross_play(title: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    """A matrix for each game: opponents down, agents that aren't scripted across."""
    payoffs = as_reported(table[table["quantity"] == "payoff"])
    for game, rows in payoffs.groupby("game", sort=False):
        frame = _matrix(rows, "opponent", "Opponent", in_order(rows["opponent"]), readable)
        words = "points a round of agents (columns) with opponents" + INTERVAL
        yield PrintedTable(f"{game_title(str(game))}: {words}", str(game), frame)


def fingerprints(title: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    """A matrix for each game: behaviours down, agents that aren't scripted across."""
    for game, rows in table[table["opponent"] == EVERYONE].groupby("game", sort=False):
        name = str(game)
        places = rows.loc[rows["mean"].notna(), "quantity"].unique()
        words = {place: quantity_words(name, place) for place in places}
        frame = _matrix(rows, "quantity", "What it does", places, words.__getitem__)
        what = "what each agent does, with all opponents together" + INTERVAL
        yield PrintedTable(f"{game_title(name)}: {what}", name, frame)


def learning_curves(title: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    """The end of every run, the mean of its last iterations; of these mean and range over seeds."""
    keys = [column for column in ("game", "algorithm", "opponent") if column in table]
    runs = ["model", *keys, "seed"]
    last = table.groupby(runs)["iteration"].transform("max")
    shown = {
        "payoff": "Points a round",
        "payoff_opponent": "The other's",
        "welfare_share": "Share of the largest sum",
    }
    first = np.minimum(last, (1 - LAST) * (last + 1))
    kept = table[(table["iteration"] >= first) & table["quantity"].isin(list(shown))]
    ends = kept.groupby([*runs, "quantity"], sort=False)["value"].mean()
    summary = ends.groupby([*keys, "quantity"], sort=False).agg(["mean", "min", "max"])
    summary.columns = ["mean", "low", "high"]
    title = f"{title}: mean of the last tenth of all iterations [lowest, highest seed]"
    yield PrintedTable(title, "", _wide(summary.reset_index(), keys, shown))


def exploitability(title: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    """A row for each learner with each opponent, both sides' payoffs side by side."""
    shown = {
        "payoff": "Learner's points a round",
        "payoff_opponent": "Opponent's points a round",
        "payoff_gap": "Difference",
    }
    kept = table[(table[RELATION] == ALL_SEEDS) & table["quantity"].isin(list(shown))]
    yield PrintedTable(title + INTERVAL, "", _wide(kept, ["game", "opponent", "agent"], shown))


def ablations(title: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    """Payoffs of each variant, and whether they differ from those of the method as it is."""
    rows = table[table["quantity"] == "payoff"]
    names = {"game": "Game", "agent": "Variant", "opponent": "With", "mean": "Points a round"}
    frame = _chosen(rows, {**names, "change": "Change"})
    matters = ["it does" if matters else "can't be told" for matters in rows["matters"]]
    frame["Matters"] = pd.Series(matters, rows.index).where(rows["change"].notna(), "")
    yield PrintedTable(title, "", frame)


def tournament(title: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    """The trained agents' places, and then everyone's."""
    kept = table.drop(columns=["seeds", "interval_over"], errors="ignore").fillna({"kind": ""})
    trained = kept[kept["kind"] == ""].drop(columns="kind")
    for words, label, part in (
        ("Places of the trained agents", "", trained),
        (title, "all", kept),
    ):
        yield PrintedTable(words, label, next(rows("", part)).frame)


def rows(title: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    """Any tidy table: its rows, with an interval beside the value that it belongs to."""
    ends = {end for column in map(str, table) for end in _ends(table, column)}
    names = [column for column in map(str, table) if column not in {*ends, "model"}]
    words = {column: column.replace("_", " ").capitalize() for column in names}
    yield PrintedTable(title, "", _chosen(table, words))


def _chosen(table: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """These columns as texts, under their printed names."""
    return pd.DataFrame(
        {
            name + INTERVAL * bool(_ends(table, column)): _cells(table, column)
            for column, name in names.items()
        },
        index=table.index,
    )


def _ends(table: pd.DataFrame, column: str) -> list[str]:
    """The columns that hold the interval of a column's values, if there are such."""
    prefix = "" if column in ("mean", "value") else f"{column}_"
    ends = [f"{prefix}low", f"{prefix}high"]
    return ends if set(ends) <= set(table) else []


def _cells(table: pd.DataFrame, column: str) -> list[str]:
    values = table[column]
    if ends := _ends(table, column):
        return [with_interval(*row) for row in table[[column, *ends]].itertuples(index=False)]
    if column == "game":
        return [game_title(game) for game in values]
    if column in AGENTS:
        return [_agent(agent) if isinstance(agent, str) else NONE for agent in values]
    if column == "quantity" and "game" in table:
        return [quantity_words(*pair) for pair in zip(table["game"], values, strict=True)]
    return [_cell(value) for value in values]


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value)
    return NONE if pd.isna(value) else str(value)


def _agent(name: str) -> str:
    return name.capitalize() if name == ITSELF else readable(name)


def _wide(table: pd.DataFrame, keys: list[str], quantities: Mapping[str, str]) -> pd.DataFrame:
    """One row for each value of the keys, one column for each quantity."""
    cells = table.assign(cell=_cells(table, "mean"))
    wide = cells.pivot(index=keys, columns="quantity", values="cell")
    order = pd.MultiIndex.from_frame(table[keys].drop_duplicates())
    wide = wide.reindex(order).fillna(NONE).reset_index()
    shown = {words: wide[name] for name, words in quantities.items() if name in wide}
    return _chosen(wide, {key: key.capitalize() for key in keys}).assign(**shown)


def _matrix(
    table: pd.DataFrame,
    down: str,
    head: str,
    places: Iterable[str],
    words: Callable[[str], str],
) -> pd.DataFrame:
    """Values with intervals; `places` of the column `down` down, unscripted agents across."""
    shown = table[~is_scripted(table, "agent")]
    cells = shown.assign(cell=_cells(shown, "mean"))
    wide = cells.pivot(index=down, columns="agent", values="cell").reindex(list(places))
    wide = wide[in_order(shown["agent"])].fillna(NONE).rename(columns=readable)
    wide.insert(0, head, [words(place) for place in wide.index])
    return wide
