"""Split: divide three kinds of items every round, with public values and no communication."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

from social_dilemmas.errors import UserError
from social_dilemmas.games.game import SEATS, Game, Match, Turn, in_figures
from social_dilemmas.games.grammar import Choice, Grammar
from social_dilemmas.games.horizon import Rounds
from social_dilemmas.games.sharing import asks_little, share
from social_dilemmas.randomness import stream

Values = tuple[int, ...]  # points a unit, one for each kind
Claims = tuple[int, ...]  # units asked for, one for each kind


@dataclass(frozen=True)
class SplitRound:
    """Values, claims and points of both seats."""

    values: tuple[Values, Values]
    claims: tuple[Claims, Claims]
    rewards: tuple[float, float]


@dataclass(frozen=True)
class SplitView:
    """What a seat knows before it claims.

    `past` holds (own values, other's values, own claims, other's claims) of every finished round.
    """

    quantity: int
    values: Values
    other_values: Values
    past: tuple[tuple[Values, Values, Claims, Claims], ...]


class ValueDraw(ABC):
    """How the values of a round are drawn."""

    def __init__(self, unit_values: Sequence[int]) -> None:
        """Raises UserError if these values don't suit it."""
        self.unit_values = tuple(unit_values)

    @property
    def values(self) -> tuple[int, ...]:
        """All that a unit may be worth."""
        return self.unit_values

    @abstractmethod
    def draw(self, random: Random, kinds: int) -> tuple[Values, Values]:
        """Values of both seats for that many kinds."""


class FromSet(ValueDraw):
    """Each value is one of `unit_values`; redrawn until the seats differ and have the same sum."""

    def draw(self, random: Random, kinds: int) -> tuple[Values, Values]:
        while True:
            first, second = (tuple(random.choices(self.values, k=kinds)) for _ in SEATS)
            if first != second and sum(first) == sum(second):
                return first, second


class FromRange(FromSet):
    """The same with all whole numbers from the least to the most of `unit_values`."""

    def __init__(self, unit_values: Sequence[int]) -> None:
        super().__init__(unit_values)
        if not all(isinstance(value, int) for value in unit_values):
            raise UserError(
                "split: the value_draw range needs whole numbers as unit_values, "
                f"but they are {[*unit_values]}"
            )
        self.range = tuple(range(min(unit_values), max(unit_values) + 1))

    @property
    def values(self) -> tuple[int, ...]:
        return self.range


class Exclusive(ValueDraw):
    """Each kind is worth the larger of two `unit_values` to one seat and the smaller to the other;
    redrawn until both seats value some kind more.
    """

    def __init__(self, unit_values: Sequence[int]) -> None:
        super().__init__(unit_values)
        if len(set(unit_values)) != 2:
            raise UserError(
                "split: the value_draw exclusive needs two different unit_values, "
                f"but they are {[*unit_values]}"
            )

    def draw(self, random: Random, kinds: int) -> tuple[Values, Values]:
        less, more = sorted(set(self.unit_values))
        while True:
            owners = random.choices(SEATS, k=kinds)
            if len(set(owners)) == len(SEATS):
                first, second = (
                    tuple(more if owner == seat else less for owner in owners) for seat in SEATS
                )
                return first, second


VALUE_DRAWS: dict[str, type[FromSet] | type[Exclusive]] = {
    "set": FromSet,
    "exclusive": Exclusive,
    "range": FromRange,
}


def treated_fairly(own: Values, other: Values, other_claims: Claims, quantity: int) -> bool:
    """Whether the other, by its claims, left a player the units that this player valued more.

    Args:
        own: values of the player who was treated.
        other: values of the other player.
        other_claims: what the other player asked for.
        quantity: units of each kind.
    """
    kinds = zip(own, other, other_claims, strict=True)
    return asks_little([claim for mine, theirs, claim in kinds if mine > theirs], quantity)


def value_phrase(kinds: tuple[str, ...], kind: str, value: int) -> str:
    """What a unit of one kind is worth, as it stands in the list of all kinds."""
    worth = f"{kind} at {in_figures(value)}"
    return f" and {worth}" if kind == kinds[-1] else f" {worth},"


@cache
def describe_values(kinds: tuple[str, ...], values: Values, other_values: Values) -> str:
    """The values of a round in words."""
    own, other = (
        "".join(value_phrase(kinds, *pair) for pair in zip(kinds, both, strict=True))
        for both in (values, other_values)
    )
    return f"You value{own}. The other player values{other}."


