"""Any iterated two-player matrix game: both choose an action at once, a table gives the points."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from string import ascii_uppercase
from typing import Any, ClassVar

from social_dilemmas.errors import UserError
from social_dilemmas.games.game import Game, Match, Turn, in_figures, listed
from social_dilemmas.games.grammar import Choice, Grammar
from social_dilemmas.games.horizon import Rounds
from social_dilemmas.games.matrix_wordings import WORDINGS
from social_dilemmas.randomness import stream

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
    """The points of every outcome, in the order of the table, and past actions, oldest first."""

    payoffs: Payoffs
    own: tuple[str, ...]
    other: tuple[str, ...]

    @property
    def actions(self) -> tuple[str, ...]:
        """All actions that there are, in the order of the table, whatever their names."""
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


def read_names(kind: str, rule: str, names: Sequence[Any], wanted: int) -> tuple[str, ...]:
    """Names of actions as a rule gives them; raises UserError if they aren't as many as `wanted`,
    all different, or not to be written between < and >; nor are true and false, YAML's yes and no.
    """
    listed = names if isinstance(names, list | tuple) else ()
    found = tuple(str(name) for name in listed if type(name) in (str, int))
    fit = all(
        name and name == name.strip() and name.isprintable() and not {*name} & {*"<>"}
        for name in found
    )
    if len({*found}) != wanted or len(found) != wanted or not fit:
        raise UserError(
            f"{kind}: {rule} must be {wanted} different names without < or >, but is {names!r}"
        )
    return found


class MatrixGame(Game):
    """`payoffs` holds the points of each pair of actions, by default those of `table`; the seats may
    differ in it. Actions are the letters A, B, ..., so that prompts don't tell which game it is.

    Further rules say how the game is told. `actions` gives the actions of the table other names, in
    its order; `order` is that in which prompts list these names, by default the same. With
    `alternate_actions` the names stand for the actions in reverse order in half of the matches, as
    their seeds say. `wording` is one of `WORDINGS`, `system` the text of a system turn.

    Attributes:
        letters: the actions as the table and the behaviours name them.
        actions: their names, in the same order.
        payoffs, payoffs_by_seat: points by these names, of seat 0 or as each seat sees them.
    """

    kind = "matrix_game"
    title = "Iterated matrix game"
    axis = ("Probability", 1.0)
    worded_by = ("actions", "order", "wording")
    table: ClassVar[Table] = COORDINATION

    def __init__(
        self,
        rounds: Rounds,
        payoffs: Table | None = None,
        *,
        actions: Sequence[str] | None = None,
        order: Sequence[str] | None = None,
        alternate_actions: bool = False,
        wording: str = "plain",
        system: str = "",
    ) -> None:
        """Raises UserError as `read_table` and `read_names`, or if there is no such wording."""
        super().__init__(rounds)
        try:
            points = read_table(self.table if payoffs is None else payoffs)
        except UserError as error:
            raise UserError(f"{self.kind}: {error}") from None
        if wording not in WORDINGS:
            raise UserError(
                f"{self.kind}: wording must be one of {', '.join(WORDINGS)}, but is {wording!r}"
            )
        self.letters = tuple(dict.fromkeys(own for own, _ in points))
        count = len(self.letters)
        self.actions = read_names(self.kind, "actions", actions or self.letters, count)
        self.order = read_names(self.kind, "order", order or self.actions, count)
        if {*self.order} != {*self.actions}:
            raise UserError(
                f"{self.kind}: order must list {', '.join(self.actions)}, but is {order!r}"
            )
        self.alternates, self.words = alternate_actions, WORDINGS[wording]
        self.system = system.strip()
        self.choice = Choice("action", self.order)
        self.grammar = Grammar((self.choice,))
        self.behaviours = self._choices_in_words()
        name = dict(zip(self.letters, self.actions, strict=True))
        self.payoffs = {(name[own], name[other]): pair for (own, other), pair in points.items()}
        mirrored = {(own, other): self.payoffs[other, own][::-1] for own, other in self.payoffs}
        self.payoffs_by_seat = (self.payoffs, mirrored)

    @classmethod
    def wording(cls, rules: Mapping[str, Any]) -> dict[str, Any]:
        """Of the payoffs only which actions there are."""
        told = super().wording(rules)
        actions = list(rules.get("payoffs", ()))
        if actions:
            told["payoffs"] = {own: {other: [0, 0] for other in actions} for own in actions}
        return told

    def _choices_in_words(self) -> dict[str, str]:
        """Behaviours: each action, except the last, which makes up the rest to 1."""
        name = dict(zip(self.letters, self.actions, strict=True))
        if self.alternates:
            name = {letter: f"action {place}" for place, letter in enumerate(self.letters, start=1)}
        words = {}
        for action in self.letters[:-1]:
            words[f"choice_{action}"] = f"chooses {name[action]}"
            words[f"choice_{action}_at_start"] = "... in the first round"
            for own, other in product(self.letters, repeat=2):
                after = f"... after it chose {name[own]} and the other {name[other]}"
                words[f"choice_{action}_after_{own}{other}"] = after
        return words

    def start(self, seed: int) -> "MatrixGameMatch":
        return MatrixGameMatch(seed=seed, game=self)

    def actions_in(self, seed: int) -> tuple[str, ...]:
        """The names of the table's actions in the matches with this seed."""
        swapped = self.alternates and stream("actions", seed).random() < 0.5
        return self.actions[::-1] if swapped else self.actions

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
        for own, other in letters_played(match, seat, self.letters):
            for action in self.letters[:-1]:
                yield f"choice_{action}", float(own == action)
                yield f"choice_{action}_{before}", float(own == action)
            before = f"after_{own}{other}"

    def grammars(self) -> Iterable[Grammar]:
        return (self.grammar,)

    def rules(self, payoffs: Payoffs) -> str:
        """The rules in words, as they stand in the first user turn of a seat that sees these payoffs."""
        outcomes = []
        for own, other in product(self.order, repeat=2):
            points, other_points = map(in_figures, payoffs[own, other])
            told = {"own": own, "other": other, "points": points, "other_points": other_points}
            outcomes.append(self.words.outcome.format(**told))
        return self.words.rules.format(
            choices=listed(self.order),
            outcomes=" ".join(outcomes),
            replies=listed(self.choice.spellings()),
        )


