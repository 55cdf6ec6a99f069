"""The table of claims in words, and as text for a terminal."""

from collections.abc import Hashable, Iterator, Mapping
from itertools import groupby, zip_longest
from math import isnan
from operator import itemgetter
from textwrap import wrap
from typing import Any

import pandas as pd

from social_dilemmas.agents.agent import ITSELF, OTHER_SEEDS
from social_dilemmas.report.names import game_title, readable, settings_note
from social_dilemmas.report.numbers import with_interval
from social_dilemmas.statistics.criteria import AIM, MORE_THAN, SHARE_OF, WHOLE
from social_dilemmas.statistics.quantities import NORMALISED_WORDS
from social_dilemmas.statistics.tables import differing_games

Row = Mapping[Hashable, Any]
WIDTHS = (4, 21, 27, 23, 9, 8)
NO_BREAK = "\N{NO-BREAK SPACE}"
KINDS = {AIM: "(aim)", WHOLE: "(whole interval)"}
# Roles that several players have.
WORST = {"worst_scripted": "worst scripted", "liar": "worst liar"}


def known(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of bounds that were measured; a share of nothing has no value, but doesn't hold either."""
    return table[table["value"].notna() | (table["seeds"] > 0)]


def measured(row: Row) -> str:
    """What was measured, in words."""
    compared = row["compared_to"] if isinstance(row["compared_to"], str) else ""
    for start, words in ((SHARE_OF, ", as a share of that of"), (MORE_THAN, ", more than that of")):
        if compared.startswith(start):
            return f"{row['quantity']}{words} {readable(compared.removeprefix(start))}"
    return str(row["quantity"])


def opponents(row: Row) -> str:
    """With whom, and under which condition."""
    words = "a copy of itself" if row["opponent"] == ITSELF else readable(row["opponent"]).lower()
    if row["opponent"] == OTHER_SEEDS:
        words = "its other seeds"
    if row["role"] in WORST:
        words += f" ({WORST[row['role']]})" if row["opponent"] != row["role"] else ""
    condition = row["condition"] if isinstance(row["condition"], str) else ""
    return f"{words}, messages: {condition.replace('_', ' ')}" if condition else words


def seeds(row: Row) -> str:
    """In how many seeds the bound holds."""
    return f"{row['seeds_holding']} of {row['seeds']}" if row["seeds"] else ""


def bound(row: Row) -> str:
    """The bound, and in which share of seeds or for what it must hold."""
    share: float = row["share_of_seeds"]
    in_share = "" if isnan(share) else f"in{NO_BREAK}{share:.0%}"
    return " ".join(filter(None, [row["bound"], in_share, KINDS.get(row["kind"])]))


def format_claims(table: pd.DataFrame) -> str:
    """The table of `statistics.claims.judge` for a terminal of 100 columns."""
    lines = []
    rows = known(table)
    records = rows.to_dict("records")
    for (model, claim), of_claim in groupby(records, itemgetter("model", "claim")):
        first, *others = of_claim
        of_model = f" ({model})" if table["model"].nunique() > 1 else ""
        lines += [*wrap(f"{claim}  {first['says']}{of_model}", 100), ""]
        for (game, agent), of_agent in groupby([first, *others], itemgetter("game", "agent")):
            lines.append(f"  {game_title(game)}: {readable(agent)}")
            for row in of_agent:
                lines += _format_row(row)
            lines.append("")
    bounds = rows[rows["kind"] != AIM]
    lines.append(
        f"{bounds['holds'].sum()} of {len(bounds)} bounds hold (for the mean, or for as many seeds or the whole"
    )
    lines.append(
        f"interval as they ask), {bounds['interval_holds'].sum()} for the whole 95 % interval."
    )
    if missing := len(table) - len(rows):
        lines.append(f"{missing} more are about what this run didn't measure.")
    return "\n".join(
        [*lines, *wrap(NORMALISED_WORDS, 100), *wrap(settings_note(differing_games(table)), 100)]
    )


def _format_row(row: Row) -> Iterator[str]:
    """One criterion, on as many lines as its words need."""
    value = with_interval(row["value"], row["low"], row["high"]).replace("−", "-")
    cells = ["yes" if row["holds"] else "NO", f"with {opponents(row)}", measured(row)]
    cells += [value, bound(row), seeds(row)]
    wrapped = [wrap(cell, width) for cell, width in zip(cells, WIDTHS, strict=True)]
    for parts in zip_longest(*wrapped, fillvalue=""):
        padded = (f"{part:<{width}}" for part, width in zip(parts, WIDTHS, strict=True))
        yield f"  {' '.join(padded)}".rstrip().replace(NO_BREAK, " ")
