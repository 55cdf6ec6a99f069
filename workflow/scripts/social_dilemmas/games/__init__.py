"""The games. A module here that defines a `Game` is found by its name; no list has to be edited."""

import importlib
import inspect
import math
import pkgutil
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import Any

from social_dilemmas.errors import UserError
from social_dilemmas.games.game import Game
from social_dilemmas.games.horizon import Rounds

Entry = Mapping[str, Any]
"""A game of a configuration: `name`, `rounds`, and maybe `kind`, `rules` and `title`."""

_declared: dict[str, Entry] = {}


def game_names() -> list[str]:
    """Names of all kinds of games: the modules of this package that define one."""
    return [name for _, name, _ in pkgutil.iter_modules(__path__) if _game_class(name) is not None]


def kind_of(entry: Entry) -> str:
    """The kind of game of an entry: its `kind`, by default its name."""
    return str(entry.get("kind", entry["name"]))


def game_of(entry: Entry) -> Game:
    """The game of a config entry, under the entry's name; raises UserError if there is no such kind
    of game, or its rounds or rules make no sense.
    """
    name, kind = entry["name"], kind_of(entry)
    try:
        game = build_game(kind, entry["rounds"], entry.get("rules"))
    except UserError as error:
        raise UserError(str(error) if name == kind else f"{name}: {error}") from None
    if name != kind:
        game.name = name
        game.title = name.replace("_", " ").replace("-", " ").capitalize()
    game.title = entry.get("title") or game.title
    return game


def build_game(kind: str, rounds: Rounds, rules: Mapping[str, Any] | None = None) -> Game:
    """A game of some kind, whose rules are the default ones unless given; raises as `game_of`."""
    chosen = game_class(kind)
    rules = whole_numbers(rules or {})
    parameters = rule_parameters(chosen)
    for key in rules:
        if key not in parameters:
            known = ", ".join(parameters) or "none"
            raise UserError(f"{kind}: unknown rule {key!r}; its rules are: {known}")
    for key, parameter in parameters.items():
        if parameter.default is parameter.empty and key not in rules:
            raise UserError(f"{kind}: the rule {key!r} is missing")
        if key in rules and (wanted := _unlike(rules[key], parameter.default)):
            raise UserError(f"{kind}: the rule {key} must be {wanted}, but is {rules[key]!r}")
    return chosen(rounds, **rules)


def rule_parameters(chosen: type[Game]) -> dict[str, inspect.Parameter]:
    """The rules of a class of games: what its constructor takes beside `rounds`; and, where that is
    anything by keyword, what those of the classes that it is derived from take by keyword only.
    """
    found = dict(inspect.signature(chosen).parameters)
    del found["rounds"]
    rest = [name for name, each in found.items() if each.kind is each.VAR_KEYWORD]
    for name in rest:
        del found[name]
    for ancestor in chosen.__mro__[1:] if rest else ():
        inherited = inspect.signature(ancestor).parameters
        found |= {n: each for n, each in inherited.items() if each.kind is each.KEYWORD_ONLY}
    return found


def game_class(kind: str) -> type[Game]:
    """The class of a kind of game; raises UserError if there is no such kind."""
    exists = kind.isidentifier() and find_spec(f"{__name__}.{kind}") is not None
    found = _game_class(kind) if exists else None
    if found is None:
        raise UserError(f"unknown game {kind!r}; known games: {', '.join(game_names())}")
    return found


def declare(entries: Iterable[Entry]) -> None:
    """Make a configuration's games, and no others, known to what only gets their names."""
    _declared.clear()
    _declared.update({entry["name"]: entry for entry in entries})


def named_game(name: str) -> Game:
    """The declared game of this name, or else of this kind; raises as `game_of`."""
    return game_of(_declared.get(name, {"name": name, "rounds": 1}))


def games_like(name: str) -> list[Game]:
    """The declared games of this name or kind; if there is none, that of this kind under its default
    rules; raises as `game_of`.
    """
    entries = [entry for entry in _declared.values() if name in (entry["name"], kind_of(entry))]
    return [game_of(entry) for entry in entries] or [build_game(name, 1)]


def kind_named(name: str) -> str:
    """The kind of the declared game of this name; any other name is taken for a kind."""
    return kind_of(_declared.get(name, {"name": name}))


def wordings(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """What a tokenizer depends on, in the order of the kinds' names: each `name` (the kind) with the
    `rules` that change sentences, or have no default. Sentences that differ by numbers are the same.
    """
    found = []
    for entry in sorted(entries, key=kind_of):
        chosen = game_class(kind_of(entry))
        rules = whole_numbers(entry.get("rules", {}))
        needed = {
            key: rules[key]
            for key, parameter in rule_parameters(chosen).items()
            if parameter.default is parameter.empty and key in rules
        }
        wording = {"name": kind_of(entry), "rules": {**needed, **chosen.wording(rules)}}
        if wording not in found:
            found.append(wording)
    return found


def _game_class(kind: str) -> type[Game] | None:
    for found in vars(importlib.import_module(f"{__name__}.{kind}")).values():
        if inspect.isclass(found) and issubclass(found, Game) and vars(found).get("kind") == kind:
            return found
    return None


def _unlike(value: Any, default: Any) -> str:
    """What a rule with this default must be, in words, if the value isn't; games check all else."""
    match default:
        case str():
            return "" if isinstance(value, str) else "a text"
        case bool():
            return "" if isinstance(value, bool) else "true or false"
        case int() | float():
            number = type(value) in (int, float) and math.isfinite(value)
            return "" if number else "a finite number"
        case tuple():
            if isinstance(value, list) and not any(_unlike(part, default[0]) for part in value):
                return ""
            return f"a list, each {_unlike(None, default[0]).removeprefix('a ')}"
    return ""


def whole_numbers(rules: Any) -> Any:
    """Rules with whole numbers as integers, since YAML writes 3 or 3.0 for the same number."""
    match rules:
        case Mapping():
            return {key: whole_numbers(value) for key, value in rules.items()}
        case list() | tuple():
            return [whole_numbers(value) for value in rules]
        case float() if rules.is_integer():
            return int(rules)
    return rules
