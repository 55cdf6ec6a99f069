"""What a person at a terminal gets to see of a match: prompts, the rounds so far, and the end."""

import dataclasses
import re
import textwrap
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, get_args, get_origin, get_type_hints

from social_dilemmas.agents.human.form import number_range
from social_dilemmas.games.game import Match, in_figures
from social_dilemmas.games.grammar import Choice, Grammar, Text

Choices = list[tuple[int, Grammar, dict[str, str]]]
"""Round, grammar and values of every reply of a player, in order."""

NARROWEST = 8  # no column of a table is made narrower, whatever the terminal

# Ends of sentences, but not those inside of a message such as <message>No. Yes.</message>.
_BETWEEN_SENTENCES = re.compile(r"(?<=[.?!>]) +(?=[A-Z])(?![^<]*</)")


def heading(text: str, width: int) -> str:
    """A line that begins something new."""
    return f"--- {text} ".ljust(min(width, 80), "-")


def paragraphs(text: str, width: int) -> str:
    """A text with a new line for every sentence; signs that might steer a terminal are removed."""
    wrap = textwrap.TextWrapper(min(width, 80), initial_indent="  ", subsequent_indent="  ")
    return "\n".join(wrap.fill(sentence) for sentence in _BETWEEN_SENTENCES.split(printable(text)))


def printable(text: str) -> str:
    """A text without line breaks and control characters."""
    return "".join(character if character.isprintable() else " " for character in text)


def choices_so_far(own: Choices, other: Choices, points: Sequence[float], width: int) -> str:
    """The finished rounds as a table: what both chose, own points and their sum.

    Args:
        own, other: choices of both players.
        points: own points in each finished round.
        width: of the terminal.
    """
    rows = [
        [
            str(index + 1),
            *(_in_words(choices, index) for choices in (own, other)),
            *map(_figures, sums),
        ]
        for index, sums in enumerate(zip(points, accumulate(points), strict=True))
    ]
    return table(["round", "you", "other", "points", "total"], rows, (0, 3, 4), width)


def closing_words(match: Match, seat: int, width: int) -> str:
    """The finished rounds with all that was hidden, and the score."""
    if not match.history:
        return "  No round was finished, so there is no score.\n"
    rounds = [_facts_by_seat(finished) for finished in match.history]
    names = [name for name in rounds[0] if name != "rewards"]
    rows = []
    for index, facts in enumerate(rounds):
        for who, place in (("you", seat), ("other", 1 - seat)):
            number = str(index + 1) if who == "you" else ""
            told = [_told(facts[name][place]) for name in names]
            rows.append([number, who, *told, _figures(match.rewards(place)[index])])
    columns = ["round", "", *(name.replace("_", " ") for name in names), "points"]
    own, other = (sum(match.rewards(place)) for place in (seat, 1 - seat))
    count = f"{len(rounds)} round{'s' * (len(rounds) > 1)}"
    best = _figures(match.game.welfare_optimum(match))
    return "\n".join(
        (
            heading("All that happened", width),
            "",
            table(columns, rows, (0, len(columns) - 1), width),
            "",
            f"  You got {_figures(own)} points in {count}, the other player {_figures(other)}.",
            f"  Together that is {_figures(own + other)}; at best it could have been {best}.",
            "",
        )
    )


def table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int], width: int
) -> str:
    """A table as text. Columns of numbers stand to the right; the widest gives way if it is too wide."""
    lines = [columns, *rows]
    sizes = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    while 2 * len(sizes) + sum(sizes) > width and max(sizes) > NARROWEST:
        sizes[sizes.index(max(sizes))] -= 1
    return "\n".join(
        "  "
        + "  ".join(
            clipped(cell, size).rjust(size) if place in numbers else clipped(cell, size).ljust(size)
            for place, (cell, size) in enumerate(zip(line, sizes, strict=True))
        ).rstrip()
        for line in lines
    )


def clipped(text: str, width: int) -> str:
    """A text that isn't longer than this."""
    return text if len(text) <= width else f"{text[: max(0, width - 3)]}..."


def _in_words(choices: Choices, index: int) -> str:
    """What a player chose in a round, texts last: `7 coins, "I have rock"`."""
    chosen, said = [], []
    for round_index, grammar, values in choices:
        for part in grammar.parts if round_index == index else ():
            match part:
                case Choice(name, _, _, after):
                    unit = after.removesuffix(">") if number_range(part) else ""
                    chosen.append(f"{values[name]}{unit}")
                case Text(name):
                    said.append(f'"{printable(values[name])}"')
    return ", ".join(chosen + said)


def _facts_by_seat(facts: Any) -> dict[str, Any]:
    """All facts of a round that are declared as one value for each seat, wherever they stand in it."""
    found: dict[str, Any] = {}
    if not dataclasses.is_dataclass(facts) or isinstance(facts, type):
        return found
    for name, declared in get_type_hints(type(facts)).items():
        value, kinds = getattr(facts, name), get_args(declared)
        if get_origin(declared) is tuple and len(kinds) == 2 and kinds[0] == kinds[1]:
            found[name] = value
        else:
            found |= _facts_by_seat(value)
    return found


def _told(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(map(_told, value))
    return printable(str(value))


def _figures(points: float) -> str:
    """Points with at most one decimal."""
    return in_figures(round(points, 1))
