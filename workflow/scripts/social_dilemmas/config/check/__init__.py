"""What types can't say of a configuration: that names refer to something, and that numbers go together."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from social_dilemmas.agents.agent import WARM_START, clone_name, is_taken
from social_dilemmas.agents.axelrod.names import ALL, STRATEGIES, unknown_strategy
from social_dilemmas.agents.scripted.player import scripted_player_names
from social_dilemmas.config import contents
from social_dilemmas.config.check import experiments
from social_dilemmas.config.check.players import address, api_player
from social_dilemmas.config.check.trainings import levels_of_game, training
from social_dilemmas.config.mistakes import Mistake, Place, unknown, words
from social_dilemmas.config.schema.config import Config
from social_dilemmas.config.schema.evaluation import Evaluation
from social_dilemmas.config.schema.game import Game
from social_dilemmas.config.schema.models import GgufModel, HubModel
from social_dilemmas.config.schema.section import Section
from social_dilemmas.config.schema.training import Training
from social_dilemmas.config.schema.warm_start import WarmStart
from social_dilemmas.config.settings import (
    disturbance_settings,
    evaluation_settings,
    merge,
    training_settings,
    transcript_pairs,
    warm_start_settings,
)
from social_dilemmas.errors import UserError
from social_dilemmas.games import game_names, game_of, kind_of

SECTIONS: dict[str, type[Section]] = {
    "warm_start": WarmStart,
    "training": Training,
    "evaluation": Evaluation,
}
"""Sections with keys that have no default and that every game needs."""


def mistakes_between(config: Config, said: Mapping[str, Any]) -> Iterator[Mistake]:
    """Mistakes that only show where parts of a valid configuration meet, each relying on the checks before it.

    `said` is the configuration as plain data, for the words of places.
    """
    yield from _repeated_names(config)
    for seed in sorted({*config.seeds} & {*config.further_seeds}):
        sentence = f"further_seeds must not hold any of the seeds, but holds {seed}"
        yield Mistake(("further_seeds",), sentence)
    for index, model in enumerate(config.models):
        place: Place = ("models", index)
        if isinstance(model, GgufModel):
            if (model.package is None) == (model.source is None):
                key = words((*place, "package"), said)
                sentence = f"either {key} or source must be given, and not both"
                yield Mistake(place, sentence)
        elif isinstance(model, HubModel):
            if model.shape is None and not (model.folder / "config.json").is_file():
                key = words((*place, "shape"), said)
                source = f"{model.source} is no folder whose config.json says it"
                where = "copy it from the model's own config.json (config/README.md says how)"
                yield Mistake(place, f"the key {key} is missing, and {source}: {where}")
        elif model.hidden_size % (2 * model.num_attention_heads):
            key = words((*place, "hidden_size"), said)
            sizes = f"{model.hidden_size} with {model.num_attention_heads} heads"
            yield Mistake(
                place, f"{key} must be a multiple of twice num_attention_heads, but is {sizes}"
            )
    for index, player in enumerate(config.api_players):
        yield from api_player(("api_players", index), player, config, said)
    for index, game in enumerate(config.games):
        place = ("games", index)
        yield from _missing_settings(place, game, config, said)
        yield from _game(place, game, config, said)
        for algorithm in contents.algorithms(config):
            settings = training_settings(config, game.name, algorithm)
            yield from training(levels_of_game(config, game.name, algorithm), game, settings, said)
        yield from experiments.learners((*place, "exploitability"), game, config, said)
        yield from experiments.generalisation(
            (*place, "generalisation", "variations"), game, config, said
        )
    yield from experiments.variants("ablations", config, said)
    yield from experiments.variants("rivals", config, said)
    yield from experiments.prior_sweep(config)
    yield from experiments.two_learners(config, said)
    for name in config.tournament.strategies:
        if name not in (ALL, *STRATEGIES):
            sentence = f"tournament.strategies: {unknown_strategy(name)}"
            yield Mistake(("tournament", "strategies"), sentence)


def _repeated_names(config: Config) -> Iterator[Mistake]:
    for section in ("models", "games", "algorithms", "api_players"):
        names = [entry.name for entry in getattr(config, section)]
        for index, name in enumerate(names):
            if name in names[:index]:
                sentence = f"{section} has two entries with the name {name!r}"
                yield Mistake((section, index, "name"), sentence)


def _missing_settings(
    place: Place, game: Game, config: Config, said: Mapping[str, Any]
) -> Iterator[Mistake]:
    """Settings that neither a game nor the defaults hold."""
    for section, kind in SECTIONS.items():
        given = merge(getattr(config, section), getattr(game, section))
        for key, field in kind.model_fields.items():
            if field.is_required() and key not in given:
                missing = words((*place, section, key), said)
                yield Mistake((*place, section), f"the key {missing} is missing")


def _game(place: Place, game: Game, config: Config, said: Mapping[str, Any]) -> Iterator[Mistake]:
    """A game that doesn't exist, rules that it doesn't have, and names that refer to nothing."""
    kind = kind_of(game.entry)
    try:
        game_of(game.entry)
    except UserError as error:
        yield Mistake((*place, "name"), str(error))
    except (TypeError, ValueError) as error:
        yield Mistake((*place, "rules"), f"{words((*place, 'rules'), said)}: {error}")
    if game.name != kind and game.name in game_names():
        sentence = f"games: {game.name!r} is the name of another kind than {kind!r}"
        yield Mistake((*place, "name"), sentence)
    players, algorithms = scripted_player_names(kind), contents.algorithms(config)
    warm_start = warm_start_settings(config, game.name)
    if (warm_start.steps or game.clone) and not warm_start.population:
        where = (*place, "warm_start", "population")
        yield Mistake(where, f"{words(where, said)} must not be empty, but is {{}}")
    primer = warm_start.primer
    learned_before = primer.population if primer else {}
    agents = [WARM_START, *algorithms, *players]
    cloned = [game.clone.player] if game.clone else []
    pairs = transcript_pairs(config, game.name)
    evaluation = evaluation_settings(config, game.name)
    for url in evaluation.vllm.base_urls:
        inside_vllm = (*place, "evaluation", "vllm", "base_urls")
        yield from address(inside_vllm, url, "http://127.0.0.1:8000", said)
    for inside, names, what, known in (
        (("warm_start", "population"), warm_start.population, "player", players),
        (("warm_start", "primer", "population"), learned_before, "player", players),
        (("clone", "player"), cloned, "player", players),
        (("evaluation", "opponents"), evaluation.opponents, "player", players),
        (("training_by_algorithm",), game.training_by_algorithm, "algorithm", algorithms),
        (("transcripts", "pairs"), chain.from_iterable(pairs), "agent", agents),
    ):
        for name in names:
            if name not in known:
                where = (*place, *inside)
                yield unknown(where, what, name, known, words(where, said))
    rounds = game_of(game.entry).rounds
    for keys, number in (
        (("disturbances", "slip_round"), disturbance_settings(config, game.name).slip_round),
        (("warm_start", "primer", "rounds"), primer.rounds if primer else 1),
    ):
        if number > rounds:
            where = (*place, *keys)
            sentence = f"{words(where, said)} must be at most {rounds}, as no match has more rounds, but is {number}"
            yield Mistake(where, sentence)
    for name in algorithms:
        if name in (*players, *map(clone_name, players), WARM_START) or is_taken(name):
            sentence = (
                f"algorithms: {name!r} already is another agent's name, or one that tables use"
            )
            yield Mistake(("algorithms",), sentence)
