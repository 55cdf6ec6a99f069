"""The definitions of a container image are those that Snakemake gives for today's environments."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.workflow.conftest import REPOSITORY

DEFINITIONS = ("Dockerfile", "apptainer.def")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("definitions")
    subprocess.run(
        ["sh", REPOSITORY / "tools" / "container_definition.sh", folder],
        env={**os.environ, "SNAKEMAKE": str(Path(sys.executable).parent / "snakemake")},
        check=True,
    )
    return folder


@pytest.mark.parametrize("name", DEFINITIONS)
def test_definitions_are_in_step(written: Path, name: str) -> None:
    shipped = (REPOSITORY / "envs" / name).read_text()
    assert (written / name).read_text() == shipped, "call: make container-definition"


@pytest.mark.parametrize("name", DEFINITIONS)
def test_every_environment_of_the_default_configuration_is_in_them(name: str) -> None:
    """The others are those that rules take where a model lies in a package or vLLM samples."""
    rules = "".join(path.read_text() for path in (REPOSITORY / "workflow/rules").glob("*.smk"))
    environments = set(re.findall(r'"\.\./\.\./(envs/\w+\.yaml)"', rules))
    environments -= {"envs/pretrained.yaml", "envs/vllm.yaml"}
    assert len(environments) == 3
    definition = (REPOSITORY / "envs" / name).read_text()
    copied = re.findall(r"^(?:COPY| {4}) ?(envs/\S+) /conda-envs/", definition, re.M)
    assert set(copied) == environments
