"""Configurations to try, and edits of them."""

from collections.abc import Callable
from functools import reduce
from operator import delitem, getitem, setitem
from pathlib import Path
from typing import Any

import yaml
from tests.workflow.conftest import REPOSITORY

from social_dilemmas.config.load import load_config
from social_dilemmas.config.schema.config import Config

Raw = dict[str, Any]
SCALES = sorted(path.stem for path in (REPOSITORY / "config").glob("*.yaml"))


def load(scale: str) -> Raw:
    """What a file holds."""
    return yaml.safe_load((REPOSITORY / "config" / f"{scale}.yaml").read_text())


def put(*place: str | int, value: Any) -> Callable[[Raw], None]:
    """An edit: a value at a place."""
    return lambda config: setitem(inside(config, *place[:-1]), place[-1], value)


def remove(*place: str | int) -> Callable[[Raw], None]:
    """An edit: nothing at a place."""
    return lambda config: delitem(inside(config, *place[:-1]), place[-1])


SHAPE = ("hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
GGUF = {
    **{"name": "tiny", "kind": "gguf", "file": "tiny.gguf", "sha256": 64 * "0", "licence": "MIT"},
    "shape": dict.fromkeys((*SHAPE, "intermediate_size", "vocab_size"), 8),
}


def inside(config: Any, *place: str | int) -> Any:
    """What stands at a place."""
    return reduce(getitem, place, config)


def api_player(*entries: Raw, **more: Any) -> Callable[[Raw], None]:
    """An edit: players behind a server; one if no entries are given."""
    listed = [{"name": "remote", "model": "m", **entry} for entry in entries or ({},)]
    return put("api_players", value=[{**entry, **more} for entry in listed])


def primer(**changes: Any) -> Callable[[Raw], None]:
    """An edit: something that the warm start of Split learns before."""
    return put(
        *("games", 1, "warm_start", "primer"),
        value={"population": {"greedy": 1}, "steps": 1, **changes},
    )


def served_at(address: str) -> Callable[[Raw], None]:
    """An edit: matches of Split on a server at this address."""
    served = {"sampler": "vllm", "vllm": {"base_urls": [address]}}
    return lambda config: config["games"][1].setdefault("evaluation", {}).update(served)


def matrix_game(payoffs: Any) -> Raw:
    """An entry for a matrix game with that table."""
    return {
        "name": "mine",
        "kind": "matrix_game",
        "rounds": 3,
        "rules": {"payoffs": payoffs},
        "warm_start": {"population": {"random": 1}, "steps": 1},
        "training": {"discount": 0.9, "reward_scale": 5, "beta": 0.5, "iterations": 1},
        "training_by_algorithm": {},
        "evaluation": {"opponents": ["random"]},
    }


def learners(chosen: Any) -> Callable[[Raw], None]:
    """An edit: who learns against whom in the prisoner's dilemma."""
    return put("games", 0, "exploitability", "learners", value=chosen)


VARIED = "games[prisoners_dilemma].generalisation.variations"


def varied(*entries: Raw) -> Callable[[Raw], None]:
    """An edit: the variations that agents of the prisoner's dilemma meet."""
    return put("games", 0, "generalisation", "variations", value=list(entries))


def variants(*entries: Raw) -> Callable[[Raw], None]:
    """An edit: the variants of the ablations."""
    return put("ablations", "variants", value=[*entries])


def rival(training: Raw) -> Callable[[Raw], None]:
    """An edit: one rival, with these settings."""
    return put("rivals", "variants", value=[{"name": "a", "training": training}])


def pairs(*entries: list[str]) -> Callable[[Raw], None]:
    """An edit: the pairs of learners."""
    return put("two_learners", "pairs", value=[*entries])


def typed(config: Raw, *files: Path) -> Config:
    """The types of a configuration; all of it is said by the files."""
    return load_config(config, files)
