"""What every game is: rules that start matches, and matches that ask for replies until they end.

A game knows nothing of models or players. It tells each seat in words what it may know, takes
replies as text, and keeps what happened. Two players sit in seats 0 and 1; rounds count from 0; the
players are never told how many rounds there are.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from social_dilemmas.errors import UserError
from social_dilemmas.games.grammar import Grammar
from social_dilemmas.games.horizon import Rounds, horizon_of

SEATS = (0, 1)


def in_figures(number: float) -> str:
    """A number as prompts tell it: exactly, and a whole number without `.0`."""
    return str(number).removesuffix(".0")


def welfare_share(points: float, optimum: float) -> float:
    """What was reached of the largest possible sum of points; NaN where that sum isn't positive, as
    in a zero-sum game, of which there is no share.
    """
    return points / optimum if optimum > 0 else float("nan")


class Round(Protocol):
    """What happened in a finished round; every game adds its own facts."""

    @property
    def rewards(self) -> tuple[float, float]: ...


@dataclass(frozen=True)
class Turn:
    """A reply that is wanted now.

    `prompt` holds everything that this seat is told since its last reply; `step` names the kind of
    decision.
    """

    match: "Match"
    seat: int
    step: str
    prompt: str
    grammar: Grammar

    @property
    def view(self) -> Any:
        """The facts that this seat may know, for players that don't read prompts."""
        return self.match.view(self.seat)


@dataclass(kw_only=True, eq=False)
class Match(ABC):
    """A match in progress: `history` holds finished rounds, `invalid` counts forfeits by seat.

    `rounds` is the number of its rounds, drawn from the seed if the game's horizon is random; `number` tells apart
    matches with the same seed, such as those of a group.
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
        """Whether all rounds are played."""
        return len(self.history) == self.rounds

    @abstractmethod
    def turns(self) -> tuple[Turn, ...]:
        """The turns that can be taken now, all at the same time; empty when finished."""

    @abstractmethod
    def view(self, seat: int) -> Any:
        """The facts that a seat may know now."""

    @abstractmethod
    def forfeit(self, turn: Turn) -> dict[str, str]:
        """What an invalid reply counts as: the values that claim least."""

    @abstractmethod
    def advance(self, values: Mapping[int, Mapping[str, str]]) -> None:
        """Go on with the parsed replies of all current turns, by seat."""

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
        kind: which game it is, the name of its module.
        name: the name of the config entry, which is the kind if the entry names no other one.
        title: for readers.
        behaviours: quantities observed in play, and what they say, in words.
        axis: what the behaviours measure, and the least end of a figure's axis.
        varying: phrases that vary inside otherwise constant sentences.
        horizon: how many rounds its matches have.
        rounds: the largest number of rounds that a match may have.
    """

    kind: ClassVar[str]
    title: str
    behaviours: Mapping[str, str]
    axis: tuple[str, float] = ("Mean", 0.0)
    varying: tuple[str, ...] = ()

    def __init__(self, rounds: Rounds) -> None:
        """Raises UserError if there might be no round, or the horizon makes no sense."""
        self.name = self.kind
        try:
            self.horizon = horizon_of(rounds)
        except UserError as error:
            raise UserError(f"{self.kind}: {error}") from None
        self.rounds = self.horizon.most

    @classmethod
    def wording(cls, rules: Mapping[str, Any]) -> dict[str, Any]:
        """What these rules change in the sentences of the game, numbers apart, as rules. A tokenizer
        that is built for a game learns its text under these.
        """
        return {}

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

    @abstractmethod
    def observe(self, match: Match, seat: int) -> Iterator[tuple[str, float]]:
        """What this seat did: (name in `behaviours`, value) for each time that it was observed."""

    @abstractmethod
    def grammars(self) -> Iterable[Grammar]:
        """Every grammar that a turn of this game may carry."""
