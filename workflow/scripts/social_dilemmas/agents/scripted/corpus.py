"""The games' own text: what prompts and replies look like, for building a tokenizer."""

from collections.abc import Iterable, Sequence

from social_dilemmas.agents.play import play
from social_dilemmas.agents.player import Player
from social_dilemmas.agents.scripted.player import scripted_player, scripted_player_names
from social_dilemmas.games import Entry, build_game, wordings
from social_dilemmas.games.game import Turn

ROUNDS = 10
MATCHES = 16  # for each pair of a scripted player and the random player


class Listener:
    """A player that writes down every prompt that it reads and every reply that it gives."""

    def __init__(self, player: Player, texts: list[str]) -> None:
        self._player = player
        self._texts = texts

    def reply(self, turns: Sequence[Turn]) -> list[str]:
        """The player's replies."""
        replies = self._player.reply(turns)
        self._texts += [turn.prompt for turn in turns]
        self._texts += replies
        return replies


def game_texts(entries: Iterable[Entry]) -> tuple[list[str], list[str]]:
    """Prompts and replies of these games, and the phrases that vary in them.

    Scripted players meet the random player, so that whatever can happen is likely to be told. Rules are the default
    ones, but for those that change sentences: numbers are tokens of their own.

    Args:
        entries: config entries of games, of which name, kind and rules count.
    """
    texts: list[str] = []
    varying: list[str] = []
    for wording in wordings(entries):
        name, rules = wording["name"], wording["rules"]
        game = build_game(name, ROUNDS, rules)
        varying += game.varying
        anybody = Listener(scripted_player(name, "random"), texts)
        for player_name in scripted_player_names(name):
            player = Listener(scripted_player(name, player_name), texts)
            matches = [game.start(seed) for seed in range(MATCHES)]
            play(matches, [(player, anybody), (anybody, player)] * (MATCHES // 2))
    return texts, varying
