"""What the tables say of an agent, as a section of its model card."""

from functools import cache
from pathlib import Path

import pandas as pd

from social_dilemmas.report.model_card import table
from social_dilemmas.report.names import readable
from social_dilemmas.report.numbers import number, with_interval
from social_dilemmas.report.publication.agents import TrainedAgent
from social_dilemmas.statistics.quantities import PAYOFFS, quantity_words
from social_dilemmas.statistics.tables import ALL_SEEDS, ITSELF, RELATION

LAST = 0.1  # of the iterations; what the training came to is their mean


class Scores:
    """The tables of a scale.

    Args:
        tables: the folder that holds them; a table that isn't there has nothing to say.
    """

    def __init__(self, tables: Path) -> None:
        self._tables = tables
        self._read = cache(self._read_table)

    def section(self, agent: TrainedAgent, metrics: Path) -> str:
        """Markdown; what this adapter came to itself, and what the tables say of all seeds together.

        Args:
            agent: the agent.
            metrics: `metrics.csv` of its training.
        """
        parts = ["## Scores", _own_result(metrics)]
        payoffs, claims = self._payoffs(agent), self._claims(agent)
        if not payoffs.empty:
            parts += [
                f"Points a round of this agent with all its seeds, mean and 95 % interval over seeds and matches "
                f"(from `tables/{agent.table}.csv`):",
                _payoff_table(agent, payoffs),
            ]
        if not claims.empty:
            parts += [
                "The claims of the paper that it was held against, again with all its seeds:",
                _claim_table(claims),
            ]
        return "\n\n".join(parts)

    def _payoffs(self, agent: TrainedAgent) -> pd.DataFrame:
        rows = self._read(agent.table)
        if rows.empty:
            return rows
        chosen = _of(rows, agent) & (rows[RELATION] == ALL_SEEDS) & rows["quantity"].isin(PAYOFFS)
        if agent.opponent is not None:
            chosen &= rows["opponent"] == agent.opponent
        return rows[chosen]

    def _claims(self, agent: TrainedAgent) -> pd.DataFrame:
        every = self._read("all_claims")
        rows = self._read("claims") if every.empty else every
        if rows.empty:
            return rows
        chosen = _of(rows, agent)
        if agent.opponent is not None:
            chosen &= rows["opponent"] == agent.opponent
        return rows[chosen]

    def _read_table(self, name: str) -> pd.DataFrame:
        path = self._tables / f"{name}.csv"
        return pd.read_csv(path) if path.is_file() else pd.DataFrame()


def _of(rows: pd.DataFrame, agent: TrainedAgent) -> "pd.Series[bool]":
    return (
        (rows["model"] == agent.model)
        & (rows["game"] == agent.game)
        & (rows["agent"] == agent.name)
    )


def _own_result(metrics: Path) -> str:
    payoffs = pd.read_csv(metrics)["payoff"]
    last = payoffs.tail(max(1, round(len(payoffs) * LAST)))
    points = f"{number(last.mean())} points a round"
    return f"In the last {len(last)} of {len(payoffs)} iterations this adapter got {points}."


def _payoff_table(agent: TrainedAgent, rows: pd.DataFrame) -> str:
    cells = {
        (row["opponent"], row["quantity"]): with_interval(row["mean"], row["low"], row["high"])
        for row in rows.to_dict("records")
    }
    quantities = [name for name in PAYOFFS if name in set(rows["quantity"])]
    return table(
        ["with", *(quantity_words(agent.game, name) for name in quantities)],
        [
            [
                _opponent(opponent, agent),
                *(cells.get((opponent, name), number(float("nan"))) for name in quantities),
            ]
            for opponent in dict.fromkeys(rows["opponent"])
        ],
    )


def _claim_table(rows: pd.DataFrame) -> str:
    return table(
        ["claim", "with", "", "measured", "bound", "holds"],
        [
            [
                row["claim"],
                readable(row["opponent"]),
                row["quantity"],
                with_interval(row["value"], row["low"], row["high"]),
                row["bound"],
                ("yes" if row["holds"] else "no") + (" (aim)" if row["aim"] else ""),
            ]
            for row in rows.to_dict("records")
        ],
    )


def _opponent(opponent: str, agent: TrainedAgent) -> str:
    return "itself" if opponent in (agent.name, ITSELF) else readable(opponent)
