"""Random changes of configurations: each is refused in one sentence that says where, or is right."""

import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from tests.workflow.edits import Raw, inside, load, typed

from social_dilemmas.config import outputs
from social_dilemmas.config.settings import merge
from social_dilemmas.errors import UserError
from social_dilemmas.run.resources import Estimates

VALUES: list[Any] = [
    *(None, "", "x", "é\n", "3", "naive", True, False, 0, -1, 1, 7, 2.5, 1e300, 10**30),
    *(float("inf"), float("nan"), [], {}, [[]], [None], {"a": 1}, {1: 2}, {"name": "x"}),
]


def places(value: Any, *at: str | int) -> Iterator[tuple[str | int, ...]]:
    """Where something stands in a configuration."""
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in keys:
        yield (*at, key)
        yield from places(value[key], *at, key)


def mutate(config: Raw, random: Random) -> str:
    """Change something somewhere; the words of which a refusal must hold one."""
    *parents, key = place = random.choice([*places(config)])
    around, before = inside(config, *parents), inside(config, *place)
    entries = [inside(config, *place[:depth]) for depth in range(1, len(place) + 1)]
    names = [entry.get("name") for entry in entries if isinstance(entry, dict)]
    match random.choice(("value", "copy", "removed", "renamed", "twice")):
        case "removed":
            del around[key]
        case "renamed" if isinstance(around, dict):
            around[random.choice([f"{key}s", f"{key}"[1:], 1, None])] = around.pop(key)
        case "twice" if isinstance(around, list):
            around.append(deepcopy(before))
        case "copy":
            around[key] = deepcopy(inside(config, *random.choice([*places(config)])))
        case _:
            around[key] = random.choice(VALUES)
    # That it is about games, say, is no place; which of them is.
    keys = [f"[{key}]" if isinstance(key, int) else key for key in place[1:] or place]
    said = (*keys, *names, before)
    return "|".join(re.escape(word) for word in said if isinstance(word, str) and word)


@pytest.mark.parametrize("scale", ["config", "smoke", "pretrained", "workstation"])
def test_random_changes_are_refused_in_one_sentence_that_says_where_or_are_right(
    scale: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "my.yaml"
    refused = []
    for seed in range(50):
        config = merge(load("config"), load(scale))
        about = mutate(config, Random(seed))
        file.write_text(yaml.safe_dump(config))
        try:
            found = typed(config, file)
            assert outputs.files(found)
            Estimates(found)
        except UserError as error:
            refused.append((f"my.yaml: .*({about}).*", str(error)))
    assert 25 < len(refused) < 50
    for expected, said in refused:
        assert re.fullmatch(expected, said)
