"""Tables of disturbed matches: whether cooperation comes back after a slip, and what it owes to messages."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from social_dilemmas.agents.agent import UNSEEDED
from social_dilemmas.agents.conditions import NOISE, Condition
from social_dilemmas.games import named_game
from social_dilemmas.statistics.files import read_rows
from social_dilemmas.statistics.quantities import (
    PAYOFF_AFTER,
    PAYOFF_BEFORE,
    PAYOFFS,
    WELFARE_KEPT,
)
from social_dilemmas.statistics.tables import (
    ALL_SEEDS,
    PAIR,
    RELATION,
    Source,
    is_scripted,
    summary,
    with_itself,
)

ROUND = "payoff_round_"
"""Quantities with this beginning are points in one round, whose number from 1 follows."""

READ = {
    Condition.NONE.value: "as_sent",
    Condition.SHUFFLED.value: "shuffled",
    Condition.NO_MESSAGES.value: "none",
}
"""What is read of messages under each condition, in tables about them."""


def noise(matches: Mapping[Source, Path]) -> pd.DataFrame:
    """What agents get with themselves and with a reciprocal player, undisturbed, after one slip and under trembles.

    Beside `PAYOFFS` there are points in every round (`ROUND`), before and after the round of the slip, and
    `welfare_kept`: both players' points after that round, as a share of those in the same match undisturbed.

    Returns:
        Columns model, game, agent, opponent (`ITSELF` in self-play), condition, slip_round, seed (its number as a text,
        or `ALL_SEEDS`), quantity, and the attributes of `intervals.Interval`.
    """
    parts: list[pd.DataFrame] = []
    for source, path in matches.items():
        frame = read_rows(path)
        frame = frame[frame["condition"].isin(NOISE)].reset_index(drop=True)
        rounds, slip_round = _rounds(frame), int(frame["slip_round"].iloc[0])
        frame = frame.join(rounds).assign(
            **{
                PAYOFF_BEFORE: rounds.iloc[:, : slip_round - 1].mean(axis=1),
                PAYOFF_AFTER: rounds.iloc[:, slip_round:].mean(axis=1),
                WELFARE_KEPT: _welfare_kept(frame, slip_round),
            }
        )
        shown = frame[(frame["agent"] == frame["opponent"]) | ~is_scripted(frame, "agent")]
        quantities = [*PAYOFFS, PAYOFF_BEFORE, PAYOFF_AFTER, WELFARE_KEPT, *rounds]
        parts += _by_condition(source, shown, quantities)
    return pd.concat(parts, ignore_index=True)


def messages(matches: Mapping[Source, Path]) -> pd.DataFrame:
    """What agents get and do with themselves if messages are read as they are sent, shuffled, or not at all.

    Columns as `noise`; `condition` is a value of `READ`, `quantity` one of `PAYOFFS` or a behaviour of the game.
    """
    parts: list[pd.DataFrame] = []
    for source, path in matches.items():
        frame = read_rows(path)
        frame = frame[(frame["agent"] == frame["opponent"]) & frame["condition"].isin(READ)]
        parts += _by_condition(source, frame, [*PAYOFFS, *named_game(source[0]).behaviours])
    table = pd.concat(parts, ignore_index=True)
    return table.assign(condition=table["condition"].map(READ)).drop(columns="slip_round")


def _rounds(frame: pd.DataFrame) -> pd.DataFrame:
    """(matches and seats, rounds) points, NaN after the end of shorter matches."""
    rounds = pd.DataFrame(frame["points"].tolist(), frame.index, dtype=float)
    return rounds.rename(columns=lambda index: f"{ROUND}{index + 1}")


def _welfare_kept(frame: pd.DataFrame, slip_round: int) -> "pd.Series[float]":
    """Both players' points after a round, as a share of those without a disturbance; NaN where these are none."""
    both = [
        sum(own[slip_round:]) + sum(other[slip_round:])
        for own, other in zip(frame["points"], frame["points_opponent"], strict=True)
    ]
    keys = [*PAIR, "match", "seat"]
    after = frame[keys].assign(both=both)
    undisturbed = after[frame["condition"] == Condition.NONE]
    found = after.merge(undisturbed, on=keys, how="left", suffixes=("", "_undisturbed"))
    return found["both"] / found["both_undisturbed"].where(found["both_undisturbed"] > 0)


def _by_condition(
    source: Source, frame: pd.DataFrame, quantities: Sequence[str]
) -> Iterator[pd.DataFrame]:
    """`summary` under each condition, of all seeds together and of every trained agent by itself."""
    slip_round = int(frame["slip_round"].iloc[0])
    for condition, rows in frame.groupby("condition", sort=False):
        trained = rows[rows["agent_seed"] != UNSEEDED].groupby("agent_seed")
        for seed, part in [(ALL_SEEDS, rows), *trained]:
            table = with_itself(summary(source, part, quantities)).drop(columns=RELATION)
            keys = {"condition": condition, "slip_round": slip_round, "seed": str(seed)}
            for place, (name, value) in enumerate(keys.items(), start=4):
                table.insert(place, name, value)
            yield table
