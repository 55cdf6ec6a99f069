"""Conversations as token ids, with the places where a token was chosen rather than given or forced."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from social_dilemmas.games.game import Turn
from social_dilemmas.policy.chat import ChatFormat
from social_dilemmas.policy.masks import TokenMasks


@dataclass
class Trajectory:
    """One seat's conversation.

    Attributes:
        tokens: the whole conversation.
        positions: places in `tokens` of the chosen tokens.
        states: for each chosen token, the mask state in which it was chosen.
        rounds: for each chosen token, the round in which it was chosen.
        sampled: for each chosen token, its log-probability under the sampler; empty where the sampler is the trained
            model itself.
    """

    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    states: list[int] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    sampled: list[float] = field(default_factory=list)

    def ask(self, turn: Turn, chat: ChatFormat) -> None:
        """Append the framed prompt of a turn."""
        self.tokens += chat.following(turn.prompt) if self.tokens else chat.opening(turn.prompt)

    def choose(
        self, token: int, state: int, round_index: int, log_probability: float | None = None
    ) -> None:
        """Append a token that was chosen in a mask state, with its log-probability under another sampler."""
        self.positions.append(len(self.tokens))
        self.states.append(state)
        self.rounds.append(round_index)
        self.tokens.append(token)
        if log_probability is not None:
            self.sampled.append(log_probability)

    def answer(self, turn: Turn, reply: str, masks: TokenMasks) -> None:
        """Append a reply given as text, marking as chosen what the masks leave open.

        Raises:
            ValueError: the reply isn't valid, or its message holds what the masks never admit.
        """
        state = masks.start(turn.grammar)
        for token in masks.encode(turn.grammar, reply):
            if not masks.allowed[state, token]:
                raise ValueError(f"the masks don't admit this reply: {reply!r}")
            if masks.forced[state] is None:
                self.choose(token, state, len(turn.match.history))
            else:
                self.tokens.append(token)
            state = masks.step(state, token)


@dataclass(frozen=True)
class TrajectoryBatch:
    """Trajectories as tensors: conversations padded on the right, chosen tokens flattened.

    Attributes:
        tokens: (conversations, length) token ids.
        conversation, position, state, round, target: (chosen,) for every chosen token its conversation's row, its
            place there, mask state, round and token id.
        sampled: (chosen,) log-probabilities under the sampler; None where it is the trained model itself.
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
    length = max(len(trajectory.tokens) for trajectory in trajectories)
    rows = [t.tokens + [padding] * (length - len(t.tokens)) for t in trajectories]
    tokens = torch.tensor(rows)  # (conversations, length)
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
