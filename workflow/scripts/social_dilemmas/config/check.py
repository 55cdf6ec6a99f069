"""The configuration: its defaults, and all checks that can be made before anything runs.

The schema says which keys there are and what they may hold; here stands what it can't say: that
names refer to something and that numbers go together.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from os.path import relpath
from pathlib import Path
from typing import Any, TypeGuard
from urllib.parse import urlsplit

import yaml

from social_dilemmas.agents.agent import WARM_START
from social_dilemmas.agents.axelrod.names import ALL, STRATEGIES, unknown_strategy
from social_dilemmas.agents.scripted.player import scripted_player_names
from social_dilemmas.config.mistakes import Mistake, Place, look_up, schema_mistakes, unknown, words
from social_dilemmas.config.settings import (
    ablated,
    ablation_settings,
    evaluation_settings,
    exploitability_settings,
    learner_settings,
    merge,
    training_settings,
    transcript_settings,
    warm_start_settings,
)
from social_dilemmas.errors import UserError
from social_dilemmas.games import game_names, game_of, kind_of
from social_dilemmas.run.estimate.shape import stated_shape

SECTIONS = (
    "warm_start",
    "training",
    "evaluation",
    "exploitability",
    "transcripts",
)  # they have defaults for all games


def with_defaults(config: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration completed by the schema's defaults, mistakes and all."""
    completed = dict(config)
    for section in SECTIONS:
        if isinstance(given := config.get(section, {}), Mapping):
            completed[section] = merge(_defaults(schema["$defs"][section]), given)
    if isinstance(given := config.get("tournament", {}), Mapping):
        completed["tournament"] = {**_defaults(schema["$defs"]["tournament"]), **given}
    if isinstance(given := config.get("machine", {}), Mapping):
        completed["machine"] = {**_defaults(schema["$defs"]["machine"]), **given}
    completed.setdefault("ablations", schema["properties"]["ablations"]["default"])
    if isinstance(players := config.get("api_players", []), list):
        defaults = _defaults(schema["$defs"]["api_player"])
        completed["api_players"] = [
            {**defaults, **player} if isinstance(player, Mapping) else player for player in players
        ]
    return completed


def fitted(config: dict[str, Any], default: Path) -> dict[str, Any]:
    """The configuration without those ablations that only the default file asks for, in games or of an algorithm
    that another file, or the command line, has left out.
    """
    said = yaml.safe_load(default.read_text(encoding="utf-8"))
    ablations, asked_for = config.get("ablations"), said.get("ablations")
    if not (_are_ablations(ablations) and _are_ablations(asked_for)):
        return config
    if ablations["games"] != asked_for["games"]:
        return config
    left_out = {
        section: _names(said.get(section)) - _names(config.get(section))
        for section in ("games", "algorithms")
    }
    games = [game for game in ablations["games"] if game not in left_out["games"]]
    if ablations.get("algorithm") in left_out["algorithms"]:
        games = []
    variants = [
        {**variant, "games": [game for game in variant["games"] if game in games]}
        if isinstance(variant, Mapping) and variant in asked_for["variants"] and "games" in variant
        else variant
        for variant in ablations["variants"]
    ]
    return {**config, "ablations": {**ablations, "games": games, "variants": variants}}


def _are_ablations(section: Any) -> TypeGuard[Mapping[str, Any]]:
    """Whether a section that isn't checked yet can be `ablations`."""
    return isinstance(section, Mapping) and all(
        isinstance(section.get(key), list) for key in ("games", "variants")
    )


def _names(entries: Any) -> set[Any]:
    """Names in a list that isn't checked yet."""
    listed = entries if isinstance(entries, list) else []
    return {entry["name"] for entry in listed if isinstance(entry, Mapping) and "name" in entry}


def check(config: Mapping[str, Any], schema: Mapping[str, Any], files: Sequence[Path]) -> None:
    """Check a configuration that has its defaults.

    Args:
        config: the configuration as merged from the files and the command line.
        schema: its JSON schema.
        files: the configuration files; a later one overrides an earlier one.

    Raises:
        UserError: one sentence that names file, key and what is allowed.
    """
    for mistake in _mistakes(config, schema):
        raise UserError(f"{_origin(mistake.place, config, files)}: {mistake.sentence}")


def _defaults(schema: Mapping[str, Any]) -> dict[str, Any]:
    properties = schema["properties"].items()
    return {key: value["default"] for key, value in properties if "default" in value}


def _origin(place: Place, config: Mapping[str, Any], files: Sequence[Path]) -> str:
    """The file that says what stands at a place, or the command line."""
    for file in reversed(files):
        said = look_up(yaml.safe_load(file.read_text(encoding="utf-8")), place)
        if isinstance(said, Mapping) or said == look_up(config, place):
            return relpath(file)
    return "--config"


