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
from io import StringIO
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


TABLE = """\
claim game              agent               opponent                 quantity             side bound kind
C1    prisoners_dilemma naive               itself                   payoff               <=   1.15  -
C1    split             naive               itself                   welfare_share        <=   0.68  -
C1    trust_and_split   naive               itself                   payoff               <=   29    -
C2    prisoners_dilemma naive_learner       warm_start               payoff_gap           >=   0     whole+further
C2    split             naive_learner       warm_start               payoff_gap           >=   0     whole+further
C2    trust_and_split   naive_learner       warm_start               payoff_gap           >=   0     whole+further
C3    prisoners_dilemma advantage_alignment itself                   payoff               >=   2.6   -
C3    prisoners_dilemma advantage_alignment always_b                 payoff               >=   0.85  -
C3    prisoners_dilemma advantage_alignment everyone                 cooperation_after_CC >=   0.95  -
C3    prisoners_dilemma advantage_alignment everyone                 cooperation_after_CD <=   0.1   -
C3    prisoners_dilemma advantage_alignment everyone                 cooperation_after_DC >=   0.8   aim
C3    prisoners_dilemma advantage_alignment tit_for_tat_like         cooperation          >=   0.85  further
C3    prisoners_dilemma advantage_alignment defectors                payoff               >=   0.85  further
C3    prisoners_dilemma sum_of_rewards      itself                   payoff               >=   2.9   -
C3    prisoners_dilemma sum_of_rewards      always_b                 payoff               <=   0.3   -
C3    split             advantage_alignment itself                   welfare_share        >=   0.9   -
C3    split             advantage_alignment greedy                   payoff               >=   79    -
C3    split             advantage_alignment welfare_maximising       payoff_opponent      >=   115   -
C3    split             sum_of_rewards      itself                   welfare_share        >=   0.97  -
C3    split             sum_of_rewards      greedy                   payoff               <=   75    -
C3    trust_and_split   advantage_alignment itself                   payoff               >=   42    -
C3    trust_and_split   advantage_alignment greedy                   payoff               >=   26    -
C3    trust_and_split   advantage_alignment welfare_maximising       payoff               >=   45    -
C3    trust_and_split   advantage_alignment welfare_maximising       payoff_opponent      >=   44    -
C3    trust_and_split   sum_of_rewards      itself                   payoff               >=   46    -
C3    trust_and_split   sum_of_rewards      greedy                   payoff               <=   26    -
C4    prisoners_dilemma naive_learner       advantage_alignment      payoff               >=   2.6   further
C4    prisoners_dilemma naive_learner       advantage_alignment      payoff_opponent      >=   2.6   further
C4    prisoners_dilemma naive_learner       sum_of_rewards           payoff               >=   4.5   further
C4    prisoners_dilemma naive_learner       sum_of_rewards           payoff_opponent      <=   0.6   further
C4    trust_and_split   naive_learner       advantage_alignment      payoff               >=   42    further
C4    trust_and_split   naive_learner       advantage_alignment      payoff_opponent      >=   42    further
C5    prisoners_dilemma no_buffer           always_b                 payoff_change        <=   0     whole+further
C5    trust_and_split   no_group_baseline   itself                   payoff_change        <=   0     whole+further
C5    trust_and_split   no_group_baseline   greedy                   payoff_change        <=   0     whole+further
C5    trust_and_split   with_buffer         itself                   payoff_change        >=   0     whole+further
C5    trust_and_split   with_buffer         greedy                   payoff_change        >=   0     whole+further
C6    trust_and_split   naive               itself                   welfare_share        <=   0.58  -
C6    trust_and_split   advantage_alignment itself                   welfare_share        >=   0.84  -
C6    trust_and_split   advantage_alignment itself                   coins_upper_hand     >=   8     -
C6    trust_and_split   advantage_alignment itself                   coins_lower_hand     <=   2     -
C6    trust_and_split   advantage_alignment itself                   truthfulness         >=   0.9   -
C6    trust_and_split   sum_of_rewards      itself                   welfare_share        >=   0.92  -
C6    trust_and_split   sum_of_rewards      itself                   coins_upper_hand     >=   8     -
C6    trust_and_split   sum_of_rewards      itself                   coins_lower_hand     <=   1     -
C6    trust_and_split   sum_of_rewards      itself                   truthfulness         >=   0.9   -
C6    trust_and_split   sum_of_rewards      welfare_maximising_lying welfare_share        <=   0.55  aim
"""
CRITERIA = pd.read_csv(StringIO(TABLE), sep=r"\s+")
"""The numbers that carry the claims, and the bounds that count as shown, in the order in which they are listed.

Columns: claim (a key of `CLAIMS`), game, agent (whose number it is), opponent (`ITSELF` in self-play, `EVERYONE` for
all matches together), quantity, side and bound (the smallest or largest value that counts as shown), and kind: an
"aim" is hoped for, but not needed; the "whole" interval must be on the right side, not only the mean; only "further"
experiments measure it (`snakemake everything`).
"""


def claims(tables: Mapping[str, Path]) -> pd.DataFrame:
    """The criteria that need no further experiments; see `judge`.

    Args:
        tables: files with the columns of `tables.fingerprints`.
    """
    further = CRITERIA["kind"].str.contains("further")
    return judge(map(pd.read_csv, tables.values()), CRITERIA[~further])


def all_claims(tables: Mapping[str, Path]) -> pd.DataFrame:
    """All criteria; see `judge`. Among the files there may be a table of ablations."""
    return judge(map(pd.read_csv, tables.values()), CRITERIA)


def judge(tables: Iterable[pd.DataFrame], criteria: pd.DataFrame) -> pd.DataFrame:
    """Every criterion of every game that was played, for each model.

    Args:
        tables: measurements, with the columns of `tables.fingerprints`; tables of ablations also with their changes.
            Where several measure the same thing, the first one counts.
        criteria: rows of `CRITERIA`.

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
    rows = rows.assign(
        aim=rows["kind"].str.contains("aim"),
        holds=within["value"].where(~rows["kind"].str.contains("whole"), whole),
        interval_holds=whole,
        bound=[f"{row.side} {row.bound:g}" for row in rows.itertuples()],
        quantity=[quantity_words(row.game, row.quantity) for row in rows.itertuples()],
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
