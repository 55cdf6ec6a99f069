"""Supervised warm start: a model learns to play like a population of scripted players.

The base model gets its social prior here, as a large model gets it from its pre-training. It is one warm start
for all algorithms and seeds of a game. The loss is on the players' own choices only, under the same token masks
as in play.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from social_dilemmas.games.game import Game, Match, Turn
from social_dilemmas.generation.chat import ChatFormat
from social_dilemmas.generation.masks import TokenMasks
from social_dilemmas.generation.transcript import Transcript
from social_dilemmas.learning.log_probabilities import chosen_log_probabilities
from social_dilemmas.players.noise import Noisy
from social_dilemmas.players.play import play
from social_dilemmas.players.player import Player
from social_dilemmas.players.scripted import scripted_player
from social_dilemmas.randomness import derive_seed, stream


class Recorder:
    """A player whose conversations are written down as transcripts."""

    def __init__(self, player: Player, chat: ChatFormat, masks: TokenMasks) -> None:
        self._player = player
        self._chat = chat
        self._masks = masks
        self.transcripts: dict[tuple[Match, int], Transcript] = {}

    def reply(self, turns: Sequence[Turn]) -> list[str]:
        """The player's replies."""
        replies = self._player.reply(turns)
        for turn, reply in zip(turns, replies, strict=True):
            transcript = self.transcripts.setdefault((turn.match, turn.seat), Transcript())
            transcript.ask(turn, self._chat)
            transcript.answer(turn, reply, self._masks)
        return replies


class Population:
    """Transcripts of matches between players drawn from a weighted population.

    Args:
        population: weights by the names of scripted players.
        noise: probability that a choice is replaced by a random one.
    """

    def __init__(
        self, game: Game, population: Mapping[str, float], noise: float, chat: ChatFormat, masks: TokenMasks
    ) -> None:
        self._game = game
        self._weights = list(population.values())
        self._recorders = [
            Recorder(Noisy(scripted_player(game.name, name), noise), chat, masks) for name in population
        ]

    def transcripts(self, count: int, *purpose: object) -> list[Transcript]:
        """Both seats' transcripts of `count` new matches; the same purpose gives the same matches."""
        random = stream("population", *purpose)
        matches = [
            self._game.start(derive_seed("warm start match", *purpose, index)) for index in range(count)
        ]
        pairs = [random.choices(self._recorders, self._weights, k=2) for _ in matches]
        play(matches, [(first, second) for first, second in pairs])
        found = [
            pair[seat].transcripts[match, seat]
            for match, pair in zip(matches, pairs, strict=True)
            for seat in (0, 1)
        ]
        for recorder in self._recorders:
            recorder.transcripts.clear()
        return found
