"""Any iterated two-player matrix game: both choose an action at once, a table tells the points."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from string import ascii_uppercase
from typing import Any

from social_dilemmas.errors import UserError
from social_dilemmas.games.game import SEATS, Game, Match, Turn, in_figures
from social_dilemmas.games.grammar import Choice, Grammar
from social_dilemmas.games.horizon import Rounds

Table = Mapping[str, Mapping[str, Sequence[float]]]
"""For each action of seat 0 (the row) and of seat 1 (the column): the points of seats 0 and 1."""

Payoffs = Mapping[tuple[str, str], tuple[float, float]]
"""By own action and the other's: own points and the other's."""

COORDINATION: Table = {
    "A": {"A": [1, 1], "B": [0, 0]},
    "B": {"A": [0, 0], "B": [1, 1]},
}
"""Points for choosing alike: pure coordination, Schelling, The Strategy of Conflict, 1960."""


@dataclass(frozen=True)
class ActionRound:
    """Actions and points of both seats."""

    actions: tuple[str, str]
    rewards: tuple[float, float]


@dataclass(frozen=True)
class ActionView:
    """The points of every outcome, and past actions, oldest first."""

    payoffs: Payoffs
    own: tuple[str, ...]
    other: tuple[str, ...]

    @property
    def actions(self) -> tuple[str, ...]:
        """All actions that there are."""
        return tuple(dict.fromkeys(own for own, _ in self.payoffs))


def read_table(table: Table) -> dict[tuple[str, str], tuple[float, float]]:
    """The points of seats 0 and 1 by their actions, in the order of the table.

    Raises:
        UserError: the table isn't square, its actions aren't A, B, ..., or a pair of actions has no
            two numbers.
    """
    if not isinstance(table, Mapping) or len(table) < 2:
        raise UserError(f"payoffs must be a table of two or more actions, but is {table!r}")
    actions = list(table)
    letters = list(ascii_uppercase[: len(actions)])
    if actions != letters:
        raise UserError(
            f"the actions of payoffs must be {', '.join(letters)} in this order, "
            f"but are {', '.join(map(str, actions))}"
        )
    for action, row in table.items():
        if not isinstance(row, Mapping) or list(row) != letters:
            found = ", ".join(map(str, row)) if isinstance(row, Mapping) else repr(row)
            raise UserError(
                f"payoffs.{action} must have points against {', '.join(letters)} in this order, "
                f"but has {found}"
            )
    return {
        (own, other): _points(f"payoffs.{own}.{other}", table[own][other])
        for own, other in product(letters, repeat=2)
    }


def _points(place: str, pair: Any) -> tuple[float, float]:
    numbers = isinstance(pair, Sequence) and not isinstance(pair, str) and len(pair) == 2
    if not numbers or not all(_is_finite(number) for number in pair):
        raise UserError(f"{place} must be two numbers, the points of both seats, but is {pair!r}")
    return pair[0], pair[1]


def _is_finite(number: Any) -> bool:
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    return is_number and math.isfinite(number)


def one_of(names: Sequence[str]) -> str:
    """Names as a choice in words: `A, B or C`."""
    return f"{', '.join(names[:-1])} or {names[-1]}"


class MatrixGame(Game):
    """The table `payoffs` says what each pair of actions pays; the seats may differ in it.

    Actions are the letters A, B, ..., so that their names mean nothing.
    """

    kind = "matrix_game"
    title = "Iterated matrix game"
    axis = ("Probability", 1.0)

    def __init__(self, rounds: Rounds, payoffs: Table = COORDINATION) -> None:
        """Raises UserError if the table has no points for some pair of actions, or too many."""
        super().__init__(rounds)
        try:
            self.payoffs = read_table(payoffs)
        except UserError as error:
            raise UserError(f"{self.kind}: {error}") from None
        self.actions = tuple(payoffs)
        self.choice = Choice("action", self.actions)
        self.grammar = Grammar((self.choice,))
        self.behaviours = dict(self.described_behaviours())
        mirrored = {
            (own, other): self.payoffs[other, own][::-1]
            for own, other in product(self.actions, repeat=2)
        }
        self.payoffs_by_seat: tuple[Payoffs, Payoffs] = (self.payoffs, mirrored)

    @classmethod
    def wording(cls, rules: Mapping[str, Any]) -> dict[str, Any]:
        """Only which actions there are."""
        actions = list(rules.get("payoffs", ()))
        return {"payoffs": {a: {b: [0, 0] for b in actions} for a in actions}} if actions else {}

    def described_behaviours(self) -> Iterator[tuple[str, str]]:
        """How often each action is chosen, but for the last, which is what is left to 1."""
        for action in self.actions[:-1]:
            yield f"choice_{action}", f"chooses {action}"
            yield f"choice_{action}_at_start", "... in the first round"
            for own, other in product(self.actions, repeat=2):
                words = f"... after it chose {own} and the other {other}"
                yield f"choice_{action}_after_{own}{other}", words

    def start(self, seed: int) -> "MatrixGameMatch":
        return MatrixGameMatch(seed=seed, game=self)

    @property
    def reward_bounds(self) -> tuple[float, float]:
        points = [point for pair in self.payoffs.values() for point in pair]
        return min(points), max(points)

    def welfare_optimum(self, match: Match) -> float:
        return len(match.history) * max(sum(pair) for pair in self.payoffs.values())

    def observe(self, match: Match, seat: int) -> Iterator[tuple[str, float]]:
        before = "at_start"
        for finished in match.history:
            own, other = finished.actions[seat], finished.actions[1 - seat]
            for action in self.actions[:-1]:
                yield f"choice_{action}", float(own == action)
                yield f"choice_{action}_{before}", float(own == action)
            before = f"after_{own}{other}"

    def grammars(self) -> Iterable[Grammar]:
        return (self.grammar,)

    def rules(self, seat: int) -> str:
        """The rules in words, as they stand in the first user turn of a seat."""
        outcomes = "".join(
            f"If you choose {own} and the other chooses {other}, "
            f"you get {in_figures(points)} and the other gets {in_figures(other_points)} points. "
            for (own, other), (points, other_points) in self.payoffs_by_seat[seat].items()
        )
        return (
            "You meet one other player again and again. In every round you both choose "
            f"{one_of(self.actions)} at the same time, and only afterwards learn what the other "
            f"chose. {outcomes}"
            "Your aim is to collect as many points as you can over all rounds. "
            f"Reply with {one_of(self.choice.spellings())} and nothing else."
        )


@dataclass(kw_only=True, eq=False)
class MatrixGameMatch(Match):
    """Both seats act at once in every round."""

    game: MatrixGame

    def turns(self) -> tuple[Turn, ...]:
        if self.finished:
            return ()
        grammar = self.game.grammar
        return tuple(Turn(self, seat, "action", self._prompt(seat), grammar) for seat in SEATS)

    def _prompt(self, seat: int) -> str:
        if not self.history:
            return self.game.rules(seat)
        return f"The other player chose <{self.history[-1].actions[1 - seat]}>."

    def view(self, seat: int) -> ActionView:
        return ActionView(
            payoffs=self.game.payoffs_by_seat[seat],
            own=tuple(finished.actions[seat] for finished in self.history),
            other=tuple(finished.actions[1 - seat] for finished in self.history),
        )

    def forfeit(self, turn: Turn) -> dict[str, str]:
        payoffs = self.game.payoffs_by_seat[turn.seat]

        def left_to_the_other(action: str) -> float:
            return min(points[1] for (own, _), points in payoffs.items() if own == action)

        return {"action": max(self.game.actions, key=left_to_the_other)}

    def advance(self, values: Mapping[int, Mapping[str, str]]) -> None:
        actions = (values[0]["action"], values[1]["action"])
        self.history.append(ActionRound(actions, self.game.payoffs[actions]))
