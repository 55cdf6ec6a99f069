"""Names of the strategies of the Axelrod library 4.14.0 that can enter a tournament.

`strategies.txt` lists them, so that a configuration can be checked without the library, which takes seconds to
import; a test compares the two. Suitable are strategies that keep to the rules of Axelrod's tournaments (they neither
read nor change the other player) and that the library doesn't class as slow. Some use the number of rounds; they take
part, but don't learn it, like everybody else.
"""

import difflib
from collections.abc import Iterable
from pathlib import Path

STRATEGIES = tuple(
    Path(__file__).with_name("strategies.txt").read_text(encoding="utf-8").splitlines()
)

TOURNAMENT_KIND = "prisoners_dilemma"
"""The kind of game that they play."""

ALL = "all"
"""Stands for all of them in a configuration."""


def chosen_strategies(names: Iterable[str]) -> list[str]:
    """The strategies that a configuration names, with `ALL` expanded."""
    names = list(names)
    return list(STRATEGIES) if ALL in names else names


def unknown_strategy(name: str) -> str:
    """The complaint about a name that isn't in the list."""
    close = difflib.get_close_matches(name, STRATEGIES, n=3)
    guess = f"did you mean {' or '.join(map(repr, close))}?" if close else "see config/README.md"
    return f"unknown strategy {name!r} of the Axelrod library; {guess}"
