"""What is generated from the types of the configuration is up to date, and the rules of games are explained."""

import re
import sys

import pytest
import yaml
from tests.workflow.conftest import REPOSITORY

from social_dilemmas.games import build_game, game_names, rule_parameters
from social_dilemmas.games.matrix_game import MatrixGame

sys.path.insert(0, str(REPOSITORY / "tools"))
import document_config

README = (REPOSITORY / "config" / "README.md").read_text(encoding="utf-8")


def test_the_tables_and_the_editors_schema_are_up_to_date() -> None:
    """`make format` writes them."""
    assert document_config.readme(README) == README
    assert document_config.SCHEMA.read_text(encoding="utf-8") == document_config.editors_schema()


def test_every_section_has_a_table_and_every_key_a_description() -> None:
    sections = document_config.sections()
    assert len(sections) > 25
    for name, section in sections.items():
        assert f"<!-- keys of {name} -->" in README
        assert all(field.description for field in section.model_fields.values()), section


def test_targets_after_options_that_take_several_values_are_set_off() -> None:
    """Snakemake would take them for further files or resources."""
    texts = [path.read_text() for path in (*REPOSITORY.glob("*.md"), *REPOSITORY.glob("*/*.md"))]
    calls = re.findall(r"snakemake [^`#\n]*--(?:configfile|resources) [^`#\n]+", "\n".join(texts))
    assert any(call.endswith("-- fig_cross_play") for call in map(str.strip, calls))
    for call in calls:
        assert re.search(r"--(configfile|resources) \S+( --.*)?$", call.strip()), call


@pytest.mark.parametrize("game", game_names())
def test_every_rule_of_a_game_is_explained_with_its_default(game: str) -> None:
    table = README.split("### `rules`")[1].split("\n## ")[0]
    built = build_game(game, 1)
    explained: dict[str, str] = {}
    current = ""
    for line in table.splitlines()[4:]:
        if line.startswith("| `") and line.count("|") == 4:  # how matrix games are told
            key, _, default = (cell.strip(" `") for cell in line.split("|")[1:4])
            explained |= {key: default} if isinstance(built, MatrixGame) else {}
        elif line.startswith("| ") and line.count("|") == 5:
            name, names, _, defaults = (cell.strip() for cell in line.split("|")[1:5])
            current = name.strip("`") or current
            if current == game:
                keys = [key.strip("`") for key in names.split(", ")]
                values = [defaults.strip("`")] if len(keys) == 1 else defaults.split(", ")
                explained |= dict(zip(keys, values, strict=True))
    expected = {
        name: list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
        for name, parameter in rule_parameters(type(built)).items()
    }
    if isinstance(built, MatrixGame) and "payoffs" in expected:
        expected |= {"payoffs": built.table}
    assert {key: yaml.safe_load(value) for key, value in explained.items()} == expected
