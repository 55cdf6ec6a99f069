"""Settings as a stage sees them: general defaults, then the game's own, then the algorithm's."""

from collections.abc import Mapping, Sequence
from typing import Any

Entry = Mapping[str, Any]


def named(entries: Sequence[Entry], name: str) -> Entry:
    """The entry of that name in one of the configuration's lists.

    Raises:
        KeyError: there is none.
    """
    for entry in entries:
        if entry["name"] == name:
            return entry
    raise KeyError(name)


def warm_start_settings(config: Entry, game_name: str) -> dict[str, Any]:
    """Settings of a game's warm start."""
    return merge(config["warm_start"], named(config["games"], game_name)["warm_start"])


def training_settings(config: Entry, game_name: str, algorithm_name: str) -> dict[str, Any]:
    """Settings of an algorithm's training in a game, with the algorithm's own keys (`credit`).

    `beta` is 0 where the credit has no use for it, so that a change of it is no change there.
    """
    game = named(config["games"], game_name)
    algorithm = dict(named(config["algorithms"], algorithm_name))
    del algorithm["name"]
    by_algorithm = game["training_by_algorithm"].get(algorithm_name, {})
    settings = merge(config["training"], game["training"], by_algorithm, algorithm)
    if algorithm["credit"] in ("naive", "sum_of_rewards"):
        settings["beta"] = 0.0
    return settings


def evaluation_settings(config: Entry, game_name: str) -> dict[str, Any]:
    """Settings of a game's cross-play."""
    return merge(config["evaluation"], named(config["games"], game_name)["evaluation"])


def merge(*layers: Entry) -> dict[str, Any]:
    """One mapping out of several: later ones win, key by key, also in mappings within."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            if isinstance(value, Mapping):
                merged[key] = merge(merged.get(key, {}), value)
            else:
                merged[key] = value
    return merged
