"""The games. A module here that defines a `Game` is found by its name; no list has to be edited."""

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from typing import Any

from social_dilemmas.errors import UserError
from social_dilemmas.games.game import Game


def game_names() -> list[str]:
    """Names of all games: the modules of this package that define one."""
    return [name for _, name, _ in pkgutil.iter_modules(__path__) if _game_class(name) is not None]


def build_game(name: str, rounds: int, rules: Mapping[str, Any] | None = None) -> Game:
    """The game of a config entry.

    Raises:
        UserError: the game doesn't exist, or its rules lack something, hold something that it
            doesn't know, or make no sense.
    """
    if not name.isidentifier() or name not in game_names():
        raise UserError(f"unknown game {name!r}; known games: {', '.join(game_names())}")
    game_class = _game_class(name)
    assert game_class is not None
    rules = rules or {}
    parameters = dict(inspect.signature(game_class).parameters)
    del parameters["rounds"]
    for key in rules:
        if key not in parameters:
            known = ", ".join(parameters)
            raise UserError(f"{name}: unknown rule {key!r}; its rules are: {known}")
    for key, parameter in parameters.items():
        if parameter.default is parameter.empty and key not in rules:
            raise UserError(f"{name}: the rule {key!r} is missing")
    return game_class(rounds, **rules)


def _game_class(name: str) -> type[Game] | None:
    module = importlib.import_module(f"social_dilemmas.games.{name}")
    for value in vars(module).values():
        if (
            inspect.isclass(value)
            and issubclass(value, Game)
            and getattr(value, "name", "") == name
        ):
            return value
    return None
