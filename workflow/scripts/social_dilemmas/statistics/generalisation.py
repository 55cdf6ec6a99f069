"""What agents do under what they weren't trained on."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from social_dilemmas.agents.roles import EXTREMES
from social_dilemmas.statistics.files import read_rows
from social_dilemmas.statistics.quantities import COOPERATION, PAYOFFS
from social_dilemmas.statistics.tables import COUNT, RELATION, summary, with_itself

FIRST = "choice_A"
"""What matrix games without a word for it call the choice of the table's first action, which cooperates."""


def generalisation(matches: Mapping[tuple[str, str, str], Path]) -> pd.DataFrame:
    """Cooperation and payoffs of trained and untrained agents, from the matches of each (game, model, variation).

    Returns:
        Columns model, game, variation, agent, opponent (`ITSELF`, or a role of `agents.roles.EXTREMES`), quantity
        (`COOPERATION` or one of `PAYOFFS`), and the attributes of `intervals.Interval`.
    """
    parts = []
    names = {FIRST: COOPERATION, f"{FIRST}{COUNT}": f"{COOPERATION}{COUNT}"}
    for (game, model, variation), path in matches.items():
        frame = read_rows(path).rename(columns=names)
        own = frame[~frame["agent"].isin(EXTREMES)]
        table = with_itself(summary((game, model), own, [COOPERATION, *PAYOFFS]))
        table = table.drop(columns=RELATION).replace({"opponent": EXTREMES})
        table.insert(2, "variation", variation)
        parts.append(table)
    return pd.concat(parts, ignore_index=True)
