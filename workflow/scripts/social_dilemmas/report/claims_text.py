"""The table of claims as text for a terminal."""

import math
from collections.abc import Hashable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from textwrap import wrap
from typing import Any

import pandas as pd

from social_dilemmas.report.names import game_title, readable
from social_dilemmas.report.numbers import with_interval
from social_dilemmas.statistics.claims import CLAIMS
from social_dilemmas.statistics.tables import ITSELF


def format_claims(table: pd.DataFrame) -> str:
    """The table of `statistics.claims.judge` for a terminal of 100 columns."""
    lines = []
    rows = table.to_dict("records")
    for (model, claim), of_claim in groupby(rows, itemgetter("model", "claim")):
        of_model = f" ({model})" if table["model"].nunique() > 1 else ""
        lines += [f"{claim}  {CLAIMS[claim]}{of_model}", ""]
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
        value = with_interval(row["value"], row["low"], row["high"]).replace("−", "-")
    opponent = row["opponent"]
    play = "in self-play" if opponent == ITSELF else f"with {readable(opponent).lower()}"
    aim = " (aim)" if row["aim"] else ""
    first, *others = wrap(row["quantity"], 31)
    yield f"  {verdict:<4} {play:<25} {first:<31} {value:<20} {row['bound']}{aim}"
    for other in others:
        yield f"{'':33}{other}"
