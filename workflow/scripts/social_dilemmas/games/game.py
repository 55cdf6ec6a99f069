"""What every game is: rules that start matches, and matches that ask for replies until they end.

Two players sit in seats 0 and 1; rounds count from 0; players never learn how many rounds there are.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from social_dilemmas.errors import UserError
from social_dilemmas.games.grammar import Grammar, Literal, Text
from social_dilemmas.games.horizon import Rounds, at_least_one, horizon_of

SEATS = (0, 1)
NO_WORDS = " "  # the message that says nothing; one must have a character
LARGEST = 10_000  # what a rule may count: each number has a token mask


def in_figures(number: float) -> str:
    """A number as prompts state it: exactly, and a whole number without `.0`."""
    return str(number).removesuffix(".0")


def listed(words: tuple[str, ...]) -> str:
    """Words as an enumeration: `A, B or C`."""
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def welfare_share(points: float, optimum: float) -> float:
    """The share that was reached of the best sum of points; NaN where that isn't positive."""
    return points / optimum if optimum > 0 else float("nan")


def normalised_payoffs(match: "Match") -> tuple[float, float]:
    """What each seat got above its security, by half of what both could get above theirs: 0 is what it can
    make sure of, 1 that and half of what both can gain beyond it; their mean is the normalised welfare.
    """
    game, securities = match.game, [match.game.security(match, seat) for seat in SEATS]
    room = (game.welfare_optimum(match) - sum(securities)) / len(SEATS)
    first, second = (
        welfare_share(sum(match.rewards(seat)) - securities[seat], room) for seat in SEATS
    )
    return first, second


@dataclass(frozen=True)
class Turn:
    """A reply that is wanted now. `prompt` holds all that is new to this seat since its last reply;
    `step` names the kind of decision; `slip` is what the seat's hand plays, whatever the player
    wants, None where the hand is steady.
    """

    match: "Match"
    seat: int
    step: str
    prompt: str
    grammar: Grammar
    slip: str | None = None

    @property
    def is_action(self) -> bool:
        """Whether it is a decision that points depend on, not a message."""
        return not any(isinstance(part, Text) for part in self.grammar.parts)

    @property
    def round(self) -> int:
        """Index of the round, from 0."""
        return len(self.match.history)

    @property
    def view(self) -> Any:
        """The facts that this seat may know, for players that don't read prompts."""
        return self.match.view(self.seat)


@dataclass(kw_only=True, eq=False)
class Match(ABC):
    """A match in progress: `history` holds finished rounds, `invalid` counts forfeits by seat,
    `number` says which of the matches with the same seed this is, such as its place in a group.
    """

    game: "Game"
    seed: int
    number: int = 0
    rounds: int = field(init=False)
    history: list[Any] = field(default_factory=list)
    invalid: list[int] = field(default_factory=lambda: [0, 0])

    def __post_init__(self) -> None:
        self.rounds = self.game.horizon.draw(self.seed)

    @property
    def finished(self) -> bool:
        return len(self.history) == self.rounds

    @abstractmethod
    def turns(self) -> tuple[Turn, ...]:
        """The turns that can be taken now, all at the same time; empty when finished."""

    @abstractmethod
    def view(self, seat: int) -> Any:
        """The facts that a seat may know now."""

    def forfeit(self, turn: Turn) -> dict[str, str]:
        """What an invalid reply counts as: the values that claim least, here zero and no words."""
        return {
            part.name: NO_WORDS if isinstance(part, Text) else "0"
            for part in turn.grammar.parts
            if not isinstance(part, Literal)
        }

    @abstractmethod
    def advance(self, values: Mapping[int, Mapping[str, str]]) -> None:
        """Go on with the parsed replies of all current turns, by seat."""

    def ask_both(
        self, step: str, prompt: Callable[[int], str], grammar: Grammar
    ) -> tuple[Turn, ...]:
        """The turns of both seats, with each seat's prompt; none when finished."""
        if self.finished:
            return ()
        return tuple(Turn(self, seat, step, prompt(seat), grammar) for seat in SEATS)

    def take(self, replies: Mapping[int, str]) -> None:
        """Take the replies to all current turns, by seat. Invalid ones are counted forfeits."""
        values = {}
        for turn in self.turns():
            parsed = turn.grammar.parse(replies[turn.seat])
            if parsed is None:
                self.invalid[turn.seat] += 1
                parsed = self.forfeit(turn)
            values[turn.seat] = parsed
        self.advance(values)

    def rewards(self, seat: int) -> list[float]:
        """Points of a seat in every finished round."""
        return [finished.rewards[seat] for finished in self.history]


class Game(ABC):
    """Rules of a game, built from its config entry: `rounds` and the mapping `rules`.

    Attributes:
        kind: the name of its module.
        name: the name of the config entry, by default the kind.
        behaviours: quantities observed in play, each with what the agent does, in words.
        axis: what the behaviours measure, and the least end of a figure's axis.
        varying: phrases that vary inside otherwise constant sentences.
        worded_by: the rules that change sentences, apart from numbers.
        system: the text of a system turn before the first prompt; empty where there is none.
        rounds: the largest number of rounds that a match may have.
        remark: what a reader of results should know of these rules, as a sentence; mostly nothing.
    """

    kind: ClassVar[str]
    title: str
    behaviours: Mapping[str, str]
    axis: tuple[str, float] = ("Mean", 0.0)
    varying: tuple[str, ...] = ()
    worded_by: ClassVar[tuple[str, ...]] = ()
    system: str = ""
    remark: str = ""

    def __init__(self, rounds: Rounds) -> None:
        """Raises UserError if the horizon makes no sense."""
        self.name = self.kind
        try:
            self.horizon = horizon_of(rounds)
        except UserError as error:
            raise UserError(f"{self.kind}: {error}") from None
        self.rounds = self.horizon.most
        if self.rounds > LARGEST:
            raise UserError(
                f"{self.kind}: rounds must be at most {LARGEST}, but are up to {self.rounds}"
            )

    def check_positive(self, **rules: int) -> None:
        """Raises UserError if one of these rules isn't a whole number from 1 to `LARGEST`."""
        for name, number in rules.items():
            if at_least_one(f"{self.kind}: the rule {name}", number) > LARGEST:
                raise UserError(
                    f"{self.kind}: the rule {name} must be at most {LARGEST}, but is {number}"
                )

    @classmethod
    def wording(cls, rules: Mapping[str, Any]) -> dict[str, Any]:
        """Those of these rules that change sentences."""
        return {name: rules[name] for name in cls.worded_by if name in rules}

    @abstractmethod
    def start(self, seed: int) -> Match:
        """A new match; all of its chance events are drawn from the seed."""

    @property
    @abstractmethod
    def reward_bounds(self) -> tuple[float, float]:
        """The least and the most points that a seat can get in a round."""

    @abstractmethod
    def welfare_optimum(self, match: Match) -> float:
        """The largest sum of both seats' points that the finished rounds' chance events allow."""

    def security(self, match: Match, seat: int) -> float:
        """The points that this seat could make sure of, whatever the other does, in the finished rounds
        with their chance events: its security level in pure strategies (von Neumann, Zur Theorie der
        Gesellschaftsspiele, Mathematische Annalen 100, 1928); unless a game knows better, the least.
        """
        return len(match.history) * self.reward_bounds[0]

    @abstractmethod
    def observe(self, match: Match, seat: int) -> Iterator[tuple[str, float]]:
        """What this seat did: (name in `behaviours`, value) for each time that it was observed."""

    @abstractmethod
    def grammars(self) -> Iterable[Grammar]:
        """Every grammar that a turn of this game may carry."""
