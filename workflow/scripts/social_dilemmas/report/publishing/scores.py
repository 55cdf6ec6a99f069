"""What the tables say of an agent, for the section on scores of its model card."""

from pathlib import Path
from typing import Any

import pandas as pd

from social_dilemmas.report.names import quantity_words, readable
from social_dilemmas.report.printed import LAST, NONE, number, with_interval
from social_dilemmas.report.publishing.agents import TrainedAgent
from social_dilemmas.statistics.tables import ALL_SEEDS, ITSELF, PAYOFFS


def scores_of(agent: TrainedAgent, metrics: Path, tables: Path) -> dict[str, Any]:
    """The values that the template `agent_card.md.jinja` shows as scores, in words.

    Args:
        agent: the agent.
        metrics: `metrics.csv` of its training.
        tables: folder of the tables; one that is missing has nothing to say.
    """
    curve = pd.read_csv(metrics)["payoff"]
    last = curve.tail(max(1, round(len(curve) * LAST)))
    payoffs = _rows_of(agent, tables / f"{agent.table}.csv")
    if not payoffs.empty:
        payoffs = payoffs[(payoffs["pairing"] == ALL_SEEDS) & payoffs["quantity"].isin(PAYOFFS)]
    every = tables / "all_claims.csv"
    claims = _rows_of(agent, every if every.is_file() else tables / "claims.csv")
    quantities = [] if payoffs.empty else [q for q in PAYOFFS if q in set(payoffs["quantity"])]
    return {
        "iterations": len(curve),
        "last": len(last),
        "points": number(last.mean()),
        "table": agent.table,
        "quantities": [quantity_words(agent.game, name) for name in quantities],
        "payoffs": _payoff_rows(agent, payoffs, quantities),
        "claims": [_claim_row(claim) for claim in claims.to_dict("records")],
    }


def _rows_of(agent: TrainedAgent, table: Path) -> pd.DataFrame:
    if not table.is_file():
        return pd.DataFrame()
    rows = pd.read_csv(table)
    facts = {"model": agent.model, "game": agent.game, "agent": agent.name}
    if agent.opponent is not None:
        facts["opponent"] = agent.opponent
    return rows[(rows[list(facts)] == pd.Series(facts)).all(axis="columns")]


def _payoff_rows(
    agent: TrainedAgent, payoffs: pd.DataFrame, quantities: list[str]
) -> list[list[str]]:
    """A row for each opponent: its name, and a cell for each quantity."""
    cells: dict[str, dict[str, str]] = {}
    for row in payoffs.to_dict("records"):
        of_opponent = cells.setdefault(row["opponent"], {})
        of_opponent[row["quantity"]] = with_interval(row["mean"], row["low"], row["high"])
    return [
        [
            "itself" if opponent in (agent.name, ITSELF) else readable(opponent),
            *(of_opponent.get(name, NONE) for name in quantities),
        ]
        for opponent, of_opponent in cells.items()
    ]


def _claim_row(claim: dict[Any, Any]) -> list[str]:
    return [
        claim["claim"],
        readable(claim["opponent"]),
        claim["quantity"],
        with_interval(claim["value"], claim["low"], claim["high"]),
        claim["bound"],
        ("yes" if claim["holds"] else "no") + (" (aim)" if claim["aim"] else ""),
    ]
