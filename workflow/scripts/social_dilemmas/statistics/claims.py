"""The paper's claims as bounds on what was measured: the numbers that carry a claim, and whether
they do.

C1: naive learning ends in greedy play. C2: it exploits opponents that don't learn; what it gets
more than the frozen warm-started agent carries the claim, with its whole interval. C3: Advantage
Alignment reaches high payoffs together, still isn't exploited, and answers a defection. Sum of
rewards is the contrast: it reaches high payoffs and is exploited. C4: against a frozen agent that
was trained with Advantage Alignment, naive learning ends in cooperation, as that is the best
response; against one that was trained on the sum of rewards it ends in exploitation. C5: the
group-relative baseline and the buffer of past agents each matter: the change that comes with them
or without them isn't zero, with its whole interval.

C6: Trust-and-Split needs honest messages to reach high welfare. A player sees only its own hand,
and every hand is the upper one as often as the lower one. Without information about the other's
hand, what it asks for can't depend on who has the upper hand, and then the welfare is .55 of the
optimum, as in greedy play. So these numbers carry the claim: welfare far above .55 (something was
told, and believed); many coins asked with the upper hand and few with the lower one (it was used
well: where the upper hand asks for all 10, .84 of the optimum leaves room for 2 coins of the lower
one, .92 for 1); messages that are true (it was told honestly, not in a code of their own); the
welfare of naive agents, who have no use for messages; and, as an aim, welfare of no more than .55
with a cooperator that lies.

Self-play is play with a copy of the same seed. Bounds apply to the mean over seeds. Cooperation
after an outcome is pooled over all matches of the cross-play, with scripted players too, so that
every outcome comes up.
"""

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from textwrap import wrap
from typing import Any

import pandas as pd

from social_dilemmas.agents.agent import WARM_START, learner_name
from social_dilemmas.report.names import game_title, quantity_words, readable
from social_dilemmas.statistics.tables import ALL_SEEDS, EVERYONE, ITSELF, SAME_SEED

CLAIMS = {
    "C1": "Naive RL ends in greedy play",
    "C2": "Naive RL exploits opponents that don't learn",
    "C3": "Advantage Alignment cooperates and isn't exploited; sum of rewards is exploited",
    "C4": "The best response to a frozen Advantage Alignment agent is to cooperate",
    "C5": "The group baseline and the buffer of past agents each matter",
    "C6": "Trust-and-Split needs honest messages to reach high welfare",
}


COLUMNS = ["model", "claim", "game", "agent", "opponent", "quantity", "value", "low", "high"]
COLUMNS += ["bound", "aim", "holds", "interval_holds"]


@dataclass(frozen=True)
class Criterion:
    """A number that carries a claim, and the bound that counts as shown.

    Attributes:
        claim: a key of `CLAIMS`.
        game: name of the game.
        agent: whose number it is.
        opponent: whom it plays with; `SELF` for self-play, `EVERYONE` for all matches together.
        quantity: name of the quantity.
        direction: "<=" or ">=".
        bound: the least or the largest value that counts as shown.
        aim: hoped for, but not needed.
        whole: the whole interval must be on the right side, not only the mean.
    """

    claim: str
    game: str
    agent: str
    opponent: str
    quantity: str
    direction: str
    bound: float
    aim: bool = False
    whole: bool = False

    def holds(self, value: float) -> bool:
        """Whether a value is on the right side of the bound; NaN never is."""
        return value <= self.bound if self.direction == "<=" else value >= self.bound


DILEMMA, SPLIT, TRUST = "prisoners_dilemma", "split", "trust_and_split"
NAIVE, SUM, ALIGNMENT = "naive", "sum_of_rewards", "advantage_alignment"
SELF, COOPERATOR, LIAR = ITSELF, "welfare_maximising", "welfare_maximising_lying"
LEARNER = learner_name(NAIVE)
CHANGE = "payoff_change"

