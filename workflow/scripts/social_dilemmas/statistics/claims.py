"""Claims as bounds on measurements: the numbers that carry a claim, and whether they do.

The claims themselves are a file beside the configuration (`criteria.read_criteria`). Self-play is play with a copy of
the same seed. What an agent does after an outcome is pooled over all matches of the cross-play, with scripted players
too, so that every outcome occurs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import hypot, isnan, nan, sqrt
from operator import itemgetter
from pathlib import Path
from typing import Any

import pandas as pd

from social_dilemmas.agents.agent import ITSELF, OTHER_SEEDS
from social_dilemmas.agents.roles import players_in_role
from social_dilemmas.statistics.criteria import MORE_THAN, SHARE_OF, Criterion, read_criteria
from social_dilemmas.statistics.files import read_rows
from social_dilemmas.statistics.intervals import seeds_of_text
from social_dilemmas.statistics.quantities import quantity_words
from social_dilemmas.statistics.tables import ALL_SEEDS, OTHER_SEED, RELATION, as_reported

COLUMNS = ["model", "claim", "says", "game", "agent", "opponent", "role", "condition", "quantity"]
COLUMNS += ["compared_to", "value", "low", "high", "bound", "share_of_seeds", "seeds"]
COLUMNS += ["seeds_holding", "kind", "holds", "interval_holds"]
KEYS = ["model", "game", "agent", "opponent", "condition", "quantity"]


@dataclass(frozen=True)
class Measure:
    """A mean over seeds, its interval, and the seeds' own values; by default nothing was measured."""

    value: float = nan
    low: float = nan
    high: float = nan
    by_seed: tuple[float, ...] = ()

    def more_than(self, other: "Measure") -> "Measure":
        """The difference; its interval as that of `tables.ablations`."""
        change = self.value - other.value
        reach = hypot(self.high - self.value, other.high - other.value)
        by_seed = tuple(value - other.value for value in self.by_seed)
        return Measure(change, change - reach, change + reach, by_seed)

    def share_of(self, other: "Measure") -> "Measure":
        """The ratio, with Fieller's interval (Journal of the Royal Statistical Society B 16, 1954), which exists where
        the other's own interval is on one side of zero. Of nothing, or of less, there is no share.
        """
        if not other.value > 0:
            return Measure(by_seed=(nan,) * len(self.by_seed))
        product, others = self.value * other.value, other.low * other.high
        spread = product**2 - self.low * self.high * others  # below zero by rounding alone
        reach = sqrt(max(spread, 0.0)) if others > 0 else nan
        low, high = (
            ((product + side * reach) / others for side in (-1, 1)) if others else (nan, nan)
        )
        by_seed = tuple(value / other.value for value in self.by_seed)
        return Measure(self.value / other.value, low, high, by_seed)


Found = Mapping[tuple[Any, ...], Measure]
"""By the values of `KEYS`."""


def claims(tables: Mapping[str, Path], criteria: Mapping[str, Path]) -> pd.DataFrame:
    """The criteria of the only file, by what these tables measure; see `judge`."""
    (path,) = criteria.values()
    return judge([read_rows(table) for table in tables.values()], read_criteria(path))


