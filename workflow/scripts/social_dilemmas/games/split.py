"""Split: divide three kinds of items every round, with public values and no communication."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from social_dilemmas.errors import UserError
from social_dilemmas.games.dividing import (
    Claims,
    Values,
    asks_little,
    claim_grammar,
    describe,
    kinds_of,
    read_claims,
    share,
    value_phrases,
    write_claims,
)
from social_dilemmas.games.game import LARGEST, SEATS, Game, Match, Turn
from social_dilemmas.games.grammar import Grammar
from social_dilemmas.games.horizon import Rounds
from social_dilemmas.randomness import stream


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


def draw_equal_sums(
    random: Random, unit_values: Sequence[int], kinds: int
) -> tuple[Values, Values]:
    """Each value is one of `unit_values`; redrawn until the seats differ and have the same sum."""
    while True:
        first, second = (tuple(random.choices(unit_values, k=kinds)) for _ in SEATS)
        if first != second and sum(first) == sum(second):
            return first, second


def draw_exclusive(random: Random, unit_values: Sequence[int], kinds: int) -> tuple[Values, Values]:
    """Each kind is worth the larger of two `unit_values` to one seat and the smaller to the other;
    redrawn until both seats value some kind more.
    """
    less, more = sorted(set(unit_values))
    while True:
        owners = random.choices(SEATS, k=kinds)
        if len(set(owners)) == len(SEATS):
            first, second = (
                tuple(more if owner == seat else less for owner in owners) for seat in SEATS
            )
            return first, second


VALUE_DRAWS: dict[str, Callable[[Random, Sequence[int], int], tuple[Values, Values]]] = {
    "set": draw_equal_sums,
    "exclusive": draw_exclusive,
    "range": draw_equal_sums,  # of all whole numbers from the least to the most of `unit_values`
}


def treated_fairly(own: Values, other: Values, other_claims: Claims, quantity: int) -> bool:
    """Whether the other, by its claims, left a player the units that this player (`own`) valued more."""
    kinds = zip(own, other, other_claims, strict=True)
    return asks_little([claim for mine, theirs, claim in kinds if mine > theirs], quantity)


class Split(Game):
    """`quantity` units of each of the `kinds`, worth `unit_values` drawn anew as `value_draw` says."""

    kind = "split"
    title = "Split"
    axis = ("Units asked for", 10.0)
    worded_by = ("kinds", "unit_values", "value_draw")  # a kind and its value are one phrase
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
        """Raises UserError if there is nothing to divide, or values couldn't be drawn in this way."""
        super().__init__(rounds)
        self.kinds = kinds_of(self.kind, kinds)
        self.check_positive(quantity=quantity)
        self.quantity = quantity
        different = len(set(unit_values))
        if different < 2 or (value_draw == "exclusive" and different > 2):
            raise UserError(
                f"split: the value_draw {value_draw} needs two different unit_values, "
                f"but they are {[*unit_values]}"
            )
        if min(unit_values) < 0:
            raise UserError(f"split: no unit_values may be negative, but they are {[*unit_values]}")
        if value_draw not in VALUE_DRAWS:
            raise UserError(
                f"split: the rule value_draw must be one of {', '.join(VALUE_DRAWS)}, "
                f"but is {value_draw!r}"
            )
        if value_draw == "range":
            whole = all(isinstance(value, int) for value in unit_values)
            if not whole or max(unit_values) > LARGEST:
                raise UserError(
                    f"split: the value_draw range needs whole numbers up to {LARGEST} as unit_values, "
                    f"but they are {[*unit_values]}"
                )
            unit_values = range(min(unit_values), max(unit_values) + 1)
        self.value_draw = value_draw
        self.unit_values = tuple(unit_values)
        self.claim_grammar = claim_grammar(self.kinds, quantity)
        self.varying = value_phrases(self.kinds, self.unit_values)

    def start(self, seed: int) -> "SplitMatch":
        random = stream("split", seed)
        draw = VALUE_DRAWS[self.value_draw]
        values = [draw(random, self.unit_values, len(self.kinds)) for _ in range(self.rounds)]
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
        return self.quantity * sum(sum(map(max, *finished.values)) for finished in match.history)

    def security(self, match: Match, seat: int) -> float:
        """Half of everything: what is left of claiming all if the other claims all, too."""
        return self.quantity / 2 * sum(sum(finished.values[seat]) for finished in match.history)

    def observe(self, match: Match, seat: int) -> Iterator[tuple[str, float]]:
        treatment = "at_start"
        for finished in match.history:
            own, other = finished.values[seat], finished.values[1 - seat]
            for value, other_value, claim in zip(own, other, finished.claims[seat], strict=True):
                if value > other_value:
                    yield "claim_preferred", claim
                if value < other_value:
                    yield "claim_other", claim
                    yield f"claim_other_{treatment}", claim
            fair = treated_fairly(own, other, finished.claims[1 - seat], self.quantity)
            treatment = "after_fair" if fair else "after_grab"

    def grammars(self) -> Iterable[Grammar]:
        return (self.claim_grammar,)

    def rules(self) -> str:
        """The rules in words, as they stand in the first user turn."""
        items = " and ".join(f"{self.quantity} {kind}" for kind in self.kinds)
        form = write_claims(self.kinds, "n" * len(self.kinds))
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


@dataclass(kw_only=True, eq=False)
class SplitMatch(Match):
    """`values` are drawn beforehand for all rounds."""

    game: Split
    values: list[tuple[Values, Values]]

    def turns(self) -> tuple[Turn, ...]:
        return self.ask_both("proposal", self._prompt, self.game.claim_grammar)

    def _prompt(self, seat: int) -> str:
        kinds, values = self.game.kinds, self.values[len(self.history)]
        if not self.history:
            before = self.game.rules()
        else:
            asked = write_claims(kinds, self.history[-1].claims[1 - seat])
            before = f"The other player asked for {asked}. "
        own, other = describe(kinds, values[seat]), describe(kinds, values[1 - seat])
        return f"{before}You value{own}. The other player values{other}."

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

    def advance(self, values: Mapping[int, Mapping[str, str]]) -> None:
        claims = read_claims(self.game.kinds, values)
        drawn = self.values[len(self.history)]
        self.history.append(SplitRound(drawn, claims, self.game.rewards(drawn, claims)))
