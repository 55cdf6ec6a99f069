"""How long a game's conversations are, in tokens, before there is a tokenizer.

Prompts and replies of a few matches between random players are counted. Messages of a hub model are taken to be as long
as they may be, so real conversations are rather shorter.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from social_dilemmas.agents.scripted.player import scripted_player
from social_dilemmas.games import game_of
from social_dilemmas.games.grammar import Grammar, Text

MATCHES = 4  # that are played and counted
WORD = "word "  # a token of a message, with the space behind it
# Tokens of a chat template around a prompt and its reply: a hub model's, with roles and line breaks; an embedded one's.
FRAME, EMBEDDED_FRAME = 9, 3


class Conversation(NamedTuple):
    """A seat's mean conversation over a whole match."""

    tokens: float  # all of its tokens
    opening: float  # tokens of the longest first prompt
    actions: float  # tokens that the model chooses; the others are given or forced
    turns: float  # replies
    passes: float  # successive forward passes of matches that are played side by side
    dealt: bool  # whether chance makes matches different from the first prompt on


def conversation_of(game: Mapping[str, Any], max_new_tokens: int, embedded: bool) -> Conversation:
    """The mean conversation in a game of the configuration, with replies of at most so many tokens.

    `embedded`: the tokenizer is an embedded model's, to which sentences of the game are single tokens.
    """
    rules = game_of(game)
    count, frame = (_sentences(rules.varying), EMBEDDED_FRAME) if embedded else (_words, FRAME)
    player = scripted_player(rules.kind, "random")
    opening, passes, counted, openings = 0, 0, [], set()
    for seed in range(MATCHES):
        match = rules.start(seed)
        opening = max(opening, *(count(turn.prompt) for turn in match.turns()))
        openings.add(tuple(turn.prompt for turn in match.turns()))
        while turns := match.turns():
            replies, lengths = {}, []
            for turn, reply in zip(turns, player.reply(turns), strict=True):
                longest = 0 if embedded else max_new_tokens
                replies[turn.seat], actions = _spoken(turn.grammar, reply, longest, count)
                tokens = count(turn.prompt) + count(replies[turn.seat]) + frame
                lengths.append((tokens, actions))
            passes += max(actions for _, actions in lengths)
            counted += lengths
            match.take(replies)
    seats = 2 * MATCHES
    tokens, actions = (sum(column) / seats for column in zip(*counted, strict=True))
    system = count(rules.system)
    opening, tokens = opening + system + frame, tokens + system
    asked, dealt = len(counted) / seats, len(openings) > 1
    return Conversation(tokens, opening, actions, asked, passes / MATCHES, dealt)


def _spoken(
    grammar: Grammar, reply: str, longest: int, count: Callable[[str], int]
) -> tuple[str, int]:
    """The reply, its messages as long as they may be unless `longest` is 0, and how many of its tokens are chosen.

    These are one for every option; those of a message, and the one that closes it.
    """
    values = grammar.parse(reply) or {}
    messages = [part for part in grammar.parts if isinstance(part, Text)]
    for part in messages if longest else ():
        values[part.name] = (WORD * min(part.limit // len(WORD), longest)).strip()
    return grammar.write(values), len(values) + sum(count(values[part.name]) for part in messages)


def _words(text: str) -> int:
    """Tokens of a text in the vocabularies of today's models: words, digits and signs."""
    return len(re.findall(r"[^\W\d_]+|\d|[^\w\s]|_", text))


def _sentences(phrases: Iterable[str]) -> Callable[[str], int]:
    """Counts tokens as an embedded model's tokenizer does; see `social_dilemmas.policy.tokenizer`."""
    alternatives = map(re.escape, sorted(phrases, key=len, reverse=True))
    varies = re.compile("|".join([r"<[^<>]*>", *alternatives, r"[0-9]+"]))
    return lambda text: len(varies.findall(text)) + sum(map(bool, varies.split(text)))
