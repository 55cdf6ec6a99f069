"""What a person at a terminal sees of a match: prompts, the rounds so far, and the end.

All that players write becomes `Text` without control characters: it can neither steer the terminal nor
be read as markup.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any, get_args, get_origin, get_type_hints

from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from social_dilemmas.agents.form import number_range, printable
from social_dilemmas.games.game import Match, in_figures
from social_dilemmas.games.grammar import Choice, Grammar, Literal

Replies = dict[tuple[int, int], list[tuple[Grammar, Mapping[str, str]]]]
"""Grammar and values of all replies, by round and seat."""

WIDTH = 80  # of prose, even if the terminal is wider
NUMBERS = ("round", "points", "total")  # columns of tables

# Ends of sentences, but not those within a message such as <message>No. Yes.</message>.
_BETWEEN_SENTENCES = re.compile(r"(?<=[.?!>]) +(?=[A-Z])(?![^<]*</)")


def heading(text: str) -> RenderableType:
    """A line that begins something new."""
    rule = Rule(Text(f"--- {text}", "bold"), align="left", characters="-")
    return Padding(Constrain(rule, WIDTH), (1, 0, 0, 0))


def prose(text: str) -> RenderableType:
    """A paragraph with a new line for every sentence."""
    lines = Text("\n".join(_BETWEEN_SENTENCES.split(printable(text))))
    return Constrain(Padding(lines, (1, 0, 1, 2), expand=False), WIDTH)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> RenderableType:
    """A table without lines; long texts are cut off where the terminal is too narrow."""
    grid = Table(box=None, padding=(0, 0, 0, 2))
    for name in columns:
        number = name in NUMBERS
        grid.add_column(name, justify="right" if number else "left", no_wrap=number)
    for row in rows:
        grid.add_row(*(Text(printable(cell), no_wrap=True, overflow="ellipsis") for cell in row))
    return Padding(grid, (1, 0, 0, 0))


def rounds_so_far(replies: Replies, match: Match, seat: int) -> RenderableType:
    """The finished rounds: the choices of both, own points and their sum."""
    points = match.rewards(seat)
    rows = []
    for index, sums in enumerate(zip(points, accumulate(points), strict=True)):
        choices = [_in_words(replies[index, place]) for place in (seat, 1 - seat)]
        rows.append([str(index + 1), *choices, *map(_in_figures, sums)])
    return table(["round", "you", "other", "points", "total"], rows)


def final_score(match: Match, seat: int) -> RenderableType:
    """The finished rounds with everything that was hidden, and the score."""
    if not match.history:
        return prose("No round was finished, so there is no score.")
    rounds = [_facts_by_seat(finished) for finished in match.history]
    names = [name for name in rounds[0] if name != "rewards"]
    rows = []
    for index, facts in enumerate(rounds):
        for number, who, place in ((str(index + 1), "you", seat), ("", "other", 1 - seat)):
            values = [_as_text(facts[name][place]) for name in names]
            rows.append([number, who, *values, _in_figures(facts["rewards"][place])])
    own, other = (sum(match.rewards(place)) for place in (seat, 1 - seat))
    count = f"{len(rounds)} round{'s' * (len(rounds) > 1)}"
    best = _in_figures(match.game.welfare_optimum(match))
    return Group(
        heading("All that happened"),
        table(["round", "", *(name.replace("_", " ") for name in names), "points"], rows),
        prose(
            f"You got {_in_figures(own)} points in {count}, the other player {_in_figures(other)}. "
            f"Together that is {_in_figures(own + other)}; at best it could have been {best}."
        ),
    )


def _in_words(replies: Iterable[tuple[Grammar, Mapping[str, str]]]) -> str:
    """A player's choices in a round, texts last: `7 coins, "I have rock"`."""
    chosen, said = [], []
    for grammar, values in replies:
        for part in grammar.parts:
            if isinstance(part, Choice):
                unit = part.after.removesuffix(">") if number_range(part) else ""
                chosen.append(f"{values[part.name]}{unit}")
            elif not isinstance(part, Literal):
                said.append(f'"{values[part.name]}"')
    return ", ".join(chosen + said)


def _facts_by_seat(facts: Any) -> dict[str, Any]:
    """All facts of a round that are declared as one value per seat, however deep in it."""
    found: dict[str, Any] = {}
    for name, declared in get_type_hints(type(facts)).items():
        value, kinds = getattr(facts, name), get_args(declared)
        if get_origin(declared) is tuple and len(kinds) == 2 and kinds[0] == kinds[1]:
            found[name] = value
        elif dataclasses.is_dataclass(value):
            found |= _facts_by_seat(value)
    return found


def _as_text(value: Any) -> str:
    return ", ".join(map(_as_text, value)) if isinstance(value, tuple | list) else str(value)


def _in_figures(points: float) -> str:
    """Points with at most one decimal."""
    return in_figures(round(points, 1))