CRITERIA = (
    Criterion("C1", DILEMMA, NAIVE, SELF, "payoff", "<=", 1.15),
    Criterion("C1", SPLIT, NAIVE, SELF, "welfare_share", "<=", 0.68),
    Criterion("C1", TRUST, NAIVE, SELF, "payoff", "<=", 29),
    Criterion("C3", DILEMMA, ALIGNMENT, SELF, "payoff", ">=", 2.6),
    Criterion("C3", DILEMMA, ALIGNMENT, "always_b", "payoff", ">=", 0.85),
    Criterion("C3", DILEMMA, ALIGNMENT, EVERYONE, "cooperation_after_CC", ">=", 0.95),
    Criterion("C3", DILEMMA, ALIGNMENT, EVERYONE, "cooperation_after_CD", "<=", 0.1),
    Criterion("C3", DILEMMA, ALIGNMENT, EVERYONE, "cooperation_after_DC", ">=", 0.8, aim=True),
    Criterion("C3", DILEMMA, SUM, SELF, "payoff", ">=", 2.9),
    Criterion("C3", DILEMMA, SUM, "always_b", "payoff", "<=", 0.3),
    Criterion("C3", SPLIT, ALIGNMENT, SELF, "welfare_share", ">=", 0.9),
    Criterion("C3", SPLIT, ALIGNMENT, "greedy", "payoff", ">=", 79),
    Criterion("C3", SPLIT, ALIGNMENT, COOPERATOR, "payoff_opponent", ">=", 115),
    Criterion("C3", SPLIT, SUM, SELF, "welfare_share", ">=", 0.97),
    Criterion("C3", SPLIT, SUM, "greedy", "payoff", "<=", 75),
    Criterion("C3", TRUST, ALIGNMENT, SELF, "payoff", ">=", 42),
    Criterion("C3", TRUST, ALIGNMENT, "greedy", "payoff", ">=", 26),
    Criterion("C3", TRUST, ALIGNMENT, COOPERATOR, "payoff", ">=", 45),
    Criterion("C3", TRUST, ALIGNMENT, COOPERATOR, "payoff_opponent", ">=", 44),
    Criterion("C3", TRUST, SUM, SELF, "payoff", ">=", 46),
    Criterion("C3", TRUST, SUM, "greedy", "payoff", "<=", 26),
    Criterion("C6", TRUST, NAIVE, SELF, "welfare_share", "<=", 0.58),
    Criterion("C6", TRUST, ALIGNMENT, SELF, "welfare_share", ">=", 0.84),
    Criterion("C6", TRUST, ALIGNMENT, SELF, "coins_upper_hand", ">=", 8),
    Criterion("C6", TRUST, ALIGNMENT, SELF, "coins_lower_hand", "<=", 2),
    Criterion("C6", TRUST, ALIGNMENT, SELF, "truthfulness", ">=", 0.9),
    Criterion("C6", TRUST, SUM, SELF, "welfare_share", ">=", 0.92),
    Criterion("C6", TRUST, SUM, SELF, "coins_upper_hand", ">=", 8),
    Criterion("C6", TRUST, SUM, SELF, "coins_lower_hand", "<=", 1),
    Criterion("C6", TRUST, SUM, SELF, "truthfulness", ">=", 0.9),
    Criterion("C6", TRUST, SUM, LIAR, "welfare_share", "<=", 0.55, aim=True),
)


FURTHER_CRITERIA = (
    *(
        Criterion("C2", game, LEARNER, WARM_START, "payoff_gap", ">=", 0, whole=True)
        for game in (DILEMMA, SPLIT, TRUST)
    ),
    Criterion("C3", DILEMMA, ALIGNMENT, "tit_for_tat_like", "cooperation", ">=", 0.85),
    Criterion("C3", DILEMMA, ALIGNMENT, "defectors", "payoff", ">=", 0.85),
    Criterion("C4", DILEMMA, LEARNER, ALIGNMENT, "payoff", ">=", 2.6),
    Criterion("C4", DILEMMA, LEARNER, ALIGNMENT, "payoff_opponent", ">=", 2.6),
    Criterion("C4", TRUST, LEARNER, ALIGNMENT, "payoff", ">=", 42),
    Criterion("C4", TRUST, LEARNER, ALIGNMENT, "payoff_opponent", ">=", 42),
    Criterion("C4", DILEMMA, LEARNER, SUM, "payoff", ">=", 4.5),
    Criterion("C4", DILEMMA, LEARNER, SUM, "payoff_opponent", "<=", 0.6),
    *(
        Criterion("C5", TRUST, variant, opponent, CHANGE, direction, 0, whole=True)
        for variant, direction in (("no_group_baseline", "<="), ("with_buffer", ">="))
        for opponent in (SELF, "greedy")
    ),
    Criterion("C5", DILEMMA, "no_buffer", "always_b", CHANGE, "<=", 0, whole=True),
)
"""Those that only the further experiments measure: `snakemake everything`."""


