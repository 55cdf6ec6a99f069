"""The paper's claims as bounds on measurements: the numbers that carry a claim, and whether they do.

C1: naive learning ends in greedy play. C2: it exploits opponents that don't learn; how much more it
gets than the frozen warm-started agent carries the claim, with its whole interval. C3: Advantage
Alignment reaches high payoffs together, still isn't exploited, and answers a defection. Sum of
rewards is the contrast: it reaches high payoffs and is exploited. C4: against a frozen agent that
was trained with Advantage Alignment, naive learning ends in cooperation, as that is the best
response; against one that was trained on the sum of rewards it ends in exploitation. C5: the
group-relative baseline and the buffer of past agents each matter: the change of payoffs with or
without them isn't zero, with its whole interval.

C6: Trust-and-Split needs honest messages to reach high welfare. A player sees only its own hand,
and every hand is the upper one as often as the lower one. Without information about the other's
hand, what it asks for can't depend on who has the upper hand, and then welfare is .55 of the
optimum, as in greedy play. So these numbers carry the claim: welfare far above .55 (messages
informed, and were believed); many coins asked for with the upper hand and few with the lower one
(the information was used well: where the upper hand asks for all 10, .84 of the optimum leaves room
for 2 coins of the lower one, .92 for 1); true messages (honesty, not a private code); the welfare
of naive agents, who have no use for messages; and, as an aim, welfare of no more than .55 with a
cooperator that lies.

Self-play is play with a copy of the same seed. Bounds apply to the mean over seeds. Cooperation
after an outcome is pooled over all matches of the cross-play, with scripted players too, so that
every outcome occurs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from social_dilemmas.agents.agent import WARM_START, learner_name
from social_dilemmas.statistics.quantities import PAYOFF, PAYOFF_CHANGE, quantity_words
from social_dilemmas.statistics.tables import EVERYONE, ITSELF, as_reported

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
KEYS = ["model", "game", "agent", "opponent", "quantity"]


@dataclass(frozen=True)
class Criterion:
    """A number that carries a claim, and the bound that counts as shown.

    Attributes:
        claim: a key of `CLAIMS`.
        game: name of the game.
        agent: whose number it is.
        opponent: whom it plays with; `ITSELF` for self-play, `EVERYONE` for all matches together.
        quantity: name of the quantity.
        direction: "<=" or ">=".
        bound: the smallest or the largest value that counts as shown.
        aim: hoped for, but not needed.
        whole: the whole interval must be on the right side, not only the mean.
        further: only the further experiments measure it (`snakemake everything`).
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
    further: bool = False


DILEMMA, SPLIT, TRUST = "prisoners_dilemma", "split", "trust_and_split"
NAIVE, SUM, ALIGNMENT = "naive", "sum_of_rewards", "advantage_alignment"
COOPERATOR, LIAR = "welfare_maximising", "welfare_maximising_lying"
LEARNER = learner_name(NAIVE)
CHANGE = PAYOFF_CHANGE

CRITERIA = (
    Criterion("C1", DILEMMA, NAIVE, ITSELF, "payoff", "<=", 1.15),
    Criterion("C1", SPLIT, NAIVE, ITSELF, "welfare_share", "<=", 0.68),
    Criterion("C1", TRUST, NAIVE, ITSELF, "payoff", "<=", 29),
    Criterion("C2", DILEMMA, LEARNER, WARM_START, "payoff_gap", ">=", 0, whole=True, further=True),
    Criterion("C2", SPLIT, LEARNER, WARM_START, "payoff_gap", ">=", 0, whole=True, further=True),
    Criterion("C2", TRUST, LEARNER, WARM_START, "payoff_gap", ">=", 0, whole=True, further=True),
    Criterion("C3", DILEMMA, ALIGNMENT, ITSELF, "payoff", ">=", 2.6),
    Criterion("C3", DILEMMA, ALIGNMENT, "always_b", "payoff", ">=", 0.85),
    Criterion("C3", DILEMMA, ALIGNMENT, EVERYONE, "cooperation_after_CC", ">=", 0.95),
    Criterion("C3", DILEMMA, ALIGNMENT, EVERYONE, "cooperation_after_CD", "<=", 0.1),
    Criterion("C3", DILEMMA, ALIGNMENT, EVERYONE, "cooperation_after_DC", ">=", 0.8, aim=True),
    Criterion(
        "C3", DILEMMA, ALIGNMENT, "tit_for_tat_like", "cooperation", ">=", 0.85, further=True
    ),
    Criterion("C3", DILEMMA, ALIGNMENT, "defectors", "payoff", ">=", 0.85, further=True),
    Criterion("C3", DILEMMA, SUM, ITSELF, "payoff", ">=", 2.9),
    Criterion("C3", DILEMMA, SUM, "always_b", "payoff", "<=", 0.3),
    Criterion("C3", SPLIT, ALIGNMENT, ITSELF, "welfare_share", ">=", 0.9),
    Criterion("C3", SPLIT, ALIGNMENT, "greedy", "payoff", ">=", 79),
    Criterion("C3", SPLIT, ALIGNMENT, COOPERATOR, "payoff_opponent", ">=", 115),
    Criterion("C3", SPLIT, SUM, ITSELF, "welfare_share", ">=", 0.97),
    Criterion("C3", SPLIT, SUM, "greedy", "payoff", "<=", 75),
    Criterion("C3", TRUST, ALIGNMENT, ITSELF, "payoff", ">=", 42),
    Criterion("C3", TRUST, ALIGNMENT, "greedy", "payoff", ">=", 26),
    Criterion("C3", TRUST, ALIGNMENT, COOPERATOR, "payoff", ">=", 45),
    Criterion("C3", TRUST, ALIGNMENT, COOPERATOR, "payoff_opponent", ">=", 44),
    Criterion("C3", TRUST, SUM, ITSELF, "payoff", ">=", 46),
    Criterion("C3", TRUST, SUM, "greedy", "payoff", "<=", 26),
    Criterion("C4", DILEMMA, LEARNER, ALIGNMENT, "payoff", ">=", 2.6, further=True),
    Criterion("C4", DILEMMA, LEARNER, ALIGNMENT, "payoff_opponent", ">=", 2.6, further=True),
    Criterion("C4", DILEMMA, LEARNER, SUM, "payoff", ">=", 4.5, further=True),
    Criterion("C4", DILEMMA, LEARNER, SUM, "payoff_opponent", "<=", 0.6, further=True),
    Criterion("C4", TRUST, LEARNER, ALIGNMENT, "payoff", ">=", 42, further=True),
    Criterion("C4", TRUST, LEARNER, ALIGNMENT, "payoff_opponent", ">=", 42, further=True),
    Criterion("C5", DILEMMA, "no_buffer", "always_b", CHANGE, "<=", 0, whole=True, further=True),
    Criterion("C5", TRUST, "no_group_baseline", ITSELF, CHANGE, "<=", 0, whole=True, further=True),
    Criterion(
        "C5", TRUST, "no_group_baseline", "greedy", CHANGE, "<=", 0, whole=True, further=True
    ),
    Criterion("C5", TRUST, "with_buffer", ITSELF, CHANGE, ">=", 0, whole=True, further=True),
    Criterion("C5", TRUST, "with_buffer", "greedy", CHANGE, ">=", 0, whole=True, further=True),
    Criterion("C6", TRUST, NAIVE, ITSELF, "welfare_share", "<=", 0.58),
    Criterion("C6", TRUST, ALIGNMENT, ITSELF, "welfare_share", ">=", 0.84),
    Criterion("C6", TRUST, ALIGNMENT, ITSELF, "coins_upper_hand", ">=", 8),
    Criterion("C6", TRUST, ALIGNMENT, ITSELF, "coins_lower_hand", "<=", 2),
    Criterion("C6", TRUST, ALIGNMENT, ITSELF, "truthfulness", ">=", 0.9),
    Criterion("C6", TRUST, SUM, ITSELF, "welfare_share", ">=", 0.92),
    Criterion("C6", TRUST, SUM, ITSELF, "coins_upper_hand", ">=", 8),
    Criterion("C6", TRUST, SUM, ITSELF, "coins_lower_hand", "<=", 1),
    Criterion("C6", TRUST, SUM, ITSELF, "truthfulness", ">=", 0.9),
    Criterion("C6", TRUST, SUM, LIAR, "welfare_share", "<=", 0.55, aim=True),
)
"""In the order in which they are listed."""


