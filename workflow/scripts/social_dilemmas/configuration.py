"""The configuration: its defaults, and all checks that can be made before anything runs.

The schema says which keys there are and what they may hold; here stands what it can't say: that
names refer to something and that numbers go together.
"""

from collections.abc import Iterator, Mapping, Sequence
from os.path import relpath
from pathlib import Path
from typing import Any

import yaml

from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game
from social_dilemmas.learning.settings import merge, training_settings, warm_start_settings
from social_dilemmas.mistakes import Mistake, Place, look_up, schema_mistakes, unknown, words
from social_dilemmas.players.scripted import scripted_player_names

WARM_START = "warm_start"  # what cross-play calls the agent that all training starts from


def with_defaults(config: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration completed by the schema's defaults, mistakes and all."""
    completed = dict(config)
    for section in ("warm_start", "training"):
        if isinstance(given := config.get(section, {}), Mapping):
            completed[section] = merge(_defaults(schema["$defs"][section]), given)
    return completed


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
    for section in ("models", "games", "algorithms"):
        yield from _repeated_names(section, config[section])
    for index, game in enumerate(config["games"]):
        yield from _game_mistakes(("games", index), game, config)
        yield from _settings_mistakes(("games", index), game, config, schema)


def _repeated_names(section: str, entries: Sequence[Mapping[str, Any]]) -> Iterator[Mistake]:
    names = [entry["name"] for entry in entries]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Mistake((section, index, "name"), f"{section} holds the name {name!r} twice")


def _game_mistakes(
    place: Place, game: Mapping[str, Any], config: Mapping[str, Any]
) -> Iterator[Mistake]:
    """What refers to a game, a scripted player or an algorithm that doesn't exist."""
    try:
        build_game(game["name"], game["rounds"], game["rules"])
    except UserError as error:
        yield Mistake(place, str(error))
    except (TypeError, ValueError) as error:
        yield Mistake((*place, "rules"), f"{words((*place, 'rules'), config)}: {error}")
    players = scripted_player_names(game["name"])
    for name in game["warm_start"]["population"]:
        if name not in players:
            yield unknown((*place, "warm_start", "population"), "player", name, players)
    for name in game["evaluation"]["opponents"]:
        if name not in players:
            yield unknown((*place, "evaluation", "opponents"), "player", name, players)
    algorithms = [algorithm["name"] for algorithm in config["algorithms"]]
    for name in algorithms:
        if name in (*players, WARM_START):
            yield Mistake(
                ("algorithms",), f"an algorithm may not have the name {name!r} of a player"
            )
    for name in game["training_by_algorithm"]:
        if name not in algorithms:
            yield unknown((*place, "training_by_algorithm"), "algorithm", name, algorithms)


def _settings_mistakes(
    place: Place, game: Mapping[str, Any], config: Mapping[str, Any], schema: Mapping[str, Any]
) -> Iterator[Mistake]:
    """What is wrong with settings once all their layers are put together."""
    in_words = words(place, config)
    warm_start = warm_start_settings(config, game["name"])
    for key in schema["$defs"]["warm_start"]["properties"]:
        if key not in warm_start:
            yield Mistake(place, f"the key {in_words}.warm_start.{key} is missing")
    for algorithm in config["algorithms"]:
        settings = training_settings(config, game["name"], algorithm["name"])
        for key in schema["$defs"]["training"]["properties"]:
            if key not in settings:
                yield Mistake(place, f"the key {in_words}.training.{key} is missing")
        if settings["matches"] % settings["group_size"]:
            yield Mistake(
                (*place, "training"),
                f"{in_words}.training.matches must be a multiple of group_size, "
                f"but is {settings['matches']} with a group_size of {settings['group_size']}",
            )
        opponent = settings["opponent"]
        players = scripted_player_names(game["name"])
        if len(opponent) > 1:
            yield Mistake(place, f"{in_words}.training.opponent has both a player and an adapter")
        if "player" in opponent and opponent["player"] not in players:
            yield unknown((*place, "training"), "player", opponent["player"], players)
