"""Conversations as token ids, with the places where a token was chosen rather than given or forced."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from social_dilemmas.agents.play import Player
from social_dilemmas.games.game import Match, Turn
from social_dilemmas.policy.chat import ChatFormat
from social_dilemmas.policy.masks import DONE, TokenMasks


@dataclass
class Trajectory:
    """One seat's conversation, and where the reply stands that is being written.

    Attributes:
        tokens: the whole conversation.
        positions: places in `tokens` of the chosen tokens.
        states, rounds: the mask state and the round in which each of these was chosen.
        sampled: log-probability of each under the sampler; empty where that is the trained model itself.
        state: mask state of the reply; DONE once it is complete.
        round: of the latest turn.
        reply_start: place where the latest reply begins.
        reply_ends: places where the replies so far have ended.
    """

    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    states: list[int] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    sampled: list[float] = field(default_factory=list)
    state: int = DONE
    round: int = 0
    reply_start: int = 0
    reply_ends: list[int] = field(default_factory=list)

    def ask(self, turn: Turn, chat: ChatFormat, masks: TokenMasks) -> None:
        """Append a turn's framed prompt, and the tokens with which every reply to it begins."""
        self.tokens += chat.following(turn.prompt) if self.tokens else chat.opening(turn.prompt)
        self.reply_start = len(self.tokens)
        self.round = len(turn.match.history)
        self._enter(masks.start(turn.grammar), masks)

    def limit(self, length: int, masks: TokenMasks) -> None:
        """Close free text, if the reply has come to so many tokens."""
        if len(self.tokens) - self.reply_start >= length:
            self.state = masks.closing(self.state)

    def take(self, token: int, masks: TokenMasks, log_probability: float | None = None) -> None:
        """Append the reply's next token, and all that must follow it.

        `log_probability` is the token's under a sampler that isn't the trained model itself. Raises KeyError if the
        masks don't allow the token.
        """
        following = masks.step(self.state, token)
        if masks.forced[self.state] is None:  # else it is free text that had to be closed
            self.positions.append(len(self.tokens))
            self.states.append(self.state)
            self.rounds.append(self.round)
            if log_probability is not None:
                self.sampled.append(log_probability)
        self.tokens.append(token)
        self._enter(following, masks)

    def answer(self, turn: Turn, reply: str, masks: TokenMasks) -> None:
        """Append a reply given as text to the latest turn.

        Raises:
            ValueError: the reply isn't valid, or its message holds what the masks never admit.
        """
        for place, token in enumerate(masks.encode(turn.grammar, reply), start=self.reply_start):
            if place == len(self.tokens):  # forced tokens are there already
                if not masks.allowed[self.state, token]:
                    raise ValueError(f"the masks don't admit this reply: {reply!r}")
                self.take(token, masks)

    def text(self, chat: ChatFormat) -> str:
        """The latest reply, complete, without its end token."""
        return chat.decode(tuple(self.tokens[self.reply_start : -1]))

    def _enter(self, state: int, masks: TokenMasks) -> None:
        """Go to a mask state, and on along all tokens that are forced from there."""
        while state != DONE and (token := masks.forced[state]) is not None:
            self.tokens.append(token)
            state = masks.step(state, token)
        self.state = state
        if state == DONE:
            self.reply_ends.append(len(self.tokens))


class TrajectoryPlayer(Player, Protocol):
    """A player whose replies are tokens of the model."""

    def trajectory(self, match: Match, seat: int) -> Trajectory:
        """The conversation of a seat so far."""
        ...


@dataclass(frozen=True)
class TrajectoryBatch:
    """Trajectories as tensors: (conversations, length) `tokens`, padded on the right, and the rest (chosen,).

    For every chosen token: its `conversation`'s row and its `position` there, mask `state`, `round` and token id
    (`target`), and what it was `sampled` with, a log-probability; None where the sampler is the trained model itself.
    """

    tokens: Tensor
    conversation: Tensor
    position: Tensor
    state: Tensor
    round: Tensor
    target: Tensor
    sampled: Tensor | None = None

    @property
    def size(self) -> int:
        """Number of chosen tokens."""
        return len(self.target)


def collate(trajectories: Sequence[Trajectory], padding: int) -> TrajectoryBatch:
    """Trajectories as one batch. Under causal attention the padding on the right is never seen."""
    rows = [torch.tensor(trajectory.tokens) for trajectory in trajectories]
    tokens = pad_sequence(rows, True, padding)  # (conversations, length)
    counts = torch.tensor([len(t.positions) for t in trajectories])  # (conversations,)
    conversation = torch.repeat_interleave(torch.arange(len(trajectories)), counts)  # (chosen,)
    position, state, round_index = (
        torch.tensor([value for t in trajectories for value in getattr(t, name)], dtype=torch.long)
        for name in ("positions", "states", "rounds")
    )
    target = tokens[conversation, position]  # (chosen,)
    sampled = None
    if any(t.sampled for t in trajectories):
        sampled = torch.tensor([value for t in trajectories for value in t.sampled])  # (chosen,)
    return TrajectoryBatch(tokens, conversation, position, state, round_index, target, sampled)
