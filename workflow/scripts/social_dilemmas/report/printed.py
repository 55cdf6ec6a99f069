"""Tables as they are printed: readable names, few digits, a value and its interval in one cell.

A printer gets the title and the rows of one model. `rows` prints any tidy table row by row; tables that need another
shape say which rows and columns they show, and what stands across.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from social_dilemmas.agents.agent import EVERYONE, ITSELF, WORST_CASE
from social_dilemmas.agents.roles import COOPERATOR, DEFECTOR, GREEDY_PLAYERS
from social_dilemmas.report import claims_text
from social_dilemmas.report.catalogue import TABLES
from social_dilemmas.report.names import game_title, in_order, readable, settings_note
from social_dilemmas.report.numbers import NONE, number, with_interval
from social_dilemmas.statistics import tables
from social_dilemmas.statistics.criteria import AIM
from social_dilemmas.statistics.disturbances import ROUND
from social_dilemmas.statistics.quantities import (
    COOPERATION,
    FINAL_SHARE,
    GROWTH,
    MEAN_FINAL_SHARE,
    NORMALISED,
    NORMALISED_PAYOFF,
    NORMALISED_WELFARE,
    PAYOFF,
    PAYOFF_OPPONENT,
    WORDS,
    quantity_words,
)

OF_ONE_SIDE = (PAYOFF_OPPONENT, *NORMALISED[1:])  # in self-play the same for both sides
NEAR = (0.25, 0.75)  # welfare near greedy play is below, that near the optimum from here on
LAST = 0.1  # of the iterations; the end of a learning curve is their mean
AGENTS = ("agent", "opponent", "algorithm", "learner", "compared_with", "variation")
INTERVAL = " [95 % interval]"
WHO = {"game": "Game", "pair": "Pair", "learner": "Learner", "algorithm": "Algorithm"}
WHO |= {"opponent": "Opponent", "agent": "Agent"}


@dataclass(frozen=True)
class PrintedTable:
    """A table of texts. `label` distinguishes it from others of the same name; it may be empty."""

    title: str
    label: str
    frame: pd.DataFrame


def printed(name: str, table: pd.DataFrame) -> list[PrintedTable]:
    """A tidy table of the catalogue as one printed table or several, for each model."""
    printer, title = globals()[TABLES[name].printer], TABLES[name].title
    models = table["model"].unique()
    parts = []
    for model in models:
        rows = table[table["model"] == model]
        note = f" {settings_note(tables.differing_games(rows))}".rstrip()
        for part in printer(title, rows):
            if len(models) > 1:
                label = f"{part.label}-{model}".removeprefix("-")
                part = PrintedTable(f"{part.title} ({model})", label, part.frame)
            parts.append(replace(part, title=part.title + note))
    return parts


def claims(title: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    """A table for each claim, with how many of its bounds hold."""
    columns = {"game": "Game", "agent": "Agent", "opponents": "With", "measured": "Measured"}
    columns |= {"value": "Value", "bound": "Bound", "in_seeds": "In seeds", "holds": "Holds"}
    for claim, rows in table.groupby("claim", sort=False):
        known = claims_text.known(rows)
        bounds = known[known["kind"] != AIM]
        held = f"{int(bounds['holds'].sum())} of {len(bounds)} bounds hold"
        if missing := len(rows) - len(known):
            held += f", {missing} not measured"
        words = {
            "opponents": claims_text.opponents,
            "measured": claims_text.measured,
            "bound": claims_text.bound,
            "in_seeds": claims_text.seeds,
        }
        cells = {name: [of(row) for row in known.to_dict("records")] for name, of in words.items()}
        shown = known.assign(**cells).replace({"bound": {"<=": "≤", ">=": "≥"}}, regex=True)
        words_of = f"{claim}: {rows['says'].iloc[0]} ({held})"
        yield PrintedTable(words_of, str(claim), _cells(shown, columns))


def cross_play(title: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    """A matrix for each game: opponents down, agents that aren't scripted across."""
    rows = tables.as_reported(table[table["quantity"] == "payoff"])
    words = "points a round of agents (columns) with opponents"
    return _by_game(rows, {"opponent": "Opponent"}, words)


