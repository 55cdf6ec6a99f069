"""Language-model players: many conversations sampled together, whatever adapter each of them runs under."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from itertools import count

import torch
from torch import Tensor

from social_dilemmas.agents.play import Place
from social_dilemmas.games.game import Match, Turn
from social_dilemmas.policy.adapters import LEARNER, merged_adapters
from social_dilemmas.policy.cache import RaggedCache
from social_dilemmas.policy.masks import DONE
from social_dilemmas.policy.policy import Policy
from social_dilemmas.policy.trajectory import Trajectory
from social_dilemmas.randomness import stream

NamesOf = Callable[[Turn], Sequence[object]]
"""Names the random stream of all replies in a conversation, from its first turn."""


def in_order(*purpose: object) -> NamesOf:
    """A random stream for every conversation, by the order in which they begin."""
    numbers = count()
    return lambda turn: (*purpose, next(numbers))


@dataclass(frozen=True)
class PolicySampler:
    """Samples from the policy itself.

    Attributes:
        policy: the model with its adapters.
        names_of: names each conversation's random stream, so that what is said doesn't depend on which other
            conversations share the batch.
        temperature: divides the logits before sampling.
        max_new_tokens: limit of a reply; free text is closed in time, so that every reply stays valid.
        merge_adapter: see `merged_adapters`.
    """

    policy: Policy
    names_of: NamesOf
    _: KW_ONLY
    temperature: float = 1.0
    max_new_tokens: int
    merge_adapter: bool = False

    @contextmanager
    def seated(self, adapters: Mapping[Place, str | None]) -> Iterator["LanguageModelPlayer"]:
        """A player for these seats of new matches; raises UserError if an adapter can't be loaded."""
        for adapter in sorted({each for each in adapters.values() if each}):
            self.policy.load(adapter)
        names = {place: self.policy.name_of(adapter) for place, adapter in adapters.items()}
        in_play = set(names.values())
        with torch.no_grad(), merged_adapters(self.policy.model, self.merge_adapter, in_play):
            yield LanguageModelPlayer(self, names)


@dataclass(kw_only=True, eq=False)
class CachedTrajectory(Trajectory):
    """A conversation with its row of the cache, its adapter, its random stream, and how much the cache holds."""

    row: int
    adapter: str
    draws: random.Random
    cached: int = 0


class LanguageModelPlayer:
    """Plays any number of seats with one model; turns only append to the key-value cache.

    Conversations get rows of the cache in the order in which they first speak, so that seats which act at the
    same time lie next to each other and a forward pass covers little else.
    """

    def __init__(self, sampler: PolicySampler, adapters: Mapping[Place, str]) -> None:
        """A player for seats of new matches, by PEFT's names of their adapters."""
        self._sampler = sampler
        self._chat = sampler.policy.language_model.chat
        self._masks = sampler.policy.masks
        self._model = sampler.policy.model
        self._cache = RaggedCache(self._model.config)
        self._adapters = adapters
        # Rows need not name their adapters where there are none, or where all run under the active one.
        self._named = bool(sampler.policy.adapters) and {*adapters.values()} != {LEARNER}
        self._conversations: dict[Place, CachedTrajectory] = {}

    def trajectory(self, match: Match, seat: int) -> Trajectory:
        """The conversation of a seat so far."""
        return self._conversations[match, seat]

    @torch.inference_mode()
    def reply(self, turns: Sequence[Turn]) -> list[str]:
        """Sampled replies, valid by construction."""
        asked = [self._ask(turn) for turn in turns]
        while speaking := [conversation for conversation in asked if conversation.state != DONE]:
            logits = self._next_logits(speaking)  # (speaking, vocabulary)
            for conversation in speaking:
                conversation.limit(self._sampler.max_new_tokens, self._masks)
            for conversation, token in zip(speaking, self._draw(speaking, logits), strict=True):
                conversation.take(token, self._masks)
        return [conversation.text(self._chat) for conversation in asked]

    def _ask(self, turn: Turn) -> CachedTrajectory:
        """Append a turn to its seat's conversation."""
        place = turn.match, turn.seat
        if place not in self._conversations:
            draws = stream(*self._sampler.names_of(turn))
            self._conversations[place] = CachedTrajectory(
                row=len(self._conversations), adapter=self._adapters[place], draws=draws
            )
        conversation = self._conversations[place]
        conversation.ask(turn, self._chat, self._masks)
        return conversation

    def _next_logits(self, speaking: Sequence[CachedTrajectory]) -> Tensor:
        """Read what the cache doesn't hold yet; (speaking, vocabulary) float32 logits of the next tokens."""
        device = self._model.device
        first = min(conversation.row for conversation in speaking)
        covered = slice(first, max(conversation.row for conversation in speaking) + 1)
        in_rows = [*self._conversations.values()][covered]
        chunks: list[list[int]] = [[] for _ in in_rows]
        for conversation in speaking:
            chunks[conversation.row - first] = conversation.tokens[conversation.cached :]
        width = max(map(len, chunks))
        tokens = torch.tensor(  # padding is overwritten in the cache by the row's next turn
            [chunk + [0] * (width - len(chunk)) for chunk in chunks], device=device
        )  # (rows, width)
        starts = torch.tensor([c.cached for c in in_rows], device=device)
        positions = starts[:, None] + torch.arange(width, device=device)  # (rows, width)
        named = {"adapter_names": [c.adapter for c in in_rows]} if self._named else {}
        last = torch.tensor([len(chunks[c.row - first]) - 1 for c in speaking], device=device)
        kept, column = last.unique(return_inverse=True)
        logits = self._model(
            input_ids=tokens,
            attention_mask=self._cache.place(covered, positions),
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=kept,
            **named,
        ).logits  # (rows, kept, vocabulary)
        rows = torch.tensor([c.row - first for c in speaking], device=device)
        for conversation in speaking:
            conversation.cached = len(conversation.tokens)
        return logits[rows, column].float()

    def _draw(self, speaking: Sequence[CachedTrajectory], logits: Tensor) -> list[int]:
        states = torch.tensor([conversation.state for conversation in speaking])  # (speaking,)
        allowed = self._masks.allowed[states].to(logits.device)  # (speaking, vocabulary)
        columns = allowed.any(0).nonzero()[:, 0]  # tokens that somebody may choose now
        scores = (logits[:, columns] / self._sampler.temperature).masked_fill(
            ~allowed[:, columns], -torch.inf
        )
        cumulative = scores.softmax(-1).double().cumsum(-1)  # (speaking, columns)
        draws = torch.tensor([[c.draws.random()] for c in speaking], dtype=torch.double)
        drawn = draws.to(cumulative.device) * cumulative[:, -1:]  # (speaking, 1)
        chosen = torch.searchsorted(cumulative, drawn, right=True)[:, 0]
        return columns[chosen].tolist()
