"""config/README.md explains every key, and the schema describes every key."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tests.workflow.conftest import REPOSITORY

from social_dilemmas.games import build_game, game_names

SCHEMA = yaml.safe_load((REPOSITORY / "workflow/schemas/config.schema.yaml").read_text())
README = (REPOSITORY / "config" / "README.md").read_text()


def described_keys(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """All keys that a schema describes; a key without description only repeats another one."""
    if isinstance(schema, dict):
        for key, value in schema.get("properties", {}).items():
            if isinstance(value, dict) and "description" in value:
                yield key, value
        for value in schema.values():
            yield from described_keys(value)


def rows() -> Iterator[list[str]]:
    """Cells of the README's tables of keys, without the heads."""
    for table in re.findall(r"^\| key .*\n\|[-|]+\n((?:\|.*\n)+)", README + "\n", re.M):
        for line in table.splitlines():
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_every_key_is_explained_and_no_other() -> None:
    explained = {row[0].strip("`") for row in rows()}
    assert explained == {key for key, _ in described_keys(SCHEMA)}


def test_defaults_are_the_schema_s() -> None:
    for name in (
        "warm_start",
        "training",
        "evaluation",
        "transcripts",
        "api_players",
        "tournament",
    ):
        schema = SCHEMA["$defs"].get(name) or SCHEMA["$defs"][name.removesuffix("s")]
        properties = schema["properties"]
        text = README.split(f"\n## `{name}`\n")[1].split("\n## ")[0]
        text = re.split(r"\n`\w+`:\n", text)[0]  # tables of keys within a key follow
        for key, default in re.findall(r"^\| `(\w+)` \|.*\| ([^|]*) ?\|$", text, re.M):
            expected = (
                properties[key].get("default", None)
                if key not in ("buffer", "critic", "vllm")
                else None
            )
            assert yaml.safe_load(default.strip("` ")) == expected, key


@pytest.mark.parametrize("game", game_names())
def test_every_rule_of_a_game_is_explained_with_its_default(game: str) -> None:
    table = README.split("### `rules`")[1].split("\n## ")[0]
    explained: dict[str, str] = {}
    current = ""
    for line in table.splitlines()[4:]:
        if line.startswith("|"):
            name, names, _, defaults = (cell.strip() for cell in line.split("|")[1:5])
            current = name.strip("`") or current
            if current == game:
                keys = [key.strip("`") for key in names.split(", ")]
                values = [defaults.strip("`")] if len(keys) == 1 else defaults.split(", ")
                explained |= dict(zip(keys, values, strict=True))
    parameters = inspect.signature(type(build_game(game, 1))).parameters
    expected = {
        name: list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
        for name, parameter in parameters.items()
        if name != "rounds"
    }
    assert {key: yaml.safe_load(value) for key, value in explained.items()} == expected


@pytest.mark.parametrize("name", sorted(SCHEMA["$defs"]))
def test_nothing_unknown_passes(name: str) -> None:
    """Every mapping of the schema refuses keys that it doesn't list."""

    def mappings(schema: Any) -> Iterator[dict[str, Any]]:
        if isinstance(schema, dict):
            if schema.get("type") == "object":
                yield schema
            for value in schema.values():
                yield from mappings(value)

    for schema in mappings(SCHEMA["$defs"][name]):
        is_rules = "description" in schema and schema["description"].startswith("Payoffs")
        if not is_rules and name != "model":  # a model is one of two kinds, which refuse them
            assert "additionalProperties" in schema
