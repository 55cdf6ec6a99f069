"""Any iterated two-player matrix game: both choose an action at once, a table gives the points."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any, ClassVar

from social_dilemmas.errors import UserError
from social_dilemmas.games.game import Game, Match, Turn, in_figures, listed
from social_dilemmas.games.grammar import Choice, Grammar
from social_dilemmas.games.horizon import Rounds

Table = Mapping[str, Mapping[str, Sequence[float]]]
"""For each action of seat 0 (the row) and of seat 1 (the column): the points of seats 0 and 1."""

Payoffs = dict[tuple[str, str], tuple[float, float]]
"""By own action and the other's: own points and the other's."""

COORDINATION: Table = {"A": {"A": [1, 1], "B": [0, 0]}, "B": {"A": [0, 0], "B": [1, 1]}}
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


def read_table(table: Table) -> Payoffs:
    """The points of seats 0 and 1 by their actions, in the order of the table; raises UserError if it
    isn't square, its actions aren't A, B, ..., or a pair of actions has no two numbers.
    """
    if not isinstance(table, Mapping) or len(table) < 2:
        raise UserError(f"payoffs must be a table of two or more actions, but is {table!r}")
    letters = list(ascii_uppercase[: len(table)])
    in_order = f"{', '.join(letters)} in this order"
    if list(table) != letters:
        found = ", ".join(map(str, table))
        raise UserError(f"the actions of payoffs must be {in_order}, but are {found}")
    for action, row in table.items():
        if not isinstance(row, Mapping) or list(row) != letters:
            found = ", ".join(map(str, row)) if isinstance(row, Mapping) else repr(row)
            raise UserError(
                f"payoffs.{action} must have points against {in_order}, but has {found}"
            )
    points = {(own, other): pair for own, row in table.items() for other, pair in row.items()}
    for (own, other), pair in points.items():
        if not isinstance(pair, list | tuple) or [*map(_is_number, pair)] != [True, True]:
            raise UserError(
                f"payoffs.{own}.{other} must be two numbers, the points of both seats, "
                f"but is {pair!r}"
            )
    return {actions: (pair[0], pair[1]) for actions, pair in points.items()}


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


class MatrixGame(Game):
    """`payoffs` holds the points of each pair of actions, by default those of `table`; the seats may
    differ in it. Actions are the letters A, B, ..., so that prompts don't tell which game it is.
    """

    kind = "matrix_game"
    title = "Iterated matrix game"
    axis = ("Probability", 1.0)
    table: ClassVar[Table] = COORDINATION

    def __init__(self, rounds: Rounds, payoffs: Table | None = None) -> None:
        """Raises UserError as `read_table`."""
        super().__init__(rounds)
        table = self.table if payoffs is None else payoffs
        try:
            self.payoffs = read_table(table)
        except UserError as error:
            raise UserError(f"{self.kind}: {error}") from None
        self.actions = tuple(table)
        self.choice = Choice("action", self.actions)
        self.grammar = Grammar((self.choice,))
        self.behaviours = self._choices_in_words()
        mirrored = {(own, other): self.payoffs[other, own][::-1] for own, other in self.payoffs}
        self.payoffs_by_seat = (self.payoffs, mirrored)

    @classmethod
    def wording(cls, rules: Mapping[str, Any]) -> dict[str, Any]:
        """Only which actions there are."""
        actions = list(rules.get("payoffs", ()))
        return {"payoffs": {a: {b: [0, 0] for b in actions} for a in actions}} if actions else {}

    def _choices_in_words(self) -> dict[str, str]:
        """Behaviours: each action, except the last, which makes up the rest to 1."""
        words = {}
        for action in self.actions[:-1]:
            words[f"choice_{action}"] = f"chooses {action}"
            words[f"choice_{action}_at_start"] = "... in the first round"
            for own, other in self.payoffs:
                after = f"... after it chose {own} and the other {other}"
                words[f"choice_{action}_after_{own}{other}"] = after
        return words

    def start(self, seed: int) -> "MatrixGameMatch":
        return MatrixGameMatch(seed=seed, game=self)

    @property
    def reward_bounds(self) -> tuple[float, float]:
        points = [point for pair in self.payoffs.values() for point in pair]
        return min(points), max(points)

    def welfare_optimum(self, match: Match) -> float:
        return len(match.history) * max(map(sum, self.payoffs.values()))

    def security(self, match: Match, seat: int) -> float:
        points = self.payoffs_by_seat[seat]
        worst = (min(points[own, other][0] for other in self.actions) for own in self.actions)
        return len(match.history) * max(worst)

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
            f"{listed(self.actions)} at the same time, and only afterwards learn what the other "
            f"chose. {outcomes}"
            "Your aim is to collect as many points as you can over all rounds. "
            f"Reply with {listed(self.choice.spellings())} and nothing else."
        )


@dataclass(kw_only=True, eq=False)
class MatrixGameMatch(Match):
    """Both seats act at once in every round."""

    game: MatrixGame

    def turns(self) -> tuple[Turn, ...]:
        return self.ask_both("action", self._prompt, self.game.grammar)

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