def fingerprints(title: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    """A matrix for each game: behaviours that arose down, agents that aren't scripted across."""
    rows = table[table["opponent"] == EVERYONE]
    arose = rows.groupby(["game", "quantity"])["mean"].transform("count") > 0
    rows = rows[arose].sort_values("mean", key=pd.isna, kind="stable")
    words = "what each agent does, with all opponents together"
    return _by_game(rows, {"quantity": "What it does"}, words)


def first_of_last(last: Any) -> Any:
    """The iteration with which the last tenth begins, by the number of the last one (from 0)."""
    return np.minimum(last, (1 - LAST) * (last + 1))


def learning_curves(title: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    """The end of every run, the mean of its last iterations; of these mean and range over seeds."""
    shown = {"payoff": "Points a round", "payoff_opponent": "The other's"}
    shown["welfare_share"] = "Share of the largest sum"
    if (table.loc[table["quantity"] == "invalid_rate_opponent", "value"] > 0).any():
        shown["invalid_rate_opponent"] = "The other's forfeits a round"
    keys = [column for column in WHO if column in table]
    runs = ["model", *keys, "seed"]
    last = table.groupby(runs)["iteration"].transform("max")
    kept = table[(table["iteration"] >= first_of_last(last)) & table["quantity"].isin(list(shown))]
    ends = kept.groupby([*runs, "quantity"], sort=False)["value"].mean().reset_index()
    summary = _over_seeds(ends, keys)
    title = f"{title}: mean of the last tenth of all iterations [lowest, highest seed]"
    yield PrintedTable(title, "", _wide(summary, {key: WHO[key] for key in keys}, shown))


def distributions(title: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    """How many matches of each agent come near greedy play, near the optimum, or neither."""
    ends = [-np.inf, *NEAR, np.inf]
    shown = [f"Below {NEAR[0]}", "Between", f"From {NEAR[1]} on"]
    parts = pd.get_dummies(pd.cut(table["value"], ends, right=False, labels=shown), dtype=float)
    places = ["game", "agent"]
    by_seed = table[[*places, "seed"]].join(parts).groupby([*places, "seed"], sort=False).mean()
    long = by_seed.melt(var_name="quantity", ignore_index=False).reset_index()
    summary = _over_seeds(long, places)
    words = f"{title}: shares of matches by their normalised welfare [lowest, highest seed]"
    columns = {place: WHO[place] for place in places}
    yield PrintedTable(words, "", _wide(summary, columns, dict(zip(shown, shown, strict=True))))


def exploitability(title: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    """A row for each learner with each opponent, both sides' payoffs side by side."""
    sides = {"payoff": "Learner's points a round", "payoff_opponent": "Opponent's points a round"}
    shown = {**sides, "payoff_gap": "Difference"}
    kept = table[table["quantity"].isin(list(shown))]
    kept = kept[kept[tables.RELATION] == tables.ALL_SEEDS]
    columns = {key: WHO[key] for key in ("game", "opponent", "agent")}
    yield PrintedTable(title + INTERVAL, "", _wide(kept, columns, shown))


def ablations(title: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    """Payoffs of each variant, and whether they differ from those of what it is compared with."""
    rows = table[table["quantity"] == "payoff"]
    matters = rows["matters"].map({True: "it does", False: "can't be told"})
    rows = rows.assign(matters=matters.where(rows["change"].notna(), ""))
    columns = {"game": "Game", "agent": "Variant", "opponent": "With", "mean": "Points a round"}
    columns |= {"change": "Change", "compared_with": "Compared with", "matters": "Matters"}
    yield PrintedTable(title, "", _cells(rows, columns))


def rivals(title: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    """A row for each agent: welfare with copies of itself, and its payoff in the worst case."""
    shown = {ITSELF: "Welfare with itself", WORST_CASE: "Payoff in the worst case"}
    wanted = {ITSELF: NORMALISED_WELFARE, WORST_CASE: NORMALISED_PAYOFF}
    kept = table[table["quantity"] == table["opponent"].map(wanted)]
    title = f"{title}; 0: what each could make sure of, 1: the optimum{INTERVAL}"
    columns = {key: WHO[key] for key in ("game", "agent")}
    yield PrintedTable(title, "", _wide(kept, columns, shown, "opponent"))


def disturbed(title: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    """A table for each game: agents and what they get down, conditions across; without single rounds and seeds."""
    rows = table[(table["seed"] == tables.ALL_SEEDS) & ~table["quantity"].str.startswith(ROUND)]
    twice = (rows["opponent"] == ITSELF) & rows["quantity"].isin(OF_ONE_SIDE)
    rows = rows[rows["mean"].notna() & ~twice]
    rows = rows.sort_values(
        "agent", key=lambda names: names.map(in_order(names).index), kind="stable"
    )
    conditions = {name: name.replace("_", " ").capitalize() for name in rows["condition"].unique()}
    columns = {"agent": "Agent", "opponent": "With", "quantity": "What it gets or does"}
    if (rows["opponent"] == ITSELF).all():
        del columns["opponent"]
    for game, part in rows.groupby("game", sort=False):
        words = f"{game_title(str(game))}: {title[:1].lower()}{title[1:]}{INTERVAL}"
        frame = _wide(part, columns, conditions, "condition")
        yield PrintedTable(words, str(game), frame)


def population(title: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    """Growth of rare agents (down) among others (across) for each game, and all agents' shares in the end."""
    growth = table[(table["quantity"] == GROWTH) & (table["agent"] != table["opponent"])]
    for game, part in growth.groupby("game", sort=False):
        residents = {name: readable(name) for name in in_order(part["opponent"])}
        frame = _wide(part, {"agent": "Rare agent"}, residents, "opponent")
        words = f"{game_title(str(game))}: {WORDS[GROWTH]} (columns)"
        yield PrintedTable(words + INTERVAL, str(game), frame)
    shares = {FINAL_SHARE: "From equal shares on"}
    shares[MEAN_FINAL_SHARE] = "Mean over all shares to begin with"
    kept = table[table["quantity"].isin(list(shares))]
    frame = _wide(kept, {"game": "Game", "agent": "Agent"}, shares)
    yield PrintedTable(f"{title}: shares in the end{INTERVAL}", "shares", frame)


def prior_sweep(title: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    """A row for each share, agent and opponent: itself or a greedy player."""
    shown = {PAYOFF: "Points a round", NORMALISED_WELFARE: "Normalised welfare"}
    shown[NORMALISED_PAYOFF] = "Normalised payoff"
    met = table[table["opponent"].isin([ITSELF, *GREEDY_PLAYERS])]
    met = met.sort_values(["game", "share", "agent", "opponent"], key=_itself_first)
    columns = {"game": "Game", "share": "Share of reciprocal players", "agent": "Agent"}
    columns |= {"opponent": "With", "seeds": "Seeds"}
    yield PrintedTable(title + INTERVAL, "", _wide(met, columns, shown))


def generalisation(title: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    """A table for each game: variations and agents down, what they do and get with each opponent across."""
    shown = {
        (ITSELF, COOPERATION): "Cooperates with itself",
        (COOPERATOR, COOPERATION): "With a cooperator",
        (DEFECTOR, NORMALISED_PAYOFF): "Payoff against a defector, normalised",
    }
    where = pd.MultiIndex.from_frame(table[["opponent", "quantity"]])
    kept = table.assign(across=where.map(shown))[where.isin(list(shown))]
    columns = {"variation": "Variation", "agent": "Agent", "seeds": "Seeds"}
    for game, part in kept.groupby("game", sort=False):
        words = f"{game_title(str(game))}: {title[:1].lower()}{title[1:]}{INTERVAL}"
        headings = {name: name for name in shown.values()}
        yield PrintedTable(words, str(game), _wide(part, columns, headings, "across"))


def perplexity(title: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    """A row for each agent: its perplexity, and that as a multiple of the perplexity before training."""
    shown = {"perplexity": "Perplexity", "ratio": "Times that before training"}
    long = table.melt(["game", "agent", "seed"], list(shown), var_name="quantity")
    title = f"{title}: mean [lowest, highest seed]"
    columns = {place: WHO[place] for place in ("game", "agent")}
    yield PrintedTable(title, "", _wide(_over_seeds(long, list(columns)), columns, shown))


def prior_audit(title: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    """A row for each naming and order of the actions: probabilities of cooperating, by situation."""
    situations = {name: f"After {name}" for name in table["situation"]}
    situations["start"] = "At the start"
    columns = {"game": "Game", "cooperates": "Cooperates", "listed_first": "Listed first"}
    title = f"{title}: probability of cooperating (CD: it cooperated, and the other defected)"
    rows = table.rename(columns={"probability": "mean"})
    yield PrintedTable(title, "", _wide(rows, columns, situations, "situation"))


def tournament(title: str, table: pd.DataFrame) -> Iterator[PrintedTable]:
    """The trained agents' places, and then everyone's."""
    kept = table.drop(columns=["seeds", "interval_over"], errors="ignore").fillna({"kind": ""})
    trained = kept[kept["kind"] == ""].drop(columns="kind")
    yield from rows("Places of the trained agents", trained)
    yield from rows(title, kept, "all")


def rows(title: str, table: pd.DataFrame, label: str = "") -> Iterator[PrintedTable]:
    """Any tidy table: its rows, with an interval beside the value that it belongs to."""
    hidden = {"model", *(end for column in map(str, table) for end in _ends(table, column))}
    names = [column for column in map(str, table) if column not in hidden]
    columns = {column: column.replace("_", " ").capitalize() for column in names}
    yield PrintedTable(title, label, _cells(table, columns))


def _by_game(table: pd.DataFrame, columns: Mapping[str, str], words: str) -> Iterator[PrintedTable]:
    """The rows as a matrix for each game, with agents that aren't scripted across."""
    for game, part in table.groupby("game", sort=False):
        if "opponent" in columns:
            part = part.set_index("opponent").loc[in_order(part["opponent"])].reset_index()
        agents = in_order(part.loc[~tables.is_scripted(part, "agent"), "agent"])
        frame = _wide(part, columns, {agent: readable(agent) for agent in agents}, "agent")
        yield PrintedTable(f"{game_title(str(game))}: {words}{INTERVAL}", str(game), frame)


def _over_seeds(values: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Mean, lowest and highest seed of each quantity, as mean, low and high."""
    summary = values.groupby([*keys, "quantity"], sort=False)["value"].agg(["mean", "min", "max"])
    return summary.set_axis(["mean", "low", "high"], axis="columns").reset_index()


def _itself_first(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """A key to sort by."""
    return column.replace(ITSELF, "")


def _wide(
    table: pd.DataFrame,
    columns: Mapping[str, str],
    values: Mapping[str, str],
    across: str = "quantity",
) -> pd.DataFrame:
    """Rows in order of appearance; a column for each of these values of the column `across`."""
    keys = list({"game": "", **columns})
    cells = table.assign(cell=texts(table, "mean"))
    order = pd.MultiIndex.from_frame(table[keys].drop_duplicates())
    wide = cells.pivot(index=keys, columns=across, values="cell").reindex(order)
    wide = wide.fillna(NONE).reset_index()
    shown = {heading: wide[name] for name, heading in values.items() if name in wide}
    return _cells(wide, columns).assign(**shown)


def _cells(table: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """These columns as texts, under their headings."""
    cells = {
        heading + INTERVAL * bool(_ends(table, column)): texts(table, column)
        for column, heading in columns.items()
    }
    return pd.DataFrame(cells, index=table.index)


def _ends(table: pd.DataFrame, column: str) -> list[str]:
    """The columns that hold the interval of a column's values, if there are such."""
    prefix = "" if column in ("mean", "value") else f"{column}_"
    ends = [f"{prefix}low", f"{prefix}high"]
    return ends if set(ends) <= set(table) else []


def texts(table: pd.DataFrame, column: str) -> list[str]:
    """The cells of a column, with intervals where the table has them."""
    if ends := _ends(table, column):
        return [with_interval(*row) for row in table[[column, *ends]].itertuples(index=False)]
    if column == "quantity" and "game" in table:
        return [quantity_words(*pair) for pair in table[["game", column]].itertuples(index=False)]
    return [_text(column, value) for value in table[column]]


def _text(column: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return NONE if column in AGENTS else number(value)
    if column == "game":
        return game_title(value)
    if column == "pair":
        return " and ".join(map(readable, value.split(tables.VERSUS)))
    if column in AGENTS:
        return readable(value)
    return NONE if pd.isna(value) else str(value)
