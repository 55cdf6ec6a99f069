"""The configuration: its defaults, and all checks that can be made before anything runs.

The schema says which keys there are and what they may hold; here stands what it can't say: that
names refer to something and that numbers go together.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from os.path import relpath
from pathlib import Path
from typing import Any

import yaml

from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game
from social_dilemmas.learning.settings import (
    evaluation_settings,
    merge,
    training_settings,
    warm_start_settings,
)
from social_dilemmas.mistakes import Mistake, Place, look_up, schema_mistakes, unknown, words
from social_dilemmas.players.scripted import scripted_player_names

SECTIONS = ("warm_start", "training", "evaluation")  # they have defaults for all games
WARM_START = "warm_start"  # what cross-play calls the agent that all training starts from


def with_defaults(config: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration completed by the schema's defaults, mistakes and all."""
    completed = dict(config)
    for section in SECTIONS:
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
        names = [entry["name"] for entry in config[section]]
        for index, name in enumerate(names):
            if name in names[:index]:
                place: Place = (section, index, "name")
                yield Mistake(place, f"{section} has two entries with the name {name!r}")
    for index, model in enumerate(config["models"]):
        yield from _model_mistakes(("models", index), model, config)
    for index, game in enumerate(config["games"]):
        yield from _missing_settings(("games", index), game, config, schema)
        yield from _game_mistakes(("games", index), game, config)
        for algorithm in config["algorithms"]:
            settings = training_settings(config, game["name"], algorithm["name"])
            yield from _training_mistakes(("games", index, "training"), game, settings, config)


def _model_mistakes(
    place: Place, model: Mapping[str, Any], config: Mapping[str, Any]
) -> Iterator[Mistake]:
    if model["kind"] == "embedded" and model["hidden_size"] % (2 * model["heads"]):
        key = words((*place, "hidden_size"), config)
        sizes = f"{model['hidden_size']} with {model['heads']} heads"
        yield Mistake(place, f"{key} must be a multiple of twice the heads, but is {sizes}")


def _game_mistakes(
    place: Place, game: Mapping[str, Any], config: Mapping[str, Any]
) -> Iterator[Mistake]:
    """A game that doesn't exist, rules that it doesn't have, and names that refer to nothing."""
    try:
        build_game(game["name"], game["rounds"], game["rules"])
    except UserError as error:
        yield Mistake((*place, "name"), str(error))
    except (TypeError, ValueError) as error:
        yield Mistake((*place, "rules"), f"{words((*place, 'rules'), config)}: {error}")
    players = scripted_player_names(game["name"])
    population = warm_start_settings(config, game["name"])["population"]
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
    for name in algorithms:
        if name in (*players, WARM_START):
            yield Mistake(("algorithms",), f"algorithms: {name!r} already is another agent's name")


def _missing_settings(
    place: Place, game: Mapping[str, Any], config: Mapping[str, Any], schema: Mapping[str, Any]
) -> Iterator[Mistake]:
    """Settings that neither a game nor the defaults hold."""
    for section in SECTIONS:
        settings = merge(config[section], game[section])
        for key in schema["$defs"][section]["properties"]:
            if key not in settings:
                missing = words((*place, section, key), config)
                yield Mistake((*place, section), f"the key {missing} is missing")


def _training_mistakes(
    place: Place, game: Mapping[str, Any], settings: Mapping[str, Any], config: Mapping[str, Any]
) -> Iterator[Mistake]:
    """Settings of a run that don't go together, or that refer to nothing."""
    where = words(place, config)
    matches, group_size, opponent = (settings[key] for key in ("matches", "group_size", "opponent"))
    if matches % group_size:
        yield Mistake(
            place,
            f"{where}.matches must be a multiple of group_size, but is {matches}, "
            f"and group_size is {group_size}",
        )
    if len(opponent) > 1:
        yield Mistake(place, f"{where}.opponent must have a player or an adapter, but has both")
    players = scripted_player_names(game["name"])
    if "player" in opponent and opponent["player"] not in players:
        yield unknown(place, "player", opponent["player"], players, f"{where}.opponent")
    if "adapter" in opponent and not _will_exist(opponent["adapter"], game["name"], config):
        yield Mistake(
            place,
            f"{where}.opponent.adapter must be a folder that exists or that this configuration "
            f"makes for this game, but is {opponent['adapter']!r}",
        )


def _will_exist(adapter: str, game: str, config: Mapping[str, Any]) -> bool:
    """Whether there is such an adapter, or will be once the game's agents are trained."""
    names = [[entry["name"] for entry in config[section]] for section in ("models", "algorithms")]
    runs = {
        f"results/{config['scale']}/training/{game}/{model}/{algorithm}/seed-{seed}/adapter"
        for model, algorithm, seed in product(*names, config["seeds"])
    }
    return adapter in runs or Path(adapter).is_dir()
