"""What experiments are about: learners, variations, variants, priors and pairs that there must be."""

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from social_dilemmas.agents.agent import WARM_START, is_taken
from social_dilemmas.agents.scripted.player import scripted_player_names
from social_dilemmas.config import contents
from social_dilemmas.config.check.trainings import levels_of_game, training
from social_dilemmas.config.mistakes import Mistake, Place, unknown, words
from social_dilemmas.config.schema.config import Config
from social_dilemmas.config.schema.experiments import Ablations
from social_dilemmas.config.schema.game import Game
from social_dilemmas.config.settings import (
    evaluation_settings,
    exploitability_settings,
    learner_settings,
    pair_settings,
    variant_settings,
    variation_entry,
    variations,
    warm_start_settings,
)
from social_dilemmas.errors import UserError
from social_dilemmas.games import game_names, game_of, kind_of
from social_dilemmas.games.game import Game as Rules
from social_dilemmas.games.matrix_game import MatrixGame


def learners(
    place: Place, game: Game, config: Config, said: Mapping[str, Any]
) -> Iterator[Mistake]:
    """Learners and opponents that don't exist, and settings of theirs that don't go together."""
    algorithms = contents.algorithms(config)
    api_players = [player.name for player in config.api_players]
    scripted = scripted_player_names(kind_of(game.entry))
    opponents = [*algorithms, WARM_START, *scripted, *api_players]
    exploitability = exploitability_settings(config, game.name)
    for name in exploitability.training_by_opponent:
        if name not in opponents:
            where = (*place, "training_by_opponent")
            yield unknown(where, "opponent", name, opponents, words(where, said))
    where_learners = words((*place, "learners"), said)
    for algorithm, chosen in exploitability.learners.items():
        if algorithm not in algorithms:
            yield unknown(place, "algorithm", algorithm, algorithms, where_learners)
        for name in chosen:
            if name not in opponents:
                yield unknown(place, "opponent", name, opponents, where_learners)
            levels = [
                level
                for section in (place, place[2:])  # the game's, and that of all games
                for level in ((*section, "training_by_opponent", name), (*section, "training"))
            ]
            levels += levels_of_game(config, game.name, algorithm)
            settings = learner_settings(config, game.name, algorithm, name)
            yield from training(levels, game, settings, said)


def generalisation(
    place: Place, game: Game, config: Config, said: Mapping[str, Any]
) -> Iterator[Mistake]:
    """Variations of one name, of games that aren't matrix games, or in words that an embedded model can't read."""
    where, chosen = words(place, said), variations(config, game.name)
    names = [variation.name for variation in chosen]
    for name in names:
        if names.count(name) > 1:
            yield Mistake(place, f"{where} has two entries with the name {name!r}")
        try:
            varied = game_of(variation_entry(config, game.name, name))
        except UserError as error:
            yield Mistake(place, f"{where}, {name}: {error}")
            continue
        if not isinstance(varied, MatrixGame):
            must = "must be of matrix games, in which it is known what cooperates"
            yield Mistake(place, f"{where} {must}, but {name} is of {varied.kind}")
        elif _told(varied) != _told(game_of(game.entry)) and _embedded(config):
            reads = "must have no other words than the game, as an embedded model reads no others"
            yield Mistake(place, f"{where} {reads}, but {name} has")


def _told(game: Rules) -> tuple[str, str]:
    """What a game says before the first reply, apart from numbers."""
    return game.system, re.sub("[0-9]+", "", game.start(0).turns()[0].prompt)


def _embedded(config: Config) -> bool:
    """Whether there is a model that only knows the games' own text."""
    return any(model.kind == "embedded" for model in config.models)


