"""Games in which players talk before they decide: messages in turn, then proposals at once."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from social_dilemmas.games.game import SEATS, Game, Match, Turn
from social_dilemmas.games.grammar import Grammar, Literal, Text
from social_dilemmas.games.horizon import Rounds

Messages = tuple[tuple[str, ...], tuple[str, ...]]
"""A round's messages, those of the seat that speaks first, then the other's."""


TRUTHFULNESS = "truthfulness"
"""The behaviour of a game in which messages are true or not: the share of true ones."""


class TalkingGame(Game):
    """Each player sends `messages` messages a round, of at most `message_limit` characters each.

    Attributes:
        true_by_chance: the share of true messages among those of a player that says something at random, if there is
            one; a game may observe `TRUTHFULNESS`.
    """

    true_by_chance: ClassVar[float | None] = None
    proposal_grammar: Grammar
    worded_by: ClassVar[tuple[str, ...]] = ("messages",)

    def __init__(self, rounds: Rounds, messages: int, message_limit: int) -> None:
        super().__init__(rounds)
        self.check_positive(messages=messages, message_limit=message_limit)
        self.messages = messages
        self.message_limit = message_limit
        self.message_grammar = Grammar(
            (Literal("<message>"), Text("message", message_limit), Literal("</message>"))
        )

    def grammars(self) -> Iterable[Grammar]:
        return self.message_grammar, self.proposal_grammar

    def rules_of_talk(self) -> str:
        """The part of the rules that is about messages, in words."""
        form = self.message_grammar.write({"message": "..."})
        several = f"{self.messages} messages in turn, each"
        messages = "one message" if self.messages == 1 else several
        return (
            f"First each of you sends {messages} of at most {self.message_limit} characters, in "
            f"the form {form}; who speaks first changes from round to round. "
        )


@dataclass(kw_only=True, eq=False)
class TalkingMatch(Match):
    """The seats speak in turn, then both propose; the seat that starts changes every round.
    `messages` are those of the current round; `question` asks for a proposal. If there are messages
    `in_place`, of every round, players read these in place of what is really sent.
    """

    question: ClassVar[str]
    game: TalkingGame
    first_starter: int
    messages: list[str] = field(default_factory=list)
    in_place: Sequence[Messages] | None = None

    @abstractmethod
    def opening(self, seat: int) -> str:
        """How the last round ended, or else the rules; then what a seat knows of this one."""

    @abstractmethod
    def settle(self, values: Mapping[int, Mapping[str, str]]) -> None:
        """Put the current round, with these proposals, into the history."""

    @property
    def starter(self) -> int:
        """The seat that speaks first in the current round."""
        return (self.first_starter + len(self.history)) % 2

    @property
    def speaker(self) -> int | None:
        """The seat whose message is wanted now; None after the last one."""
        if len(self.messages) == len(SEATS) * self.game.messages:
            return None
        return (self.starter + len(self.messages)) % 2

    def turns(self) -> tuple[Turn, ...]:
        if (seat := self.speaker) is None:
            return self.ask_both("proposal", self._proposal_prompt, self.game.proposal_grammar)
        if self.finished:
            return ()
        return (Turn(self, seat, "message", self._message_prompt(seat), self.game.message_grammar),)

    def advance(self, values: Mapping[int, Mapping[str, str]]) -> None:
        if self.speaker is not None:
            self.messages += [parsed["message"] for parsed in values.values()]
        else:
            self.settle(values)
            self.messages = []

    def said(self, seat: int) -> tuple[str, ...]:
        """The messages of a seat in the current round."""
        return tuple(self.messages[(seat - self.starter) % 2 :: 2])

    def heard(self, seat: int) -> tuple[str, ...]:
        """The other's messages in the current round, as this seat reads them."""
        said = self.said(1 - seat)
        if self.in_place is None:
            return said
        return self.in_place[len(self.history)][int(seat == self.starter)][: len(said)]

    def sent(self, finished: int) -> Messages:
        """The messages of a finished round."""
        first = (self.first_starter + finished) % 2
        messages = self.history[finished].messages
        return messages[first], messages[1 - first]

    def last_heard(self, seat: int) -> str:
        """The other's last message, in a prompt of this seat."""
        said = self.game.message_grammar.write({"message": self.heard(seat)[-1]})
        return f"The other player says: {said}"

    def _message_prompt(self, seat: int) -> str:
        opening = [] if self.said(seat) else [self.opening(seat)]
        heard = [self.last_heard(seat)] if self.messages else []
        return " ".join([*opening, *heard, "Send your message."])

    def _proposal_prompt(self, seat: int) -> str:
        return f"{self.last_heard(seat)} {self.question}" if seat == self.starter else self.question
