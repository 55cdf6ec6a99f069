"""The games' own text: what prompts and replies look like, for building a tokenizer."""

from collections.abc import Sequence

from social_dilemmas.games import build_game, game_names
from social_dilemmas.games.game import Turn
from social_dilemmas.players.play import play
from social_dilemmas.players.player import Player
from social_dilemmas.players.scripted import scripted_player, scripted_player_names

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


def game_texts() -> tuple[list[str], list[str]]:
    """Prompts and replies of every game under its default rules, and the phrases that vary in them.

    Scripted players meet the random player, so that whatever can happen is likely to be told. The rules in force
    don't matter here: numbers are tokens of their own.
    """
    texts: list[str] = []
    varying: list[str] = []
    for name in game_names():
        game = build_game(name, ROUNDS)
        varying += game.varying
        anybody = Listener(scripted_player(name, "random"), texts)
        for player_name in scripted_player_names(name):
            player = Listener(scripted_player(name, player_name), texts)
            matches = [game.start(seed) for seed in range(MATCHES)]
            play(matches, [(player, anybody), (anybody, player)] * (MATCHES // 2))
    return texts, varying