def variants(section: str, config: Config, said: Mapping[str, Any]) -> Iterator[Mistake]:
    """Variants of what doesn't exist, of two names, or whose settings don't go together."""
    chosen: Ablations = getattr(config, section)
    algorithms = contents.algorithms(config)
    if chosen.games and chosen.algorithm not in algorithms:
        where = f"{section}.algorithm"
        yield unknown((section, "algorithm"), "algorithm", chosen.algorithm, algorithms, where)
    games = contents.games(config)
    for name in chosen.games:
        if name not in games:
            yield unknown((section, "games"), "game", name, games, f"{section}.games")
    for name in chosen.played:
        alone = name in games and not evaluation_settings(config, name).opponents
        if section == "rivals" and alone:
            sentence = f"rivals.games: {name} has no evaluation.opponents, which rivals' worst case is measured with"
            yield Mistake((section, "games"), sentence)
    kinds = [kind_of(game.entry) for game in config.games if game.name in chosen.games]
    agents = {WARM_START, *algorithms, *chain.from_iterable(map(scripted_player_names, kinds))}
    if section == "rivals":
        agents.update(variant.name for variant in config.ablations.variants)
    names = [variant.name for variant in chosen.variants]
    for index, variant in enumerate(chosen.variants):
        place: Place = (section, "variants", index)
        if variant.name in (*names[:index], *agents) or is_taken(variant.name):
            taken = "already is another variant's or agent's name, or one that tables use"
            sentence = f"{section}: {variant.name!r} {taken}"
            yield Mistake((*place, "name"), sentence)
        where = f"the variant {variant.name!r} of the {section}"
        for game in (variant.games or ()) if chosen.games else ():  # without games, none is trained
            if game not in chosen.games:
                yield unknown((*place, "games"), "game", game, chosen.games, where)
        control = variant.compared_with
        if control and section == "rivals":
            sentence = f"{where} can't have compared_with: the table of rivals compares them with all algorithms"
            yield Mistake((*place, "compared_with"), sentence)
        elif control == variant.name:
            sentence = f"{where} is compared_with itself: name another, or leave it out"
            yield Mistake((*place, "compared_with"), sentence)
        elif control:
            for game, name in chosen.trained:
                if name == variant.name and (game, control) not in chosen.trained:
                    known = [each for each in names if (game, each) in chosen.trained]
                    at = (*place, "compared_with")
                    yield unknown(at, "variant", control, known, f"{where}, in {game}")
    for game, name in chosen.trained:
        place = (section, "variants", names.index(name), "training")
        levels = [place, *levels_of_game(config, game, chosen.algorithm)]
        settings = variant_settings(config, game, name, section)
        yield from training(levels, config.game(game), settings, said)


def prior_sweep(config: Config) -> Iterator[Mistake]:
    """A sweep of what doesn't exist, or over a share that a population can't have."""
    sweep = config.prior_sweep
    players = chain.from_iterable(map(scripted_player_names, game_names()))
    for key, what, known in (
        ("games", "game", contents.games(config)),
        ("players", "player", sorted(set(players))),
        ("algorithms", "algorithm", contents.algorithms(config)),
    ):
        for name in getattr(sweep, key) if sweep.games else ():
            if name not in known:
                place: Place = ("prior_sweep", key)
                yield unknown(place, what, name, known, f"prior_sweep.{key}")
    for game in sweep.games:
        if not warm_start_settings(config, game).steps:
            sentence = f"prior_sweep.games: {game} has no warm start (its steps are 0), hence no prior to vary"
            yield Mistake(("prior_sweep", "games"), sentence)
        population = warm_start_settings(config, game).population
        found = population.keys() & set(sweep.players)
        if not found or found == population.keys():
            sentence = f"prior_sweep.players must be a part of the population of {game}, which has"
            yield Mistake(("prior_sweep", "players"), f"{sentence}: {', '.join(population)}")


def two_learners(config: Config, said: Mapping[str, Any]) -> Iterator[Mistake]:
    """Pairs in games or of algorithms that don't exist, and settings of theirs that don't go together."""
    chosen = config.two_learners
    for key, what, names, known in (
        ("games", "game", chosen.games, contents.games(config)),
        ("pairs", "algorithm", chain.from_iterable(chosen.pairs), contents.algorithms(config)),
    ):
        for name in names:
            if name not in known:
                yield unknown(("two_learners", key), what, name, known, f"two_learners.{key}")
    place: Place = ("two_learners", "training")
    for game, *pair in contents.paired(config):
        levels = [place, *levels_of_game(config, game)]
        settings = pair_settings(config, game, pair)[0]
        yield from training(levels, config.game(game), settings, said)
        if settings.sampler != "trainer":
            sentence = f"two_learners.training.sampler must be trainer, but is {settings.sampler}"
            yield Mistake(place, sentence)
