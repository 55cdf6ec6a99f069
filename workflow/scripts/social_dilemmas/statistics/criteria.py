"""Criteria of claims: bounds on measurements, read from a file that lies beside the configuration.

Bounds on normalised quantities, and opponents by their roles, hold for any payoffs, rounds and names of a game.
"""

import csv
import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from social_dilemmas.errors import UserError
from social_dilemmas.games import games_like, kind_named
from social_dilemmas.statistics.quantities import WORDS

logger = logging.getLogger(__name__)
ANY = "any"
SIDES = ("<=", ">=")
SHARE_OF, MORE_THAN = "share of ", "more than "
AIM, WHOLE = "aim", "whole"
KINDS = ("", AIM, WHOLE)
ALIKE = 0.85  # names that have as much in common are taken for the same, misspelt


@dataclass(frozen=True)
class Criterion:
    """A bound that counts as shown.

    Attributes:
        claim, says: the claim that it belongs to, and that claim in words.
        game: kinds or names of games with spaces between, or `ANY`.
        agent: whose number it is, by its name.
        opponent: a name, or a role as `agents.roles.players_in_role` knows it.
        condition: that of the matches, where a table has several; else empty.
        quantity: its name in the tables.
        compared_to: empty, or "share of" or "more than" another agent, whose number is divided by or subtracted.
        side, bound: `<=` the largest or `>=` the smallest value that counts as shown.
        seeds: the share of seeds in which the bound must hold; None if it must hold for the mean over seeds.
        kind: an "aim" is hoped for, but not needed; the "whole" interval must be within the bound; else empty.
    """

    claim: str
    game: str
    agent: str
    opponent: str
    condition: str
    quantity: str
    compared_to: str
    side: str
    bound: float
    seeds: float | None
    kind: str
    says: str

    def is_about(self, game: str) -> bool:
        """Whether it is about this game."""
        return self.game == ANY or bool({game, kind_named(game)} & set(self.game.split()))

    def within(self, value: float) -> bool:
        """Whether a value is within the bound; NaN isn't."""
        return value <= self.bound if self.side == "<=" else value >= self.bound


FIELDS = tuple(Criterion.__dataclass_fields__)
NEEDED = ("claim", "game", "agent", "opponent", "quantity")


def read_criteria(path: Path) -> list[Criterion]:
    """The criteria of a file: a CSV with the columns `FIELDS`, in which lines that begin with # are comments.

    Raises:
        UserError: one sentence with the line and what is wrong in it.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it isn't UTF-8"
        raise UserError(f"claims: {path} can't be read: {reason}") from None
    numbered = [
        (number, line)
        for number, line in enumerate(lines, 1)
        if line.strip(" ,") and line[0] != "#"
    ]
    header, *rows = [next(csv.reader([line])) for _, line in numbered] or [[]]
    if tuple(header) != FIELDS:
        raise UserError(f"{path}: the first line must be {','.join(FIELDS)}")
    says: dict[str, str] = {}
    criteria = []
    for (number, _), row in zip(numbered[1:], rows, strict=True):
        try:
            criteria.append(_criterion(row, says))
        except (UserError, ValueError) as error:
            raise UserError(f"{path}, line {number}: {error}") from None
    return criteria


def warn_of_misspelt(path: Path, criteria: Iterable[Criterion], agents: Sequence[str]) -> None:
    """Say where the file has what looks like the name of one of these agents and isn't: it is measured nowhere."""
    for criterion in criteria:
        compared = criterion.compared_to.removeprefix(SHARE_OF).removeprefix(MORE_THAN)
        for name in (criterion.agent, criterion.opponent, compared):
            close = [] if name in agents else get_close_matches(name, agents, n=1, cutoff=ALIKE)
            for meant in close:
                mistake = f"no agent is called {name!r}, did you mean {meant!r}?"
                logger.warning("%s: %s: %s", path, criterion.claim, mistake)


def _criterion(row: list[str], says: dict[str, str]) -> Criterion:
    """The criterion of a row; what its claim says may stand in an earlier one. Raises ValueError or UserError if it
    makes no sense.
    """
    if len(row) != len(FIELDS):
        raise ValueError(f"there must be {len(FIELDS)} values, but there are {len(row)}")
    given = dict(zip(FIELDS, map(str.strip, row), strict=True))
    for field in NEEDED:
        if not given[field]:
            raise ValueError(f"{field} must not be empty")
    for field, known in (("side", SIDES), ("kind", KINDS)):
        if given[field] not in known:
            words = " or ".join(known).removeprefix(" or ")
            raise ValueError(f"{field} must be {words}, but is {given[field]!r}")
    compared = given["compared_to"]
    if compared and not compared.startswith((SHARE_OF, MORE_THAN)):
        words = f"{SHARE_OF}AGENT or {MORE_THAN}AGENT"
        raise ValueError(f"compared_to must be {words}, but is {compared!r}")
    _check_quantity(given["quantity"], given["game"])
    bound, seeds = _number("bound", given.pop("bound")), given.pop("seeds")
    share = _number("seeds", seeds) if seeds else None
    if share is not None and not 0 < share <= 1:
        raise ValueError(f"seeds must be a share from 0 to 1, but is {seeds}")
    if share is not None and given["kind"] == WHOLE:
        raise ValueError("seeds must be empty where the whole interval must be within the bound")
    if not says.setdefault(given["claim"], given.pop("says")):
        raise ValueError(
            f"the first line of {given['claim']} must say in its last column what it claims"
        )
    return Criterion(**given, bound=bound, seeds=share, says=says[given["claim"]])


def _number(field: str, text: str) -> float:
    """The number of a field; raises ValueError if it isn't one."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{field} must be a number, but is {text!r}")
    return number


def _check_quantity(quantity: str, games: str) -> None:
    """Raise ValueError or UserError if one of the games doesn't exist or doesn't have the quantity."""
    for name in [] if games == ANY else games.split():
        known = [*WORDS, *(each for game in games_like(name) for each in game.behaviours)]
        if quantity not in known:
            raise ValueError(f"{name} has no quantity {quantity!r}; it has {', '.join(known)}")
    if games == ANY and quantity not in WORDS:
        raise ValueError(f"{quantity!r} is no quantity of every game: {', '.join(WORDS)}")