def _mistakes(config: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Mistake]:
    """Mistakes in the order of the checks, each of which relies on the ones before it."""
    yield from schema_mistakes(config, schema)
    for section in ("models", "games", "algorithms", "api_players"):
        names = [entry["name"] for entry in config[section]]
        for index, name in enumerate(names):
            if name in names[:index]:
                place: Place = (section, index, "name")
                yield Mistake(place, f"{section} has two entries with the name {name!r}")
    for index, model in enumerate(config["models"]):
        yield from _model_mistakes(("models", index), model, config)
    for index, player in enumerate(config["api_players"]):
        yield from _api_player_mistakes(("api_players", index), player, config)
    for index, game in enumerate(config["games"]):
        yield from _missing_settings(("games", index), game, config, schema)
        yield from _game_mistakes(("games", index), game, config)
        where: Place = ("games", index, "training")
        for algorithm in config["algorithms"]:
            settings = training_settings(config, game["name"], algorithm["name"])
            yield from _training_mistakes(where, settings, config)
        yield from _learner_mistakes(("games", index, "exploitability"), game, config)
    yield from _ablation_mistakes(config)
    yield from _tournament_mistakes(config)


def _model_mistakes(
    place: Place, model: Mapping[str, Any], config: Mapping[str, Any]
) -> Iterator[Mistake]:
    if model["kind"] == "embedded" and model["hidden_size"] % (2 * model["heads"]):
        key = words((*place, "hidden_size"), config)
        sizes = f"{model['hidden_size']} with {model['heads']} heads"
        yield Mistake(place, f"{key} must be a multiple of twice the heads, but is {sizes}")
    if model["kind"] == "hub" and stated_shape(model) is None:
        key = words((*place, "shape"), config)
        source = f"{model['source']} is no folder whose config.json tells it"
        where = "copy it from the model's own config.json (config/README.md says how)"
        yield Mistake(place, f"the key {key} is missing, and {source}: {where}")


def _api_player_mistakes(
    place: Place, player: Mapping[str, Any], config: Mapping[str, Any]
) -> Iterator[Mistake]:
    """A name that another agent has, and addresses that are none, or that hold secrets."""
    name, url = player["name"], player["base_url"]
    agents = {WARM_START, *(algorithm["name"] for algorithm in config["algorithms"])}
    for game in config["games"]:
        if kind_of(game) in game_names():
            agents.update(scripted_player_names(kind_of(game)))
    if name in agents:
        yield Mistake((*place, "name"), f"api_players: {name!r} already is another agent's name")
    where = words((*place, "base_url"), config)
    try:
        address = urlsplit(url)
        complete = address.scheme in ("http", "https") and bool(address.hostname)
        complete = complete and address.port != 0
    except ValueError:  # a port that is no number, a bracket left open
        complete = False
    if not complete:
        must = "must be an address such as https://api.openai.com/v1"
        yield Mistake((*place, "base_url"), f"{where} {must}, but is {url!r}")
    elif "@" in address.netloc or address.query or address.fragment:
        must = "must hold no user, password or query: a key belongs into the environment"
        yield Mistake((*place, "base_url"), f"{where} {must}")
    if (player["prompt_price"] is None) != (player["completion_price"] is None):
        both = "prompt_price and completion_price must both be given, or none of them"
        yield Mistake(place, f"{words(place, config)}: {both}")


def _game_mistakes(
    place: Place, game: Mapping[str, Any], config: Mapping[str, Any]
) -> Iterator[Mistake]:
    """A game that doesn't exist, rules that it doesn't have, and names that refer to nothing."""
    try:
        game_of(game)
    except UserError as error:
        yield Mistake((*place, "name"), str(error))
    except (TypeError, ValueError) as error:
        yield Mistake((*place, "rules"), f"{words((*place, 'rules'), config)}: {error}")
    if game["name"] != kind_of(game) and game["name"] in game_names():
        sentence = f"games: {game['name']!r} is the name of another kind than {kind_of(game)!r}"
        yield Mistake((*place, "name"), sentence)
    players = scripted_player_names(kind_of(game))
    warm_start = warm_start_settings(config, game["name"])
    population = warm_start["population"]
    if warm_start["steps"] and not population:
        where = (*place, "warm_start", "population")
        yield Mistake(where, f"{words(where, config)} must not be empty, but is {{}}")
    opponents = evaluation_settings(config, game["name"])["opponents"]
    algorithms = [algorithm["name"] for algorithm in config["algorithms"]]
    for inside, names, what, known in (
        (("warm_start", "population"), population, "player", players),
        (("evaluation", "opponents"), opponents, "player", players),
        (("training_by_algorithm",), game["training_by_algorithm"], "algorithm", algorithms),
    ):
        for name in names:
            if name not in known:
                where = (*place, *inside)
                yield unknown(where, what, name, known, words(where, config))
    agents = [WARM_START, *algorithms, *players]
    for name in chain.from_iterable(transcript_settings(config, game["name"])["pairings"]):
        if name not in agents:
            where = (*place, "transcripts", "pairings")
            yield unknown(where, "agent", name, agents, words(where, config))
    for name in algorithms:
        if name in (*players, WARM_START):
            yield Mistake(("algorithms",), f"algorithms: {name!r} already is another agent's name")