class Split(Game):
    """`quantity` units of each of the `kinds`, whose values for both players are drawn every round
    from `unit_values`, in the way that `value_draw` names.
    """

    kind = "split"
    title = "Split"
    axis = ("Units asked for", 10.0)
    behaviours: Mapping[str, str] = {
        "claim_preferred": "units asked of what it values more",
        "claim_other": "units asked of what the other values more",
        "claim_other_at_start": "... in the first round",
        "claim_other_after_fair": "... after the other left it what it values more",
        "claim_other_after_grab": "... after the other grabbed what it values more",
    }

    def __init__(
        self,
        rounds: Rounds,
        kinds: Sequence[str] = ("hats", "books", "balls"),
        quantity: int = 10,
        unit_values: Sequence[int] = (1, 10),
        value_draw: str = "set",
    ) -> None:
        """Raises UserError if kinds can't be told apart, there is nothing to divide, or values
        couldn't be drawn in this way.
        """
        super().__init__(rounds)
        if len(set(kinds)) < len(kinds) or not all(kind.isidentifier() for kind in kinds):
            raise UserError(
                f"split: the rule kinds must be different single words, but is {[*kinds]}"
            )
        if quantity < 1:
            raise UserError(f"split: the rule quantity must be at least 1, but is {quantity}")
        if len(set(unit_values)) < 2 or len(kinds) < 2:
            raise UserError("split: rules need at least two kinds and two different unit_values")
        if min(unit_values) < 0:
            raise UserError(f"split: no unit_values may be negative, but they are {[*unit_values]}")
        if value_draw not in VALUE_DRAWS:
            raise UserError(
                f"split: the rule value_draw must be one of {', '.join(VALUE_DRAWS)}, "
                f"but is {value_draw!r}"
            )
        self.kinds = tuple(kinds)
        self.quantity = quantity
        self.value_draw = VALUE_DRAWS[value_draw](unit_values)
        self.unit_values = self.value_draw.values
        self.claim_grammar = Grammar(
            tuple(
                Choice(kind, tuple(map(str, range(quantity + 1))), "<", f" {kind}>")
                for kind in self.kinds
            )
        )
        self.varying = tuple(
            value_phrase(self.kinds, kind, value)
            for kind in self.kinds
            for value in self.unit_values
        )

    @classmethod
    def wording(cls, rules: Mapping[str, Any]) -> dict[str, Any]:
        """A kind and its value are one phrase."""
        names = ("kinds", "unit_values", "value_draw")
        return {name: rules[name] for name in names if name in rules}

    def start(self, seed: int) -> "SplitMatch":
        random = stream("split", seed)
        values = [self.value_draw.draw(random, len(self.kinds)) for _ in range(self.rounds)]
        return SplitMatch(seed=seed, game=self, values=values)

    def rewards(
        self, values: tuple[Values, Values], claims: tuple[Claims, Claims]
    ) -> tuple[float, float]:
        """Points of both seats: what each gets of every kind, times its own value."""
        first = second = 0.0
        for value, other_value, claim, other_claim in zip(*values, *claims, strict=True):
            first += value * share(claim, other_claim, self.quantity)
            second += other_value * share(other_claim, claim, self.quantity)
        return first, second

    @property
    def reward_bounds(self) -> tuple[float, float]:
        return 0, self.quantity * len(self.kinds) * max(self.unit_values)

    def welfare_optimum(self, match: Match) -> float:
        best: int = sum(
            max(pair) for finished in match.history for pair in zip(*finished.values, strict=True)
        )
        return self.quantity * best

    def observe(self, match: Match, seat: int) -> Iterator[tuple[str, float]]:
        treatment = "at_start"
        for finished in match.history:
            own, other = finished.values[seat], finished.values[1 - seat]
            kinds = range(len(own))
            for kind in kinds:
                if own[kind] > other[kind]:
                    yield "claim_preferred", finished.claims[seat][kind]
                if own[kind] < other[kind]:
                    yield "claim_other", finished.claims[seat][kind]
                    yield f"claim_other_{treatment}", finished.claims[seat][kind]
            fair = treated_fairly(own, other, finished.claims[1 - seat], self.quantity)
            treatment = "after_fair" if fair else "after_grab"

    def grammars(self) -> Iterable[Grammar]:
        return (self.claim_grammar,)

    def rules(self) -> str:
        """The rules in words, as they stand in the first user turn."""
        items = " and ".join(f"{self.quantity} {kind}" for kind in self.kinds)
        form = self.claim_grammar.write(dict.fromkeys(self.kinds, "n"))
        return (
            f"You and another player divide {items} in every round, for many rounds. "
            "What a unit is worth to each of you changes from round to round, and both of you know "
            "both values. At the same time you each ask for a number of units of every kind. "
            f"If together you ask for more than {self.quantity} units of a kind, they are shared "
            "in proportion to what each asked for. Your points are the units that you get times "
            "what they are worth to you. "
            "Your aim is to collect as many points as you can over all rounds. "
            f"Reply in the form {form} and nothing else, where each n is a number from 0 to "
            f"{self.quantity}. "
        )

    def write_claims(self, claims: Claims) -> str:
        """Claims as a reply."""
        return self.claim_grammar.write(dict(zip(self.kinds, claims, strict=True)))


@dataclass(kw_only=True, eq=False)
class SplitMatch(Match):
    """Both seats claim at once in every round; `values` are drawn beforehand for all rounds."""

    game: Split
    values: list[tuple[Values, Values]]

    def turns(self) -> tuple[Turn, ...]:
        if self.finished:
            return ()
        grammar = self.game.claim_grammar
        return tuple(Turn(self, seat, "proposal", self._prompt(seat), grammar) for seat in SEATS)

    def _prompt(self, seat: int) -> str:
        values = self.values[len(self.history)]
        described = describe_values(self.game.kinds, values[seat], values[1 - seat])
        if not self.history:
            return self.game.rules() + described
        last = self.game.write_claims(self.history[-1].claims[1 - seat])
        return f"The other player asked for {last}. {described}"

    def view(self, seat: int) -> SplitView:
        values = self.values[len(self.history)]
        return SplitView(
            quantity=self.game.quantity,
            values=values[seat],
            other_values=values[1 - seat],
            past=tuple(
                (r.values[seat], r.values[1 - seat], r.claims[seat], r.claims[1 - seat])
                for r in self.history
            ),
        )

    def forfeit(self, turn: Turn) -> dict[str, str]:
        return dict.fromkeys(self.game.kinds, "0")

    def advance(self, values: Mapping[int, Mapping[str, str]]) -> None:
        first, second = (
            tuple(int(values[seat][kind]) for kind in self.game.kinds) for seat in SEATS
        )
        drawn = self.values[len(self.history)]
        rewards = self.game.rewards(drawn, (first, second))
        self.history.append(SplitRound(drawn, (first, second), rewards))
