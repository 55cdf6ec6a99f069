"""What types can't say of a configuration: that names refer to something, and that numbers go together."""

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any
from urllib.parse import urlsplit

from social_dilemmas.agents.agent import WARM_START, clone_name, is_taken
from social_dilemmas.agents.axelrod.names import ALL, STRATEGIES, unknown_strategy
from social_dilemmas.agents.scripted.player import scripted_player_names
from social_dilemmas.config import contents
from social_dilemmas.config.mistakes import Mistake, Place, unknown, words
from social_dilemmas.config.schema.config import Config
from social_dilemmas.config.schema.evaluation import Evaluation
from social_dilemmas.config.schema.experiments import Ablations
from social_dilemmas.config.schema.game import Game
from social_dilemmas.config.schema.models import GgufModel, HubModel
from social_dilemmas.config.schema.players import ApiPlayer
from social_dilemmas.config.schema.section import Section
from social_dilemmas.config.schema.training import LORA_RANKS, Training
from social_dilemmas.config.schema.warm_start import WarmStart
from social_dilemmas.config.settings import (
    disturbance_settings,
    evaluation_settings,
    exploitability_settings,
    learner_settings,
    merge,
    pair_settings,
    training_settings,
    transcript_settings,
    variant_settings,
    variation_entry,
    variations,
    warm_start_settings,
)
from social_dilemmas.errors import UserError
from social_dilemmas.games import game_names, game_of, kind_of
from social_dilemmas.games.game import Game as Rules
from social_dilemmas.games.matrix_game import MatrixGame

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
        yield from _api_player(("api_players", index), player, config, said)
    for index, game in enumerate(config.games):
        place = ("games", index)
        yield from _missing_settings(place, game, config, said)
        yield from _game(place, game, config, said)
        for algorithm in contents.algorithms(config):
            settings = training_settings(config, game.name, algorithm)
            yield from _training((*place, "training"), game, settings, said)
        yield from _learners((*place, "exploitability"), game, config, said)
        yield from _variations((*place, "generalisation", "variations"), game, config, said)
    yield from _variants("ablations", config, said)
    yield from _variants("rivals", config, said)
    yield from _prior_sweep(config)
    yield from _two_learners(config, said)
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


def _api_player(
    place: Place, player: ApiPlayer, config: Config, said: Mapping[str, Any]
) -> Iterator[Mistake]:
    """A name that another agent has, and addresses that are none or hold secrets."""
    agents = {WARM_START, *contents.algorithms(config)}
    for game in config.games:
        if kind_of(game.entry) in game_names():
            agents.update(scripted_player_names(kind_of(game.entry)))
    if player.name in agents or is_taken(player.name):
        sentence = (
            f"api_players: {player.name!r} already is another agent's name, or one that tables use"
        )
        yield Mistake((*place, "name"), sentence)
    yield from _address((*place, "base_url"), player.base_url, "https://api.openai.com/v1", said)
    if (player.prompt_price is None) != (player.completion_price is None):
        both = "prompt_price and completion_price must both be given, or none of them"
        yield Mistake(place, f"{words(place, said)}: {both}")


def _address(place: Place, given: str, example: str, said: Mapping[str, Any]) -> Iterator[Mistake]:
    """An address of a server that is none, or holds secrets."""
    where = words(place, said)
    try:
        address = urlsplit(given)
        complete = address.scheme in ("http", "https") and bool(address.hostname)
        complete = complete and address.port != 0
    except ValueError:  # a port that is no number, a bracket left open
        complete = False
    if not complete:
        yield Mistake(place, f"{where} must be an address such as {example}, but is {given!r}")
    elif "@" in address.netloc or address.query or address.fragment:
        must = "must hold no user, password or query: a key belongs into the environment"
        yield Mistake(place, f"{where} {must}")
    elif re.search(r"[\s\x00-\x1f]", given):
        yield Mistake(place, f"{where} must hold no blanks or ends of lines, but is {given!r}")
    elif address.path.rstrip("/").endswith("/chat/completions"):
        yield Mistake(place, f"{where} must end before /chat/completions, but is {given!r}")


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
    pairs = transcript_settings(config, game.name).pairs
    evaluation = evaluation_settings(config, game.name)
    for address in evaluation.vllm.base_urls:
        inside_vllm = (*place, "evaluation", "vllm", "base_urls")
        yield from _address(inside_vllm, address, "http://127.0.0.1:8000", said)
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


def _training(
    place: Place, game: Game, settings: Training, said: Mapping[str, Any]
) -> Iterator[Mistake]:
    """Opponents of a run that don't exist, and settings that don't go together."""
    where = words(place, said)
    matches, group_size = settings.matches, settings.group_size
    if matches % group_size:
        yield Mistake(
            place,
            f"{where}.matches must be a multiple of group_size, but is {matches}, and group_size is {group_size}",
        )
    if settings.world_size > matches:
        yield Mistake(
            place,
            f"{where}.world_size must be no more than matches, but is {settings.world_size}, and matches is {matches}",
        )
    if settings.sampler == "vllm" and settings.lora_rank > LORA_RANKS[-1]:
        yield Mistake(
            place,
            f"{where}.lora_rank must be no more than {LORA_RANKS[-1]} with sampler vllm, but is {settings.lora_rank}",
        )
    if settings.baseline == "batch" and group_size == matches:
        yield Mistake(
            place,
            f"{where}.baseline batch means something only where groups are smaller than the batch, "
            f"but group_size and matches both are {matches}",
        )
    if settings.baseline == "critic" and settings.tremble:
        yield Mistake(
            place,
            f"{where}.tremble must be 0 with the baseline critic, which reads the learner's first choice of every "
            f"round, but is {settings.tremble:g}",
        )
    if settings.baseline == "critic" and settings.normalise == "group_std":
        needs = "needs a baseline that is made of returns, but baseline is critic"
        yield Mistake(place, f"{where}.normalise group_std {needs}")
    if settings.pool.probability and not settings.pool.scripted:
        whose = "must name players, as the warm start has no population"
        yield Mistake(place, f"{where}.pool.scripted {whose}")
    players = scripted_player_names(kind_of(game.entry))
    for name in settings.pool.scripted:
        if name not in players:
            yield unknown(place, "player", name, players, f"{where}.pool.scripted")


def _learners(
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
            settings = learner_settings(config, game.name, algorithm, name)
            yield from _training((*place, "training"), game, settings, said)


def _variations(
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


def _variants(section: str, config: Config, said: Mapping[str, Any]) -> Iterator[Mistake]:
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
        settings = variant_settings(config, game, name, section)
        yield from _training(place, config.game(game), settings, said)


def _prior_sweep(config: Config) -> Iterator[Mistake]:
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


def _two_learners(config: Config, said: Mapping[str, Any]) -> Iterator[Mistake]:
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
        settings = pair_settings(config, game, pair)[0]
        yield from _training(place, config.game(game), settings, said)
        if settings.sampler != "trainer":
            sentence = f"two_learners.training.sampler must be trainer, but is {settings.sampler}"
            yield Mistake(place, sentence)
