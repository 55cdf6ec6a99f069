"""Language-model players: many conversations sampled together, whatever adapter each of them runs under."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor
from transformers import PreTrainedModel

from social_dilemmas.games.game import Match, Turn
from social_dilemmas.policy.adapters import LEARNER, merged_adapters
from social_dilemmas.policy.cache import RaggedCache
from social_dilemmas.policy.chat import ChatFormat
from social_dilemmas.policy.conversation import Conversation, ConversationPlayer
from social_dilemmas.policy.masks import DONE, TokenMasks
from social_dilemmas.policy.policy import Policy
from social_dilemmas.randomness import stream


@dataclass(kw_only=True)
class CachedConversation(Conversation):
    """A conversation with its row of the cache, its adapter, its random stream, and how much the cache holds."""

    row: int
    adapter: str | None
    draws: random.Random
    cached: int = 0


NamesOf = Callable[[Turn], Sequence[object]]
"""Names the random stream of all replies in a conversation, from its first turn."""


def in_order(*purpose: object) -> NamesOf:
    """A random stream for every conversation, by the order in which they begin."""
    numbers = count()
    return lambda turn: (*purpose, next(numbers))


class PolicySampler:
    """Samples from the policy itself."""

    def __init__(
        self,
        policy: Policy,
        names_of: NamesOf,
        *,
        temperature: float = 1.0,
        max_new_tokens: int,
        merge_adapter: bool = False,
    ) -> None:
        """A sampler.

        Args:
            policy: the model with its adapters.
            names_of: names each conversation's random stream, so that what is said doesn't depend on which other
                conversations share the batch.
            temperature: divides the logits before sampling.
            max_new_tokens: limit of a reply; free text is closed in time, so that every reply stays valid.
            merge_adapter: see `merged_adapters`.
        """
        self._policy = policy
        self._names_of = names_of
        self._temperature = temperature
        self._max_new_tokens = max_new_tokens
        self._merge_adapter = merge_adapter

    @contextmanager
    def seated(
        self, adapters: Mapping[tuple[Match, int], str | None]
    ) -> Iterator["LanguageModelPlayer"]:
        """A player for these seats of new matches, each under an adapter.

        Raises:
            UserError: an adapter can't be loaded.
        """
        for adapter in sorted({each for each in adapters.values() if each}):
            self._policy.load(adapter)
        names = {place: self._policy.name_of(adapter) for place, adapter in adapters.items()}
        in_play = set(names.values())
        # Rows need not name their adapters where there are none, or where all run under the active one.
        named = bool(self._policy.adapters) and in_play != {LEARNER}
        with torch.no_grad(), merged_adapters(self._policy.model, self._merge_adapter, in_play):
            yield LanguageModelPlayer(
                self._policy.model,
                self._policy.language_model.chat,
                self._policy.masks,
                lambda turn: stream(*self._names_of(turn)),
                temperature=self._temperature,
                max_new_tokens=self._max_new_tokens,
                adapter_of=(lambda turn: names[turn.match, turn.seat]) if named else None,
            )


class LanguageModelPlayer(ConversationPlayer[CachedConversation]):
    """Plays any number of seats with one model; turns only append to the key-value cache.

    Conversations get rows of the cache in the order in which they first speak, so that seats which act at the
    same time lie next to each other and a forward pass covers little else.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        chat: ChatFormat,
        masks: TokenMasks,
        streams: Callable[[Turn], random.Random],
        *,
        temperature: float = 1.0,
        max_new_tokens: int = 400,
        adapter_of: Callable[[Turn], str] | None = None,
    ) -> None:
        """A player for new matches.

        Args:
            model: a causal language model, with or without PEFT adapters.
            chat: how turns are framed for this model.
            masks: the reply grammars of the game, compiled for this tokenizer.
            streams: called with the first turn of every conversation, gives the random stream of all its replies.
            temperature, max_new_tokens: see `PolicySampler`.
            adapter_of: names the adapter under which a seat plays ("__base__" for none); it is carried with the
                conversation. None: whatever is active in the model.
        """
        super().__init__(chat, masks, temperature=temperature, max_new_tokens=max_new_tokens)
        self._model = model
        self._streams = streams
        self._adapter_of = adapter_of
        self._by_row: list[CachedConversation] = []
        self._cache = RaggedCache(model.config)

    @torch.inference_mode()
    def reply(self, turns: Sequence[Turn]) -> list[str]:
        """Sampled replies, valid by construction."""
        asked = [self._ask(turn) for turn in turns]
        while speaking := [conversation for conversation in asked if conversation.state != DONE]:
            logits = self._next_logits(speaking)  # (speaking, vocabulary)
            for conversation in speaking:
                conversation.limit(self._max_new_tokens, self._masks)
            for conversation, token in zip(speaking, self._draw(speaking, logits), strict=True):
                conversation.take(token, self._masks)
        return [conversation.text(self._chat) for conversation in asked]

    def _begin(self, turn: Turn) -> CachedConversation:
        adapter = self._adapter_of(turn) if self._adapter_of else None
        conversation = CachedConversation(
            row=len(self._by_row), adapter=adapter, draws=self._streams(turn)
        )
        self._by_row.append(conversation)
        return conversation

    def _next_logits(self, speaking: Sequence[CachedConversation]) -> Tensor:
        """Read what the cache doesn't hold yet; (speaking, vocabulary) float32 logits of the next tokens."""
        first = min(conversation.row for conversation in speaking)
        covered = slice(first, max(conversation.row for conversation in speaking) + 1)
        device = self._model.device
        chunks: list[list[int]] = [[] for _ in self._by_row[covered]]
        for conversation in speaking:
            chunks[conversation.row - first] = conversation.trajectory.tokens[conversation.cached :]
        width = max(map(len, chunks))
        tokens = torch.tensor(  # padding is overwritten in the cache by the row's next turn
            [chunk + [0] * (width - len(chunk)) for chunk in chunks], device=device
        )  # (rows, width)
        starts = torch.tensor([c.cached for c in self._by_row[covered]], device=device)
        positions = starts[:, None] + torch.arange(width, device=device)  # (rows, width)
        adapters = [conversation.adapter for conversation in self._by_row[covered]]
        last = torch.tensor([len(chunks[c.row - first]) - 1 for c in speaking], device=device)
        kept, column = last.unique(return_inverse=True)
        logits = self._model(
            input_ids=tokens,
            attention_mask=self._cache.place(covered, positions),
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=kept,
            **({"adapter_names": adapters} if self._adapter_of else {}),
        ).logits  # (rows, kept, vocabulary)
        rows = torch.tensor([c.row - first for c in speaking], device=device)
        for conversation in speaking:
            conversation.cached = len(conversation.trajectory.tokens)
        return logits[rows, column].float()

    def _draw(self, speaking: Sequence[CachedConversation], logits: Tensor) -> list[int]:
        states = torch.tensor([conversation.state for conversation in speaking])  # (speaking,)
        allowed = self._masks.allowed[states].to(logits.device)  # (speaking, vocabulary)
        columns = allowed.any(0).nonzero()[:, 0]  # tokens that somebody may choose now
        scores = (logits[:, columns] / self._temperature).masked_fill(
            ~allowed[:, columns], -torch.inf
        )
        cumulative = scores.softmax(-1).double().cumsum(-1)  # (speaking, columns)
        draws = torch.tensor([[c.draws.random()] for c in speaking], dtype=torch.double)
        drawn = draws.to(cumulative.device) * cumulative[:, -1:]  # (speaking, 1)
        chosen = torch.searchsorted(cumulative, drawn, right=True)[:, 0]
        return columns[chosen].tolist()