def claims(tables: Mapping[str, Path]) -> pd.DataFrame:
    """The criteria that need no further experiments; see `judge`.

    Args:
        tables: files with the columns of `tables.fingerprints`.
    """
    criteria = [criterion for criterion in CRITERIA if not criterion.further]
    return judge(map(pd.read_csv, tables.values()), criteria)


def all_claims(tables: Mapping[str, Path]) -> pd.DataFrame:
    """All criteria; see `judge`. Among the files there may be a table of ablations."""
    return judge(map(pd.read_csv, tables.values()), CRITERIA)


def judge(tables: Iterable[pd.DataFrame], criteria: Sequence[Criterion]) -> pd.DataFrame:
    """Every criterion of every game that was played, for each model.

    Args:
        tables: measurements, with the columns of `tables.fingerprints`; tables of ablations also
            with their changes. Where several measure the same thing, the first one counts.
        criteria: what to look up.

    Returns:
        Columns model, claim, game, agent, opponent, quantity (in words), value, low, high, bound
        (such as "<= 1.15"), aim, holds (the value is within the bound, or the whole interval where
        the criterion asks for that), interval_holds (the whole interval is). What was not measured
        has the value NaN and doesn't hold.
    """
    measured = pd.concat(map(_measured, tables), ignore_index=True).drop_duplicates(KEYS)
    played = measured[["model", "game"]].drop_duplicates()
    rows = measured[["model"]].drop_duplicates().sort_values("model")
    rows = rows.merge(pd.DataFrame(criteria), how="cross").merge(played)
    rows = rows.merge(measured, how="left", on=KEYS)
    sign = rows["direction"].map({"<=": 1, ">=": -1})
    ends = rows[["value", "low", "high"]]
    within = ends.sub(rows["bound"], axis=0).mul(sign, axis=0) <= 0
    rows["interval_holds"] = within["low"] & within["high"]
    rows["holds"] = within["value"].where(~rows["whole"], rows["interval_holds"])
    rows["bound"] = [
        f"{direction} {bound:g}"
        for direction, bound in zip(rows["direction"], rows["bound"], strict=True)
    ]
    rows["quantity"] = [
        quantity_words(*pair) for pair in zip(rows["game"], rows["quantity"], strict=True)
    ]
    return rows[COLUMNS]


def _measured(table: pd.DataFrame) -> pd.DataFrame:
    """Columns `KEYS`, value, low, high; changes of ablations are quantities of their own."""
    rows = as_reported(table).rename(columns={"mean": "value"})
    rows = rows.assign(opponent=rows["opponent"].mask(rows["opponent"] == rows["agent"], ITSELF))
    parts = [rows]
    if "change" in rows:
        changes = rows[rows["change"].notna() & (rows["quantity"] == PAYOFF)]
        value, low, high = (changes[name] for name in ("change", "change_low", "change_high"))
        parts.append(changes.assign(quantity=CHANGE, value=value, low=low, high=high))
    return pd.concat(parts)[[*KEYS, "value", "low", "high"]]