def judge(tables: Iterable[pd.DataFrame], criteria: Sequence[Criterion]) -> pd.DataFrame:
    """Every criterion in every game that was played and that it is about, for each model.

    Tables have the columns of `tables.fingerprints`, or condition and seed in place of the seed relation; where several
    measure the same thing, the first one counts.

    Returns:
        Columns `COLUMNS`: opponent (of several in a role the one with which the number is worst for the claim),
        quantity in words, bound such as "<= 0.1", share_of_seeds (in which it must hold; NaN if it must for the mean),
        seeds and seeds_holding (how many there are, and in how many it holds; not where what it is about never came
        up), kind (as the criterion's), holds (for as many seeds as it must, or for the mean or the whole interval),
        interval_holds (for the whole interval). What was not measured, and a share of nothing, has the
        value NaN and doesn't hold; of the latter the seeds are counted.
    """
    found = _measured(tables)
    games = list(dict.fromkeys((model, game) for model, game, *_ in found))
    named = list(dict.fromkeys(each.claim for each in criteria))
    agents = list(dict.fromkeys(each.agent for each in criteria))
    places = [
        (model, named.index(each.claim), number, agents.index(each.agent), each)
        for number, (model, game) in enumerate(games)
        for each in criteria
        if each.is_about(game)
    ]
    rows = [
        _judged(found, *games[number], criterion)
        for *_, number, _, criterion in sorted(places, key=itemgetter(0, 1, 2, 3))
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _judged(found: Found, model: str, game: str, criterion: Criterion) -> dict[str, Any]:
    """The row of a criterion in a game."""
    opponent, measure, whole = _worst(found, model, game, criterion)
    holding = sum(map(criterion.within, measure.by_seed))
    if criterion.seeds is not None:
        holds = 0 < holding >= round(criterion.seeds * len(measure.by_seed), 9)
    else:
        holds = whole if criterion.kind == "whole" else criterion.within(measure.value)
    return {
        **{
            name: getattr(criterion, name)
            for name in ("claim", "says", "agent", "condition", "compared_to", "kind")
        },
        "model": model,
        "game": game,
        "opponent": opponent,
        "role": criterion.opponent,
        "quantity": quantity_words(game, criterion.quantity),
        "value": measure.value,
        "low": measure.low,
        "high": measure.high,
        "bound": f"{criterion.side} {criterion.bound:g}",
        "share_of_seeds": nan if criterion.seeds is None else criterion.seeds,
        "seeds": len(measure.by_seed),
        "seeds_holding": holding,
        "holds": holds,
        "interval_holds": whole,
    }


def _worst(found: Found, model: str, game: str, criterion: Criterion) -> tuple[str, Measure, bool]:
    """The opponent in the role with which the number is worst for the criterion, and that number; each seed's own value
    is that with the opponent that is worst for it. Last, whether the intervals with all of them are within the bound.
    """
    measures = {}
    for opponent in players_in_role(game, criterion.opponent) or [criterion.opponent]:
        measure = _number(found, model, game, opponent, criterion)
        if measure is None:
            continue
        if isnan(measure.value):  # a share of nothing: with this opponent the bound can't hold
            return opponent, measure, False
        measures[opponent] = measure
    if not measures:
        return criterion.opponent, Measure(), False
    worst = max if criterion.side == "<=" else min
    opponent = worst(measures, key=lambda name: measures[name].value)
    by_seed = zip(*(each.by_seed for each in measures.values()), strict=True)
    known = ([value for value in values if not isnan(value)] for values in by_seed)
    ends = [end for each in measures.values() for end in (each.low, each.high)]
    own = tuple(worst(each, default=nan) for each in known)
    return opponent, replace(measures[opponent], by_seed=own), all(map(criterion.within, ends))


def _number(
    found: Found, model: str, game: str, opponent: str, criterion: Criterion
) -> Measure | None:
    """What was measured with an opponent, as the criterion wants it; None if that wasn't measured."""

    def of(agent: str) -> Measure:
        key = (model, game, agent, opponent, criterion.condition, criterion.quantity)
        return found.get(key, Measure())

    own = of(criterion.agent)
    if isnan(own.value):
        return None
    for words, compared in ((SHARE_OF, own.share_of), (MORE_THAN, own.more_than)):
        if criterion.compared_to.startswith(words):
            other = of(criterion.compared_to.removeprefix(words))
            return None if isnan(other.value) else compared(other)
    return own


def _measured(tables: Iterable[pd.DataFrame]) -> Found:
    """All numbers of the tables; those of an agent with itself and with its other seeds have opponents of that name."""
    found: dict[tuple[Any, ...], Measure] = {}
    for table in tables:
        table = table.assign(condition=table.get("condition", ""))
        if RELATION in table:
            itself = table["opponent"] == table["agent"]
            others = table[itself & (table[RELATION] == OTHER_SEED)].assign(opponent=OTHER_SEEDS)
            own = as_reported(table)
            own = own.assign(opponent=own["opponent"].mask(own["opponent"] == own["agent"], ITSELF))
            table = pd.concat([own, others])
        else:
            table = table[table["seed"] == ALL_SEEDS]
        for row in table.to_dict("records"):
            by_seed = tuple(seeds_of_text(row["by_seed"]))
            numbers = (row["mean"], row["low"], row["high"], by_seed)
            found.setdefault(tuple(row[key] for key in KEYS), Measure(*numbers))
    return found
