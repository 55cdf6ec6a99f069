"""Conversations while their replies are being written, and players that hold them, whoever draws the tokens."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from social_dilemmas.agents.play import Player
from social_dilemmas.games.game import Match, Turn
from social_dilemmas.policy.chat import ChatFormat
from social_dilemmas.policy.masks import DONE, TokenMasks
from social_dilemmas.policy.trajectory import Trajectory


@dataclass(kw_only=True)
class Conversation:
    """A seat's conversation.

    Attributes:
        trajectory: all of it so far.
        state: mask state of the reply that is being written; DONE once it is complete.
        reply_start: place in the trajectory where the latest reply begins.
        round: round of the latest turn.
        reply_ends: places in the trajectory where the replies so far have ended.
    """

    trajectory: Trajectory = field(default_factory=Trajectory)
    state: int = DONE
    reply_start: int = 0
    round: int = 0
    reply_ends: list[int] = field(default_factory=list)

    @property
    def reply_length(self) -> int:
        return len(self.trajectory.tokens) - self.reply_start

    def ask(self, turn: Turn, chat: ChatFormat, masks: TokenMasks) -> None:
        """Append a turn's prompt, and the tokens with which every reply to it begins."""
        self.trajectory.ask(turn, chat)
        self.reply_start = len(self.trajectory.tokens)
        self.round = len(turn.match.history)
        self._enter(masks.start(turn.grammar), masks)

    def limit(self, length: int, masks: TokenMasks) -> None:
        """Close free text, if the reply has come to so many tokens."""
        self.state = limited(masks, self.state, self.reply_length, length)

    def take(self, token: int, masks: TokenMasks, log_probability: float | None = None) -> None:
        """Append the reply's next token, and all that must follow it.

        Args:
            token: drawn among those that the masks allow.
            masks: the reply grammars.
            log_probability: of the token under a sampler that isn't the trained model itself.

        Raises:
            KeyError: the masks don't allow this token.
        """
        following = masks.step(self.state, token)
        if masks.forced[self.state] is None:
            self.trajectory.choose(token, self.state, self.round, log_probability)
        else:  # free text that had to be closed
            self.trajectory.tokens.append(token)
        self._enter(following, masks)

    def text(self, chat: ChatFormat) -> str:
        """The latest reply, complete, without its end token."""
        return chat.decode(tuple(self.trajectory.tokens[self.reply_start : -1]))

    def _enter(self, state: int, masks: TokenMasks) -> None:
        """Go to a mask state, and on along all tokens that are forced from there."""
        while state != DONE and (token := masks.forced[state]) is not None:
            self.trajectory.tokens.append(token)
            state = masks.step(state, token)
        self.state = state
        if state == DONE:
            self.reply_ends.append(len(self.trajectory.tokens))


class TrajectoryPlayer(Player, Protocol):
    """A player whose replies are tokens of the model."""

    def trajectory(self, match: Match, seat: int) -> Trajectory:
        """The conversation of a seat so far."""
        ...


Held = TypeVar("Held", bound=Conversation)


class ConversationPlayer(ABC, Generic[Held]):
    """Plays any number of seats, each in a conversation of its own."""

    def __init__(
        self, chat: ChatFormat, masks: TokenMasks, *, temperature: float, max_new_tokens: int
    ) -> None:
        """A player for new matches.

        Args:
            chat: how turns are framed for the model.
            masks: the reply grammars of the game, compiled for the model's tokenizer.
            temperature: divides the logits before sampling.
            max_new_tokens: limit of a reply; free text is closed in time, so that every reply stays valid.
        """
        self._chat = chat
        self._masks = masks
        self._temperature = temperature
        self._max_new_tokens = max_new_tokens
        self._conversations: dict[tuple[Match, int], Held] = {}

    def trajectory(self, match: Match, seat: int) -> Trajectory:
        """The conversation of a seat so far."""
        return self._conversations[match, seat].trajectory

    def reply_ends(self, match: Match, seat: int) -> list[int]:
        """Places in the trajectory of a seat where its replies so far have ended."""
        return self._conversations[match, seat].reply_ends

    @abstractmethod
    def _begin(self, turn: Turn) -> Held:
        """The conversation of a seat that has its first turn."""

    def _ask(self, turn: Turn) -> Held:
        """Append a turn to its seat's conversation."""
        key = (turn.match, turn.seat)
        if key not in self._conversations:
            self._conversations[key] = self._begin(turn)
        conversation = self._conversations[key]
        conversation.ask(turn, self._chat, self._masks)
        return conversation


def limited(masks: TokenMasks, state: int, length: int, limit: int) -> int:
    """The state in which a reply goes on after `length` tokens: from the limit on, free text is closed."""
    if length >= limit and masks.forced[state] is None:
        return masks.closing(state)
    return state
