"""Reply grammars compiled to token masks: which tokens may follow, for every state of a reply.

One table serves all grammars of a game. Sampling and the loss look up the same rows, so that both speak of the same
distribution. Where only one token is possible it is forced: it needs no forward pass, takes part in no loss, and is
fed together with what follows.
"""

from bisect import bisect_right
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from social_dilemmas.games.grammar import Grammar, Literal, Text
from social_dilemmas.policy.chat import ChatFormat

DONE = -1  # the state after a reply's end token


class AllowedTokens:
    """A (states, vocabulary) table of bool that keeps equal rows once.

    A message with 400 characters left admits the same tokens as one with 300: without repetition the table stays
    small for vocabularies of hundreds of thousands of tokens. It is read like a tensor, `table[states]` and
    `table[state, token]`, and what is read is on the table's device, wherever the states are.
    """

    def __init__(self, rows: Tensor, row_of_state: Tensor) -> None:
        """A table.

        Args:
            rows: (rows, vocabulary) bool, all different.
            row_of_state: (states,) which of them is a state's.
        """
        self._rows = rows
        self._row_of_state = row_of_state

    @property
    def shape(self) -> tuple[int, int]:
        """Number of states and of tokens."""
        return len(self._row_of_state), self._rows.shape[1]

    @property
    def rows(self) -> int:
        """Number of rows that are kept."""
        return len(self._rows)

    def __getitem__(self, key: Any) -> Tensor:
        states, tokens = key if isinstance(key, tuple) else (key, slice(None))
        if isinstance(states, Tensor):
            states = states.to(self._rows.device)
        return self._rows[self._row_of_state[states], tokens]

    @property
    def forced(self) -> list[int | None]:
        """Of each state the only token that is allowed, or None where there is a choice."""
        counts = self._rows.sum(1).tolist()
        firsts = self._rows.to(torch.uint8).argmax(1).tolist()
        forced = [
            first if count == 1 else None for first, count in zip(firsts, counts, strict=True)
        ]
        return [forced[row] for row in self._row_of_state.tolist()]

    def to(self, device: torch.device | str) -> "AllowedTokens":
        """The same table on a device."""
        return AllowedTokens(self._rows.to(device), self._row_of_state.to(device))