def _missing_settings(
    place: Place, game: Mapping[str, Any], config: Mapping[str, Any], schema: Mapping[str, Any]
) -> Iterator[Mistake]:
    """Settings that neither a game nor the defaults hold."""
    for section in SECTIONS:
        settings = merge(config[section], game.get(section, {}))
        for key in schema["$defs"][section]["properties"]:
            if key not in settings:
                missing = words((*place, section, key), config)
                yield Mistake((*place, section), f"the key {missing} is missing")


def _training_mistakes(
    place: Place, settings: Mapping[str, Any], config: Mapping[str, Any]
) -> Iterator[Mistake]:
    """Settings of a run that don't go together."""
    where = words(place, config)
    matches, group_size = settings["matches"], settings["group_size"]
    if matches % group_size:
        yield Mistake(
            place,
            f"{where}.matches must be a multiple of group_size, but is {matches}, "
            f"and group_size is {group_size}",
        )
    if settings["processes"] > matches:
        yield Mistake(
            place,
            f"{where}.processes must be no more than matches, but is {settings['processes']}, "
            f"and matches is {matches}",
        )
    if settings["baseline"] == "batch" and group_size == matches:
        yield Mistake(
            place,
            f"{where}.baseline batch means something only where groups are smaller than the batch, "
            f"but group_size and matches both are {matches}",
        )


def _learner_mistakes(
    place: Place, game: Mapping[str, Any], config: Mapping[str, Any]
) -> Iterator[Mistake]:
    """Learners and opponents that don't exist, and settings of theirs that don't go together."""
    algorithms = [algorithm["name"] for algorithm in config["algorithms"]]
    api_players = [player["name"] for player in config["api_players"]]
    players = scripted_player_names(kind_of(game))
    opponents = [*algorithms, WARM_START, *players, *api_players]
    where = words((*place, "learners"), config)
    exploitability = exploitability_settings(config, game["name"])
    for name in exploitability["training_by_opponent"]:
        if name not in opponents:
            where_named = words((*place, "training_by_opponent"), config)
            yield unknown(
                (*place, "training_by_opponent"), "opponent", name, opponents, where_named
            )
    for algorithm, chosen in exploitability["learners"].items():
        if algorithm not in algorithms:
            yield unknown(place, "algorithm", algorithm, algorithms, where)
        for name in chosen:
            if name not in opponents:
                yield unknown(place, "opponent", name, opponents, where)
            settings = learner_settings(config, game["name"], algorithm, name)
            yield from _training_mistakes((*place, "training"), settings, config)


def _ablation_mistakes(config: Mapping[str, Any]) -> Iterator[Mistake]:
    """Ablations of what doesn't exist, and variants whose settings don't go together."""
    ablations = config["ablations"]
    algorithms = [algorithm["name"] for algorithm in config["algorithms"]]
    games = [game["name"] for game in config["games"]]
    for key, names, known in (
        ("algorithm", [ablations["algorithm"]], algorithms),
        ("games", ablations["games"], games),
    ):
        for name in names if ablations["games"] else ():
            if name not in known:
                yield unknown(("ablations", key), key.rstrip("s"), name, known, f"ablations.{key}")
    names = [variant["name"] for variant in ablations["variants"]]
    kinds = [kind_of(game) for game in config["games"] if game["name"] in ablations["games"]]
    agents = {WARM_START, *algorithms, *chain.from_iterable(map(scripted_player_names, kinds))}
    for index, name in enumerate(names):
        place: Place = ("ablations", "variants", index)
        if name in names[:index] or name in agents:
            sentence = f"ablations: {name!r} already is another variant's or agent's name"
            yield Mistake((*place, "name"), sentence)
        for game in ablations["variants"][index].get("games", ()):
            if game not in ablations["games"]:
                where = f"the variant {name!r} of the ablations"
                yield unknown((*place, "games"), "game", game, ablations["games"], where)
    for game, name in ablated(config):
        place = ("ablations", "variants", names.index(name), "training")
        yield from _training_mistakes(place, ablation_settings(config, game, name), config)


def _tournament_mistakes(config: Mapping[str, Any]) -> Iterator[Mistake]:
    """Strategies that don't exist."""
    for name in config["tournament"]["strategies"]:
        if name not in (ALL, *STRATEGIES):
            sentence = f"tournament.strategies: {unknown_strategy(name)}"
            yield Mistake(("tournament", "strategies"), sentence)