def letters_played(match: Match, seat: int, letters: Sequence[str]) -> Iterator[tuple[str, str]]:
    """A seat's action and the other's in each finished round, by letters in the order of the table."""
    assert isinstance(match, MatrixGameMatch)
    letter = dict(zip(match.actions, letters, strict=True))
    for finished in match.history:
        yield letter[finished.actions[seat]], letter[finished.actions[1 - seat]]


@dataclass(kw_only=True, eq=False)
class MatrixGameMatch(Match):
    """Both seats act at once in every round; `actions` are the names of the table's in this match."""

    game: MatrixGame
    actions: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.actions = self.game.actions_in(self.seed)

    def turns(self) -> tuple[Turn, ...]:
        return self.ask_both("action", self._prompt, self.game.grammar)

    def _prompt(self, seat: int) -> str:
        if not self.history:
            return self.game.rules(self.payoffs(seat))
        return self.game.words.news.format(other=self.history[-1].actions[1 - seat])

    def payoffs(self, seat: int) -> Payoffs:
        """The points of every outcome as a seat sees them, in the order of the table."""
        name = dict(zip(self.game.actions, self.actions, strict=True))
        points = self.game.payoffs_by_seat[seat]
        return {(name[own], name[other]): pair for (own, other), pair in points.items()}

    def view(self, seat: int) -> ActionView:
        return ActionView(
            payoffs=self.payoffs(seat),
            own=tuple(finished.actions[seat] for finished in self.history),
            other=tuple(finished.actions[1 - seat] for finished in self.history),
        )

    def forfeit(self, turn: Turn) -> dict[str, str]:
        payoffs = self.payoffs(turn.seat)

        def left_to_the_other(action: str) -> float:
            return min(points[1] for (own, _), points in payoffs.items() if own == action)

        return {"action": max(self.actions, key=left_to_the_other)}

    def advance(self, values: Mapping[int, Mapping[str, str]]) -> None:
        actions = (values[0]["action"], values[1]["action"])
        self.history.append(ActionRound(actions, self.payoffs(0)[actions]))
