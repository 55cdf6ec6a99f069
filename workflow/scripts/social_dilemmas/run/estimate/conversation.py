"""How long a game's conversations are, in tokens, before there is a tokenizer.

Matches between players that reply at random are played, and what they are told and say is counted. Messages of a hub
model are taken to be as long as they may be, so real conversations are shorter rather than longer.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from social_dilemmas.agents.scripted.player import scripted_player
from social_dilemmas.games import game_of
from social_dilemmas.games.game import Game
from social_dilemmas.games.grammar import Choice, Grammar, Text

WORD = "word "  # a token of a message that isn't said yet, with the space behind it
FRAME_TOKENS = 9  # of a chat template around a prompt and its reply: roles, line breaks, ends
EMBEDDED_FRAME_TOKENS = 3  # one before each of them, and one that ends the reply
MATCHES = 4  # that are played and counted

Count = Callable[[str], int]


@dataclass(frozen=True)
class Conversation:
    """A seat's conversation over a whole match.

    Attributes:
        tokens: all of its tokens.
        opening: tokens of its first prompt.
        chosen: tokens that the model chooses; the others are given or forced.
        turns: replies.
        passes: forward passes, one after the other, of matches that are played side by side.
        text_limit: most characters of a message; 0 where there are none.
    """

    tokens: float
    opening: float
    chosen: float
    turns: float
    passes: float
    text_limit: int


def conversation_of(
    game: Mapping[str, Any], max_new_tokens: int, *, embedded: bool
) -> Conversation:
    """The mean conversation of a game.

    Args:
        game: the game's entry in the configuration.
        max_new_tokens: most tokens of a reply.
        embedded: whether the tokenizer is an embedded model's, to which sentences of the game are single tokens.
    """
    rules = game_of(game)
    count = _sentences(rules) if embedded else _words
    frame = EMBEDDED_FRAME_TOKENS if embedded else FRAME_TOKENS
    player = scripted_player(rules.kind, "random")
    tokens = opening = chosen = passes = turns = 0
    for seed in range(MATCHES):
        match = rules.start(seed)
        opening = max(opening, *(count(turn.prompt) for turn in match.turns()))
        while wanted := match.turns():
            replies = dict(zip((turn.seat for turn in wanted), player.reply(wanted), strict=True))
            if not embedded:
                for turn in wanted:
                    replies[turn.seat] = _drawn_out(
                        turn.grammar, replies[turn.seat], max_new_tokens
                    )
            picked = [_chosen(turn.grammar, replies[turn.seat], count) for turn in wanted]
            tokens += sum(count(turn.prompt) + count(replies[turn.seat]) + frame for turn in wanted)
            chosen += sum(picked)
            passes += max(picked)
            turns += len(wanted)
            match.take(replies)
    conversations = 2 * MATCHES
    return Conversation(
        tokens=tokens / conversations,
        opening=opening + frame,
        chosen=chosen / conversations,
        turns=turns / conversations,
        passes=passes / MATCHES,
        text_limit=max((part.limit for part in _parts(rules) if isinstance(part, Text)), default=0),
    )


def _parts(rules: Game) -> list[object]:
    return [part for grammar in rules.grammars() for part in grammar.parts]


def _words(text: str) -> int:
    """Tokens of a text in the vocabularies of today's models: words, digits and signs."""
    return len(re.findall(r"[^\W\d_]+|\d|[^\w\s]|_", text))


def _sentences(rules: Game) -> Count:
    """Counts tokens as an embedded model's tokenizer does; see `social_dilemmas.policy.tokenizer`."""
    phrases = sorted(rules.varying, key=len, reverse=True)
    varies = re.compile("|".join([r"<[^<>]*>", *map(re.escape, phrases), r"[0-9]+"]))
    return lambda text: len(varies.findall(text)) + sum(map(bool, varies.split(text)))


def _drawn_out(grammar: Grammar, reply: str, max_new_tokens: int) -> str:
    """The reply with its messages as long as they may be."""
    values = grammar.parse(reply) or {}
    for part in grammar.parts:
        if isinstance(part, Text):
            values[part.name] = (WORD * min(part.limit // len(WORD), max_new_tokens)).strip()
    return grammar.write(values)


def _chosen(grammar: Grammar, reply: str, count: Count) -> int:
    """Tokens of a reply that are chosen: one for every option; those of a message, and the one that closes it."""
    values = grammar.parse(reply) or {}
    return sum(
        1 if isinstance(part, Choice) else count(values[part.name]) + 1
        for part in grammar.parts
        if isinstance(part, Choice | Text)
    )
