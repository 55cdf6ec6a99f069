"""What the tables say of an agent, for the section on scores of its model card."""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from social_dilemmas.agents.agent import ITSELF
from social_dilemmas.config.trainings import Trained
from social_dilemmas.report.claims_text import bound, known, measured, opponents, seeds
from social_dilemmas.report.names import readable
from social_dilemmas.report.numbers import NONE, number, with_interval
from social_dilemmas.report.printed import first_of_last, texts
from social_dilemmas.statistics.files import read_rows
from social_dilemmas.statistics.quantities import OUTCOMES, quantity_words
from social_dilemmas.statistics.tables import as_reported


def scores_of(agent: Trained, metrics: Path, tables: Path) -> dict[str, Any]:
    """The scores that `agent_card.md.jinja` shows; tables of further experiments may be missing."""
    curve = read_rows(metrics).set_index("iteration")["payoff"]
    last = curve[curve.index >= first_of_last(curve.index.max())]
    every, payoffs = tables / "all_claims.csv", tables / f"{agent.table}.csv"
    claims = known(_rows_of(agent, every if every.is_file() else tables / "claims.csv"))
    return {
        "iterations": len(curve),
        "last": len(last),
        "points": number(last.mean()),
        "table": payoffs.name,
        "payoffs": _payoffs(agent, payoffs) if payoffs.is_file() else (),
        "claims": [_in_words(row) for row in claims.to_dict("records")],
    }


def _in_words(claim: Mapping[Hashable, Any]) -> dict[str, Any]:
    """The cells of a claim."""
    return {
        "claim": claim["claim"],
        "opponents": opponents(claim),
        "quantity": measured(claim),
        "value": with_interval(claim["value"], claim["low"], claim["high"]),
        "bound": bound(claim),
        "seeds": seeds(claim),
        "holds": "yes" if claim["holds"] else "no",
    }


def _rows_of(agent: Trained, table: Path) -> pd.DataFrame:
    rows = read_rows(table)
    facts = {"model": agent.model, "game": agent.game, "agent": agent.name}
    if agent.opponent is not None:
        facts["opponent"] = agent.opponent
    return rows[(rows[list(facts)] == pd.Series(facts)).all(axis="columns")]


def _payoffs(agent: Trained, table: Path) -> pd.DataFrame:
    """Texts, with a row for each opponent and a column for each quantity."""
    rows = _rows_of(agent, table)
    rows = as_reported(rows[rows["quantity"].isin(OUTCOMES)])
    cells = rows.assign(text=texts(rows, "mean")).pivot(
        index="opponent", columns="quantity", values="text"
    )
    words = {name: quantity_words(agent.game, name) for name in OUTCOMES if name in cells}
    opponents = {name: readable(name) for name in rows["opponent"].unique()}
    opponents |= dict.fromkeys({agent.name, ITSELF} & opponents.keys(), "itself")
    cells = cells.reindex(index=list(opponents), columns=list(words)).fillna(NONE)
    return cells.rename(index=opponents, columns=words)
