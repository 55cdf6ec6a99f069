"""The paper's claims as bounds on measurements: the numbers that carry a claim, and whether they do.

C1: naive learning ends in greedy play. C2: it exploits opponents that don't learn; how much more it gets than the
frozen warm-started agent carries the claim, with its whole interval. C3: Advantage Alignment reaches high payoffs
together, still isn't exploited, and answers a defection. Sum of rewards is the contrast: it reaches high payoffs and is
exploited. C4: against a frozen agent that was trained with Advantage Alignment, naive learning ends in cooperation, as
that is the best response; against one that was trained on the sum of rewards it ends in exploitation. C5: the
group-relative baseline and the buffer of past agents each matter: the change of payoffs with or without them isn't
zero, with its whole interval.

C6: Trust-and-Split needs honest messages to reach high welfare. A player sees only its own hand, and every hand is the
upper one as often as the lower one. Without information about the other's hand, what it asks for can't depend on who
has the upper hand, and then welfare is .55 of the optimum, as in greedy play. So these numbers carry the claim: welfare
far above .55 (messages informed, and were believed); many coins asked for with the upper hand and few with the lower
one (the information was used well: where the upper hand asks for all 10, .84 of the optimum leaves room for 2 coins of
the lower one, .92 for 1); true messages (honesty, not a private code); the welfare of naive agents, who have no use for
messages; and, as an aim, welfare of no more than .55 with a cooperator that lies.

Self-play is play with a copy of the same seed. Bounds apply to the mean over seeds. Cooperation after an outcome is
pooled over all matches of the cross-play, with scripted players too, so that every outcome occurs.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from social_dilemmas.statistics.quantities import PAYOFF, PAYOFF_CHANGE, quantity_words
from social_dilemmas.statistics.tables import ITSELF, as_reported

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

CRITERIA = pd.read_csv(Path(__file__).with_name("criteria.csv"))
"""The numbers that carry the claims, and the bounds that count as shown, in the order in which they are listed.

Columns: claim (a key of `CLAIMS`), game, agent (whose number it is), opponent (`ITSELF` in self-play, `EVERYONE` for
all matches together), quantity, side and bound (the smallest or largest value that counts as shown), and kind: an
"aim" is hoped for, but not needed; the "whole" interval must be on the right side, not only the mean; only "further"
experiments measure it (`snakemake everything`).
"""


def claims(tables: Mapping[str, Path]) -> pd.DataFrame:
    """The criteria that need no further experiments; see `judge`."""
    further = CRITERIA["kind"].str.contains("further")
    return judge(map(pd.read_csv, tables.values()), CRITERIA[~further])


def all_claims(tables: Mapping[str, Path]) -> pd.DataFrame:
    """All criteria; see `judge`. Among the files there may be a table of ablations."""
    return judge(map(pd.read_csv, tables.values()), CRITERIA)


def judge(tables: Iterable[pd.DataFrame], criteria: pd.DataFrame) -> pd.DataFrame:
    """Every criterion (a row of `CRITERIA`) of every game that was played, for each model.

    Tables have the columns of `tables.fingerprints`, and of ablations also changes; where several measure the same
    thing, the first one counts.

    Returns:
        Columns `COLUMNS`: quantity in words, bound such as "<= 1.15", holds (the value is within the bound, or the
        whole interval where the criterion asks for that), interval_holds (the whole interval is). What was not measured
        has the value NaN and doesn't hold.
    """
    measured = pd.concat(map(_measured, tables), ignore_index=True).drop_duplicates(KEYS)
    played = measured[["model", "game"]].drop_duplicates()
    rows = measured[["model"]].drop_duplicates().sort_values("model")
    rows = rows.merge(criteria, how="cross").merge(played)
    rows = rows.merge(measured, how="left", on=KEYS)
    sign = rows["side"].map({"<=": 1, ">=": -1})
    ends = rows[["value", "low", "high"]]
    within = ends.sub(rows["bound"], axis=0).mul(sign, axis=0) <= 0
    whole = within["low"] & within["high"]
    pairs = zip(rows["game"], rows["quantity"], strict=True)
    bounds = zip(rows["side"], rows["bound"], strict=True)
    rows = rows.assign(
        aim=rows["kind"].str.contains("aim"),
        holds=within["value"].where(~rows["kind"].str.contains("whole"), whole),
        interval_holds=whole,
        bound=[f"{side} {bound:g}" for side, bound in bounds],
        quantity=[quantity_words(*pair) for pair in pairs],
    )
    return rows[COLUMNS]


def _measured(table: pd.DataFrame) -> pd.DataFrame:
    """Columns `KEYS`, value, low, high; changes of ablations are quantities of their own."""
    rows = as_reported(table).rename(columns={"mean": "value"})
    rows = rows.assign(opponent=rows["opponent"].mask(rows["opponent"] == rows["agent"], ITSELF))
    parts = [rows]
    if "change" in rows:
        changes = rows[rows["change"].notna() & (rows["quantity"] == PAYOFF)]
        value, low, high = (changes[name] for name in ("change", "change_low", "change_high"))
        parts.append(changes.assign(quantity=PAYOFF_CHANGE, value=value, low=low, high=high))
    return pd.concat(parts)[[*KEYS, "value", "low", "high"]]