class TokenMasks:
    """Token automaton of a set of grammars.

    Attributes:
        allowed: (states, vocabulary) bool, tokens that may come next.
        forced: the only possible token of each state, or None where there is a choice.
    """

    def __init__(
        self,
        grammars: Iterable[Grammar],
        chat: ChatFormat,
        vocabulary_size: int,
        device: torch.device | str = "cpu",
    ) -> None:
        """Compile grammars.

        Args:
            grammars: those of all replies in a game.
            chat: how this tokenizer's model talks.
            vocabulary_size: number of logits of the model, which may be more than the tokenizer has tokens.
            device: where the table is kept: the model's, so that looking up needs no transfer.
        """
        self._chat = chat
        self._edges: list[dict[int, int]] = []  # state -> {token: next state}, but for free text
        self._text_left: dict[int, int] = {}  # free-text state -> characters that may still follow
        self._closing: dict[
            int, int
        ] = {}  # free-text state -> state in which the text must be closed
        self._starts = {grammar: self._compile(grammar) for grammar in grammars}
        self._lengths = _text_lengths(chat, vocabulary_size) if self._text_left else []
        table = self._table(vocabulary_size)
        self.forced = table.forced
        self.allowed = table.to(device)

    def start(self, grammar: Grammar) -> int:
        """The state in which a reply begins."""
        return self._starts[grammar]

    def step(self, state: int, token: int) -> int:
        """The state after a token that is allowed.

        Raises:
            KeyError: it isn't allowed.
        """
        if token in self._edges[state] or state not in self._text_left:
            return self._edges[state][token]
        left = self._text_left[state] - self._lengths[token]
        if not 0 <= left < self._text_left[state]:
            raise KeyError(token)
        return state - self._lengths[token] if left else self._closing[state]

    def closing(self, state: int) -> int:
        """The state in which free text is closed at once; the same state where it can't be closed."""
        return self._closing[state] if self._edges[state] and state in self._closing else state

    def encode(self, grammar: Grammar, reply: str) -> list[int]:
        """The tokens of a reply given as text, part by part as the masks have them, with its end token.

        Raises:
            ValueError: the reply isn't valid.
        """
        values = grammar.parse(reply)
        if values is None:
            raise ValueError(f"not a valid reply: {reply!r}")
        tokens = [token for text in grammar.spell(values) for token in self._chat.encode_text(text)]
        return [*tokens, self._chat.end_token]

    def _compile(self, grammar: Grammar) -> int:
        """States of a grammar, from its end to its beginning; returns the first."""
        state = self._new_state()
        self._edges[state][self._chat.end_token] = DONE
        for part in reversed(grammar.parts):
            if isinstance(part, Text):
                state = self._free_text(part.limit, closing=state)
                continue
            target, state = state, self._new_state()
            for spelling in (part.text,) if isinstance(part, Literal) else part.spellings():
                self._spell(spelling, state, target)
        return state

    def _new_state(self) -> int:
        self._edges.append({})
        return len(self._edges) - 1

    def _spell(self, text: str, start: int, target: int) -> None:
        """A path from start to target along the tokens of a text, sharing what is there already."""
        *path, last = self._chat.encode_text(text)
        for token in path:
            if token not in self._edges[start]:
                self._edges[start][token] = self._new_state()
            start = self._edges[start][token]
        self._edges[start][last] = target

    def _free_text(self, limit: int, closing: int) -> int:
        """One state for every number of characters left: `limit` of them in a row, fullest last."""
        states = [self._new_state() for _ in range(limit)]
        for left, state in enumerate(states, start=1):
            self._text_left[state] = left
            self._closing[state] = closing
            if left < limit:  # a message holds at least one character
                self._edges[state] = self._edges[closing]
        return states[-1]

    def _table(self, vocabulary_size: int) -> AllowedTokens:
        lengths = torch.tensor(self._lengths)  # (vocabulary,), empty without free text
        known = sorted(set(self._lengths))
        numbers: dict[tuple[int, tuple[int, ...]], int] = {}  # what a row holds -> its number
        rows: list[Tensor] = []
        row_of_state = []
        for state, edges in enumerate(self._edges):
            left = self._text_left.get(state, 0)
            longest = known[bisect_right(known, left) - 1] if left else 0
            content = longest, tuple(sorted(edges))
            if content not in numbers:
                numbers[content] = len(rows)
                row = torch.zeros(vocabulary_size, dtype=torch.bool)
                if longest:
                    row |= (lengths > 0) & (lengths <= longest)
                row[list(edges)] = True
                rows.append(row)
            row_of_state.append(numbers[content])
        return AllowedTokens(torch.stack(rows), torch.tensor(row_of_state))


def _text_lengths(chat: ChatFormat, vocabulary_size: int) -> list[int]:
    """(vocabulary,) characters of each token that may stand in free text, 0 for all others.

    Tokens that are part of a character only, as byte-level vocabularies have them, have no length of their own: they
    aren't admitted.
    """
    tokens = range(min(len(chat.tokenizer), vocabulary_size))
    control = set(chat.control_tokens.values())
    before = chat.encode_text("x")  # some tokenizers drop a space at the very beginning
    texts = chat.tokenizer.batch_decode(
        [[*before, token] for token in tokens], clean_up_tokenization_spaces=False
    )
    lengths = [
        0 if token in control or "<" in text or "\ufffd" in text else len(text) - 1
        for token, text in zip(tokens, texts, strict=True)
    ]
    return lengths + [0] * (vocabulary_size - len(lengths))
