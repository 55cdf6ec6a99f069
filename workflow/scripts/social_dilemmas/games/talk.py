"""What the games share in which players talk before they decide: messages in turn."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from social_dilemmas.games.game import SEATS, Game, Match
from social_dilemmas.games.grammar import Grammar, Literal, Text
from social_dilemmas.games.horizon import Rounds


class TalkingGame(Game):
    """Each player sends `messages` messages a round, of at most `message_limit` characters each."""

    def __init__(self, rounds: Rounds, messages: int, message_limit: int) -> None:
        super().__init__(rounds)
        self.messages = messages
        self.message_limit = message_limit
        self.message_grammar = Grammar(
            (Literal("<message>"), Text("message", message_limit), Literal("</message>"))
        )

    @classmethod
    def wording(cls, rules: Mapping[str, Any]) -> dict[str, Any]:
        """Another number of messages is asked for in other words."""
        return {"messages": rules["messages"]} if "messages" in rules else {}

    def rules_of_talk(self) -> str:
        """The part of the rules that is about messages, in words."""
        form = self.message_grammar.write({"message": "..."})
        messages = (
            "one message" if self.messages == 1 else f"{self.messages} messages in turn, each"
        )
        return (
            f"First each of you sends {messages} of at most {self.message_limit} characters, in "
            f"the form {form}; who speaks first changes from round to round. "
        )


@dataclass(kw_only=True, eq=False)
class TalkingMatch(Match):
    """The seats speak in turn at the beginning of a round; the one that starts changes.

    `messages` are those of the current round, the starter's first.
    """

    game: TalkingGame
    first_starter: int
    messages: list[str] = field(default_factory=list)

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

    def said(self, seat: int) -> tuple[str, ...]:
        """The messages of a seat in the current round."""
        return tuple(self.messages[(seat - self.starter) % 2 :: 2])

    def told(self, seat: int) -> str | None:
        """All that a seat said in the current round, a line for each message; None if nothing."""
        return "\n".join(self.said(seat)) or None

    def heard(self, seat: int) -> str:
        """How a seat is told the other's last message."""
        said = self.game.message_grammar.write({"message": self.said(1 - seat)[-1]})
        return f"The other player says: {said}"