def claims(
    tables: Iterable[pd.DataFrame],
    criteria: Iterable[Criterion] = CRITERIA,
) -> pd.DataFrame:
    """Every criterion of every game that was played, for each model.

    Args:
        tables: what was measured, with the columns of `tables.cross_play`; tables of ablations with their changes too.
            Where several say the same thing, the first one counts.
        criteria: what to look up.

    Returns:
        Columns model, claim, game, agent, opponent, quantity (in words), value, low, high, bound
        (such as "<= 1.15"), aim, holds (the value is within the bound, or all of the interval where the criterion asks
        for that), interval_holds (all of the interval is). What was not measured has the value NaN and doesn't hold.
    """
    measured = pd.concat(map(_with_changes, tables), ignore_index=True)
    keys = measured[["model", "game", "agent", "opponent", "pairing", "quantity"]]
    intervals = measured[["mean", "low", "high"]].itertuples(index=False, name=None)
    found: dict[tuple[str, ...], tuple[float, float, float]] = {}
    for key, interval in zip(keys.itertuples(index=False, name=None), intervals, strict=True):
        found.setdefault(key, interval)
    played = sorted({key[:2] for key in found})
    rows: list[dict[str, Any]] = []
    for criterion in criteria:
        itself = criterion.opponent == SELF
        opponent = criterion.agent if itself else criterion.opponent
        pairing = SAME_SEED if itself else ALL_SEEDS
        for model, game in played:
            if game != criterion.game:
                continue
            key = (model, game, criterion.agent, opponent, pairing, criterion.quantity)
            value, low, high = found.get(key, (math.nan,) * 3)
            interval_holds = criterion.holds(low) and criterion.holds(high)
            rows.append(
                {
                    "model": model,
                    "claim": criterion.claim,
                    "game": game,
                    "agent": criterion.agent,
                    "opponent": criterion.opponent,
                    "quantity": quantity_words(game, criterion.quantity),
                    "value": value,
                    "low": low,
                    "high": high,
                    "bound": f"{criterion.direction} {criterion.bound:g}",
                    "aim": criterion.aim,
                    "holds": interval_holds if criterion.whole else criterion.holds(value),
                    "interval_holds": interval_holds,
                }
            )
    games, agents = (
        list(dict.fromkeys(getattr(criterion, key) for criterion in CRITERIA))
        for key in ("game", "agent")
    )

    def place(row: Mapping[str, Any]) -> tuple[Any, ...]:
        agent = row["agent"]
        known = agent in agents
        order = agents.index(agent) if known else len(agents)
        return row["model"], row["claim"], games.index(row["game"]), order, "" if known else agent

    rows.sort(key=place)
    return pd.DataFrame(rows, columns=COLUMNS)


def _with_changes(table: pd.DataFrame) -> pd.DataFrame:
    """A table of ablations with the changes of payoffs as quantities of their own; any other as it is."""
    if "change" not in table:
        return table
    itself = table["opponent"] == ITSELF
    table = table.assign(
        opponent=table["opponent"].mask(itself, table["agent"]),
        pairing=table["pairing"].mask(itself, SAME_SEED),
    )
    changes = table[table["change"].notna() & (table["quantity"] == "payoff")]
    changes = changes.drop(columns=["mean", "low", "high"]).assign(quantity=CHANGE)
    ends = {"change": "mean", "change_low": "low", "change_high": "high"}
    return pd.concat([table, changes.rename(columns=ends)], ignore_index=True)


def format_claims(table: pd.DataFrame) -> str:
    """The table of `claims` for a terminal of 100 columns."""
    lines = []
    rows = table.to_dict("records")
    for (model, claim), of_claim in groupby(rows, itemgetter("model", "claim")):
        of_model = f" ({model})" if table["model"].nunique() > 1 else ""
        lines += [f"{claim}  {CLAIMS.get(claim, '')}{of_model}", ""]
        for (game, agent), of_agent in groupby(of_claim, itemgetter("game", "agent")):
            lines.append(f"  {game_title(game)}: {readable(agent)}")
            for row in of_agent:
                lines += _format_row(row)
            lines.append("")
    bounds = table[~table["aim"].astype(bool)]
    lines.append(f"{bounds['holds'].sum()} of {len(bounds)} bounds hold for the mean over seeds,")
    lines.append(f"{bounds['interval_holds'].sum()} for the whole 95 % interval.")
    return "\n".join(lines)


def _format_row(row: Mapping[Hashable, Any]) -> Iterator[str]:
    """One criterion, on as many lines as its words need."""
    if math.isnan(row["value"]):
        verdict, value = "-", "not measured"
    else:
        verdict = "yes" if row["holds"] else "NO"
        value, low, high = (_short(row[end]) for end in ("value", "low", "high"))
        value = f"{value} [{low}, {high}]"
    opponent = row["opponent"]
    play = "in self-play" if opponent == SELF else f"with {readable(opponent).lower()}"
    aim = " (aim)" if row["aim"] else ""
    first, *others = wrap(row["quantity"], 31)
    yield f"  {verdict:<4} {play:<25} {first:<31} {value:<20} {row['bound']}{aim}"
    for other in others:
        yield f"{'':33}{other}"


def _short(value: float) -> str:
    """Three digits or four, as many as tell two results apart."""
    return f"{value:.{3 if abs(value) < 1 else 2 if abs(value) < 10 else 1}f}"
