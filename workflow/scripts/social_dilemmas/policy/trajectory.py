"""Conversations as token ids, with the places where a token was chosen rather than given or forced."""

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field, fields
from itertools import chain
from typing import Protocol

import torch
from torch import Tensor

from social_dilemmas.agents.play import Player
from social_dilemmas.games.game import Match, Turn
from social_dilemmas.policy.chat import ChatFormat
from social_dilemmas.policy.masks import DONE, TokenMasks
from social_dilemmas.policy.tree import PrefixTree, prefix_tree


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

    def copy(self) -> "Trajectory":
        """A trajectory that begins alike and can go on by itself."""
        return Trajectory(*(copy(getattr(self, each.name)) for each in fields(self)))

    def framed(self, prompt: str, chat: ChatFormat) -> tuple[int, ...]:
        """The tokens of the next prompt, framed as a turn of the chat."""
        return chat.following(prompt) if self.tokens else chat.opening(prompt)

    def ask(self, turn: Turn, chat: ChatFormat, masks: TokenMasks) -> None:
        """Append a turn's framed prompt, and the tokens with which every reply to it begins.

        Where the hand slips, that is the whole reply, none of which was chosen.
        """
        self.tokens += self.framed(turn.prompt, chat)
        self.reply_start = len(self.tokens)
        self.round = turn.round
        if turn.slip is None:
            self._enter(masks.start(turn.grammar), masks)
        else:
            self.tokens += masks.encode(turn.grammar, turn.slip)
            self.state = DONE
            self.reply_ends.append(len(self.tokens))

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
    """Trajectories as a tree of tokens, and the tokens that were chosen, (chosen,) each.

    For every chosen token: its `conversation`'s number and its `position` there, mask `state`, `round` and token id
    (`target`), and what it was `sampled` with, a log-probability; None where the sampler is the trained model itself.
    """

    tree: PrefixTree
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

    @property
    def before(self) -> Tensor:
        """(chosen,) nodes of the tokens before the chosen ones, where they are predicted."""
        return self.tree.paths[self.conversation, self.position - 1]


def collate(
    trajectories: Sequence[Trajectory], device: torch.device | str = "cpu"
) -> TrajectoryBatch:
    """Trajectories as one batch, in which what they have in common is there once."""

    def tensor(values: Iterable[float], dtype: torch.dtype = torch.long) -> Tensor:
        return torch.tensor([*values], dtype=dtype, device=device)

    tree = prefix_tree([trajectory.tokens for trajectory in trajectories], device)
    counts = tensor(len(t.positions) for t in trajectories)  # (conversations,)
    conversation = torch.arange(len(counts), device=device).repeat_interleave(counts)  # (chosen,)
    position = tensor(chain.from_iterable(t.positions for t in trajectories))  # (chosen,)
    log_probabilities = chain.from_iterable(t.sampled for t in trajectories)
    sampled = tensor(log_probabilities, torch.float)  # (chosen,) or empty
    return TrajectoryBatch(
        tree=tree,
        conversation=conversation,
        position=position,
        state=tensor(chain.from_iterable(t.states for t in trajectories)),
        round=tensor(chain.from_iterable(t.rounds for t in trajectories)),
        target=tree.tokens[tree.paths[conversation, position]],
        sampled=sampled if len(sampled) else None,
    )
