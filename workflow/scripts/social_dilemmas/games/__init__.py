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
        UserError: the game doesn't exist, or its rules hold something that it doesn't know.
    """
    if not name.isidentifier() or name not in game_names():
        raise UserError(f"unknown game {name!r}; known games: {', '.join(game_names())}")
    game_class = _game_class(name)
    assert game_class is not None
    allowed = [key for key in inspect.signature(game_class).parameters if key != "rounds"]
    for key in rules or {}:
        if key not in allowed:
            raise UserError(f"{name}: unknown rule {key!r}; its rules are: {', '.join(allowed)}")
    return game_class(rounds, **(rules or {}))


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
