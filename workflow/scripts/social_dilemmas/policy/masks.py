"""Reply grammars compiled to token masks: which tokens may come next, in every state of a reply.

All grammars of a game share one table of states. Sampling and the loss look up the same rows, so both refer to the
same distribution, over valid replies only. Where a single token is possible it is forced: it needs no forward pass,
has no part in the loss, and is fed to the model together with what follows.

Literal parts and choices are spelled out along their tokens, one state after each, so that they have exactly one
tokenisation. Free text has a state for every number of characters left.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from social_dilemmas.games.grammar import Grammar, Literal, Text
from social_dilemmas.policy.chat import ChatFormat

DONE = -1  # the state after a reply's end token


@dataclass(frozen=True)
class AllowedTokens:
    """A (states, vocabulary) table of bool that stores equal rows once.

    A message with 400 characters left admits the same tokens as one with 300: so the table stays small even for
    vocabularies of hundreds of thousands of tokens. It is read like a tensor, `table[states]` and
    `table[states, tokens]`; what is read is on the table's device, also where the states are on the CPU.
    """

    rows: Tensor  # (rows, vocabulary) bool, all different
    row_of_state: Tensor  # (states,)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.row_of_state), self.rows.shape[1]

    def __getitem__(self, key: Any) -> Tensor:
        states, tokens = key if isinstance(key, tuple) else (key, slice(None))
        return self.rows[self.row_of_state[states], tokens]


@dataclass
class _State:
    edges: dict[int, int] = field(default_factory=dict)  # token -> next state, free text aside
    text_left: int = 0  # characters of free text that may still follow
    closed: int = DONE  # state in which free text must end


class TokenMasks:
    """Token automaton of a set of grammars.

    Attributes:
        allowed: (states, vocabulary) bool, the tokens that may come next.
        forced: each state's only possible token, or None where there is a choice.
    """

    def __init__(
        self,
        grammars: Iterable[Grammar],
        chat: ChatFormat,
        vocabulary_size: int,
        device: torch.device | str = "cpu",
    ) -> None:
        """Compile the grammars of all replies of a game, with the table on a device.

        `vocabulary_size` is the number of the model's logits, which may be more than the tokenizer has tokens.
        """
        self._chat = chat
        self._states: list[_State] = []
        self._starts = {grammar: self._compile(grammar) for grammar in grammars}
        has_text = any(state.text_left for state in self._states)
        self._lengths = _text_lengths(chat, vocabulary_size) if has_text else []
        rows, row_of_state = self._table(vocabulary_size)
        only = torch.where(rows.sum(1) == 1, rows.to(torch.uint8).argmax(1), -1)  # (rows,)
        tokens = only[row_of_state].tolist()  # (states,)
        self.forced: list[int | None] = [None if token < 0 else token for token in tokens]
        self.allowed = AllowedTokens(rows.to(device), row_of_state.to(device))

    def start(self, grammar: Grammar) -> int:
        """The state in which a reply begins."""
        return self._starts[grammar]

    def step(self, state: int, token: int) -> int:
        """The state after a token; raises `KeyError` if the token isn't allowed."""
        here = self._states[state]
        if token in here.edges:
            return here.edges[token]
        length = self._lengths[token] if here.text_left else 0
        if not 0 < length <= here.text_left:
            raise KeyError(token)
        return state - length if length < here.text_left else here.closed

    def closing(self, state: int) -> int:
        """The state in which free text must be closed at once; the same state where it can't be closed."""
        here = self._states[state]
        return here.closed if here.text_left and here.edges else state

    def encode(self, grammar: Grammar, reply: str) -> list[int]:
        """The tokens of a reply given as text, tokenised part by part as in the masks, with its end token.

        Raises:
            ValueError: the reply isn't valid.
        """
        values = grammar.parse(reply)
        if values is None:
            raise ValueError(f"not a valid reply: {reply!r}")
        tokens = [token for text in grammar.spell(values) for token in self._chat.encode_text(text)]
        return [*tokens, self._chat.end_token]

    def _compile(self, grammar: Grammar) -> int:
        """Add the states of a grammar, from its end to its beginning; returns the first."""
        state = self._add(_State({self._chat.end_token: DONE}))
        for part in reversed(grammar.parts):
            if isinstance(part, Text):
                state = self._add_text(part.limit, closed=state)
                continue
            target, state = state, self._add(_State())
            for spelling in (part.text,) if isinstance(part, Literal) else part.spellings():
                self._add_path(spelling, state, target)
        return state

    def _add(self, state: _State) -> int:
        self._states.append(state)
        return len(self._states) - 1

    def _add_path(self, text: str, start: int, target: int) -> None:
        """Lead from start to target along the tokens of a text, sharing the states that are there already."""
        *path, last = self._chat.encode_text(text)
        for token in path:
            edges = self._states[start].edges
            if token not in edges:
                edges[token] = self._add(_State())
            start = edges[token]
        self._states[start].edges[last] = target

    def _add_text(self, limit: int, closed: int) -> int:
        """Add states with 1 to `limit` characters left, one after the other; returns the last, where text begins."""
        for left in range(1, limit):
            self._add(_State(self._states[closed].edges, left, closed))
        return self._add(_State({}, limit, closed))  # at least one character must come first

    def _table(self, vocabulary_size: int) -> tuple[Tensor, Tensor]:
        """(rows, vocabulary) bool, and the (states,) row of each state."""
        known = {*self._lengths}
        numbers: dict[tuple[int, tuple[int, ...]], int] = {}  # what a row admits -> its number
        row_of_state = []
        for state in self._states:
            longest = max((length for length in known if length <= state.text_left), default=0)
            admits = longest, tuple(sorted(state.edges))
            row_of_state.append(numbers.setdefault(admits, len(numbers)))
        lengths = torch.tensor(self._lengths)  # (vocabulary,), empty without free text
        rows = torch.zeros(len(numbers), vocabulary_size, dtype=torch.bool)
        for row, (longest, edges) in zip(rows, numbers, strict=True):
            if longest:
                row |= (lengths > 0) & (lengths <= longest)
            row[list(edges)] = True
        return rows, torch.tensor(row_of_state)


def _text_lengths(chat: ChatFormat, vocabulary_size: int) -> list[int]:
    """(vocabulary,) number of characters of each token that may stand in free text, 0 for all others.

    A token that is only part of a character, as in byte-level vocabularies, has no length and isn't admitted.
    """
    tokens = range(min(len(chat.tokenizer), vocabulary_size))
    control = {*chat.control_tokens.values()}
    before = chat.encode_text("x")  # some tokenizers drop a space at the very beginning
    texts = chat.tokenizer.batch_decode(
        [[*before, token] for token in tokens], clean_up_tokenization_spaces=False
    )
    lengths = [
        0 if token in control or "<" in text or "\ufffd" in text else len(text) - 1
        for token, text in zip(tokens, texts, strict=True)
    ]
    return lengths + [0] * (vocabulary_size - len(lengths))
