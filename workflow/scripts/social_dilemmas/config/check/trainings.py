"""Settings of a training that don't go together, told where they are said."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from social_dilemmas.agents.scripted.player import scripted_player_names
from social_dilemmas.config import contents
from social_dilemmas.config.mistakes import Mistake, Place, holds, unknown, value_at, words
from social_dilemmas.config.schema.config import Config
from social_dilemmas.config.schema.game import Game
from social_dilemmas.config.schema.training import LORA_RANKS, Training
from social_dilemmas.games import kind_of

Levels = Sequence[Place]
"""Places that say settings of a training, those that win first."""


def levels_of_game(config: Config, name: str, *algorithms: str) -> list[Place]:
    """Where settings of trainings in a game are said."""
    game: Place = ("games", contents.games(config).index(name))
    own = [(*game, "training_by_algorithm", algorithm) for algorithm in algorithms]
    return [*own, (*game, "training"), ("training",)]


def training(
    levels: Levels, game: Game, settings: Training, said: Mapping[str, Any]
) -> Iterator[Mistake]:
    """Opponents of a run that don't exist, and settings that don't go together."""

    def wrong(key: str, sentence: str, *others: str) -> Mistake:
        """The first of these keys, and a sentence about it, at the level that decides."""
        place = _said_at(levels, (key, *others), said)
        return Mistake(place, f"{words((*place, *key.split('.')), said)} {sentence}")

    matches, group_size = settings.matches, settings.group_size
    if matches % group_size:
        must = f"must be a multiple of group_size, but is {matches}, and group_size is {group_size}"
        yield wrong("matches", must, "group_size")
    if settings.world_size > matches:
        size = settings.world_size
        must = f"must be no more than matches, but is {size}, and matches is {matches}"
        yield wrong("world_size", must, "matches")
    if settings.sampler == "vllm" and settings.lora_rank > LORA_RANKS[-1]:
        must = (
            f"must be no more than {LORA_RANKS[-1]} with sampler vllm, but is {settings.lora_rank}"
        )
        yield wrong("lora_rank", must, "sampler")
    one_seat = settings.buffer.size > 0 or settings.learning_seats == "one"  # then seats alternate
    if settings.baseline == "batch" and matches <= (2 if one_seat else 1) * group_size:
        means = "batch means something only where the learner has several groups in a seat"
        sizes = f"but group_size is {group_size}, and matches is {matches}"
        yield wrong("baseline", f"{means}, {sizes}", "group_size", "matches")
    if settings.baseline == "critic" and settings.tremble:
        reads = "which reads the learner's first choice of every round"
        must = f"must be 0 with the baseline critic, {reads}, but is {settings.tremble:g}"
        yield wrong("tremble", must, "baseline")
    if settings.baseline == "critic" and settings.normalise == "group_std":
        needs = "group_std needs a baseline that is made of returns, but baseline is critic"
        yield wrong("normalise", needs, "baseline")
    if settings.pool.probability and not settings.pool.scripted:
        yield wrong("pool.scripted", "must name players, as the warm start has no population")
    players = scripted_player_names(kind_of(game.entry))
    for name in settings.pool.scripted:
        if name not in players:
            place = _said_at(levels, ("pool",), said)
            where = words((*place, "pool", "scripted"), said)
            yield unknown(place, "player", name, players, where)


def _said_at(levels: Levels, keys: Sequence[str], said: Mapping[str, Any]) -> Place:
    """The level that says one of the keys; where they have their defaults, the first."""
    sections = {key.partition(".")[0] for key in keys}
    for level in levels:
        if any(holds(value_at(level, said), section) for section in sections):
            return level
    return levels[0]
