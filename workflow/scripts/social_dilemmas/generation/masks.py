"""Reply grammars compiled to token masks: which tokens may follow, for every state of a reply.

One dense table (states x vocabulary) serves all grammars of a game. Sampling and the loss look up the same rows,
so that both speak of the same distribution. Where only one token is possible it is forced: it needs no forward
pass, takes part in no loss, and is fed together with what follows.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from social_dilemmas.games.grammar import Choice, Grammar, Literal, Text
from social_dilemmas.generation.chat import ChatFormat

DONE = -1  # the state after a reply's end token


class TokenMasks:
    """Token automaton of a set of grammars.

    Attributes:
        allowed: (states, vocabulary) bool, tokens that may come next.
        following: (states, vocabulary) int32, the state after each token; DONE after the end of the reply.
        forced: the only possible token of each state, or None where there is a choice.
    """

    def __init__(self, grammars: Iterable[Grammar], chat: ChatFormat, vocabulary_size: int) -> None:
        self._chat = chat
        self._edges: list[dict[int, int]] = []  # state -> {token: next state}, but for free text
        self._text_left: dict[int, int] = {}  # free-text state -> characters that may still follow
        self._closing: dict[
            int, int
        ] = {}  # free-text state -> state in which the text must be closed
        self._starts = {grammar: self._compile(grammar) for grammar in grammars}
        self.allowed, self.following = self._tables(vocabulary_size)
        only = self.allowed.int().argmax(1).tolist()
        choices = self.allowed.sum(1).tolist()
        self.forced = [
            token if count == 1 else None for token, count in zip(only, choices, strict=True)
        ]

    def start(self, grammar: Grammar) -> int:
        """The state in which a reply begins."""
        return self._starts[grammar]

    def step(self, state: int, token: int) -> int:
        """The state after a token."""
        if state in self._text_left and token not in self._edges[state]:
            return int(self.following[state, token])
        return self._edges[state][token]

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
            target, state = state, self._new_state()
            match part:
                case Literal(text):
                    self._spell(text, state, target)
                case Choice():
                    for spelling in part.spellings():
                        self._spell(spelling, state, target)
                case Text(_, limit):
                    state = self._free_text(limit, closing=target)
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

    def _tables(self, vocabulary_size: int) -> tuple[Tensor, Tensor]:
        allowed = torch.zeros(len(self._edges), vocabulary_size, dtype=torch.bool)
        following = torch.full((len(self._edges), vocabulary_size), DONE, dtype=torch.int32)
        if self._text_left:
            lengths = self._text_lengths(vocabulary_size)  # (vocabulary,)
            for state, left in self._text_left.items():
                fits = (lengths > 0) & (lengths <= left)  # (vocabulary,)
                allowed[state] = fits
                after = torch.where(lengths < left, state - lengths, self._closing[state])
                following[state] = torch.where(fits, after, DONE).int()
        for state, edges in enumerate(self._edges):
            for token, target in edges.items():
                allowed[state, token] = True
                following[state, token] = target
        return allowed, following

    def _text_lengths(self, vocabulary_size: int) -> Tensor:
        """(vocabulary,) characters of each token that may stand in free text, 0 for all others."""
        tokenizer = self._chat.tokenizer
        control = set(self._chat.control_tokens.values())
        lengths = torch.zeros(vocabulary_size, dtype=torch.long)
        for token in range(min(len(tokenizer), vocabulary_size)):
            text = "" if token in control else tokenizer.decode([token])
            if "<" not in text and "\ufffd" not in text:
                lengths[token] = len(text)
        return lengths
