"""What the games share in which players divide things: claims, their forms, values, fairness."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from social_dilemmas.errors import UserError
from social_dilemmas.games.game import SEATS, in_figures
from social_dilemmas.games.grammar import Choice, Grammar

Values = tuple[int, ...]  # points per unit, one for each kind
Claims = tuple[int, ...]  # units asked for, one for each kind


def kinds_of(game: str, kinds: Sequence[str]) -> tuple[str, ...]:
    """The rule `kinds`; raises UserError if there are fewer than two that can be told apart."""
    if len(set(kinds)) < max(len(kinds), 2) or not all(kind.isidentifier() for kind in kinds):
        raise UserError(
            f"{game}: the rule kinds must be two or more different single words, but is {[*kinds]}"
        )
    return tuple(kinds)


def claim_grammar(kinds: Sequence[str], most: int) -> Grammar:
    """Replies that ask for 0 to `most` units of every kind, such as `<3 hats><10 books>`."""
    numbers = tuple(map(str, range(most + 1)))
    return Grammar(tuple(Choice(kind, numbers, "<", f" {kind}>") for kind in kinds))


def write_claims(kinds: Sequence[str], numbers: Iterable[object]) -> str:
    """Units of every kind, in the form of a reply."""
    return "".join(f"<{number} {kind}>" for number, kind in zip(numbers, kinds, strict=True))


def read_claims(
    kinds: Sequence[str], values: Mapping[int, Mapping[str, str]]
) -> tuple[Claims, Claims]:
    """The claims of both seats in their parsed replies."""
    first, second = (tuple(int(values[seat][kind]) for kind in kinds) for seat in SEATS)
    return first, second


def value_phrase(kinds: tuple[str, ...], kind: str, value: float) -> str:
    """What a unit of one kind is worth, as it stands in the list of all kinds."""
    worth = f"{kind} at {in_figures(value)}"
    return f" and {worth}" if kind == kinds[-1] else f" {worth},"


def value_phrases(kinds: tuple[str, ...], values: Iterable[float]) -> tuple[str, ...]:
    """All phrases for kinds that may have any of these values."""
    values = tuple(values)
    return tuple(value_phrase(kinds, kind, value) for kind in kinds for value in values)


@cache
def describe(kinds: tuple[str, ...], values: Values) -> str:
    """The values of all kinds in words, with a space before them."""
    return "".join(value_phrase(kinds, *pair) for pair in zip(kinds, values, strict=True))


def share(claim: float, other_claim: float, quantity: float) -> float:
    """Units that a claim gets; claims that exceed the quantity together are cut in proportion."""
    return quantity * claim / max(quantity, claim + other_claim)


def half(quantity: int) -> int:
    """Half of the units; the larger half if odd, so that two halves leave nothing over."""
    return (quantity + 1) // 2


def asks_little(claims: Sequence[int], quantity: int) -> bool:
    """Whether a player treats the other fairly: of units that are worth more to the other, `quantity`
    each, it claims fewer than half on average. Anything else is a grab.
    """
    return sum(claims) < quantity / 2 * len(claims)
