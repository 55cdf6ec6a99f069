"""The games' own text: what prompts and replies look like, for building a tokenizer."""

from collections.abc import Iterable
from copy import copy

from social_dilemmas.agents.play import batches
from social_dilemmas.agents.scripted.player import scripted_player, scripted_player_names
from social_dilemmas.games import Entry, build_game, wordings

ROUNDS = 10
MATCHES = 16  # for each pair of a scripted player and the random player


def game_texts(entries: Iterable[Entry]) -> tuple[list[str], list[str]]:
    """Prompts and replies of these games, and the phrases that vary in them. Scripted players meet
    the random player, so that whatever can happen is likely to be seen.

    Rules are the default ones, except those that change sentences: numbers are tokens of their own.
    """
    texts: list[str] = []
    varying: list[str] = []
    for wording in wordings(entries):
        name, rules = wording["name"], wording["rules"]
        game = build_game(name, ROUNDS, rules)
        varying += game.varying
        anybody = copy(scripted_player(name, "random"))  # asked by itself, also as its own opponent
        for player_name in scripted_player_names(name):
            player = scripted_player(name, player_name)
            matches = [game.start(seed) for seed in range(MATCHES)]
            seats = [(player, anybody), (anybody, player)] * (MATCHES // 2)
            for turns, replies in batches(matches, seats):
                texts += [turn.prompt for turn in turns]
                texts += replies
    return texts, varying
