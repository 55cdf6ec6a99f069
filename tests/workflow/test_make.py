"""What make says of itself."""

import re
import subprocess

import pytest
from tests.workflow.conftest import REPOSITORY

MAKEFILE = (REPOSITORY / "Makefile").read_text()
TARGETS = re.findall(r"^([a-z]\S*):(?!=)", MAKEFILE, re.M)


@pytest.fixture(scope="module")
def groups() -> dict[str, list[str]]:
    """The targets of each group that make names when asked for nothing."""
    said = subprocess.run(["make"], cwd=REPOSITORY, text=True, capture_output=True, check=True)
    blocks = f"\n{said.stdout}".split("\n\n")
    titles = ["", *(block.splitlines()[0] for block in blocks[1:])]
    lines = [re.findall(r"^make (\S+) +\S", block, re.M) for block in blocks]
    return dict(zip(titles, lines, strict=True))


def test_help_begins_with_what_a_newcomer_needs(groups: dict[str, list[str]]) -> None:
    *titles, options = groups
    assert titles == ["", "Run", "Look", "Test", "Develop"]
    assert "SCALE" in options
    assert groups[""] == ["first", "play", "results"]
    assert all(target.startswith("test") for target in groups["Test"])


def test_help_names_every_target(groups: dict[str, list[str]]) -> None:
    named = [target for group in groups.values() for target in group]
    assert sorted(named) == sorted(TARGETS)
    assert len(named) > 20


def test_no_target_is_taken_for_a_file(groups: dict[str, list[str]]) -> None:
    phony = re.findall(r"^\.PHONY: ([a-z].*)$", MAKEFILE, re.M)
    assert sorted(" ".join(phony).split()) == sorted(TARGETS)
