"""The profiles for clusters name the rules that there are, and take settings as users write them."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from snakemake.profiles import ProfileConfigFileParser
from snakemake.resources import GroupResources, Resources
from tests.unit.test_environments import pip_pins
from tests.workflow.conftest import REPOSITORY, Workflow

PROFILE = REPOSITORY / "profiles" / "slurm" / "profile.yaml"


def options(tmp_path: Path, **settings: str) -> dict[str, Any]:
    """What Snakemake makes of the profile with these settings."""
    text = PROFILE.read_text()
    for name, value in settings.items():
        assert f"\n  {name}: null" in text
        text = text.replace(f"\n  {name}: null", f"\n  {name}: {value}")
    profile = tmp_path / "profile.yaml"
    profile.write_text(text)
    with profile.open() as stream:
        return dict(ProfileConfigFileParser().parse(stream))


@pytest.fixture(scope="module")
def rules(repository: Workflow) -> set[str]:
    """Those of the default configuration, and those that only published models need."""
    pretrained = ("--configfile", "config/pretrained.yaml")
    listed = (
        repository.run("--list-rules", "--quiet", "all", *more).stdout.split()
        for more in ((), pretrained)
    )
    return {name for names in listed for name in names}


GROUPS = """
import json, sys
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ResourceSettings
with SnakemakeApi() as api:
    call = api.workflow(ResourceSettings(cores=1, nodes=int(sys.argv[1]) or None), snakefile=Path("Snakefile"))
    call.dag()
    print(json.dumps({rule.name: rule._group for rule in call._workflow.rules}))
"""
"""Prints the groups of all rules, as Snakemake reads them with so many jobs of a cluster, or with none."""


def test_small_jobs_are_grouped_on_a_cluster_and_only_they() -> None:
    found = []
    for nodes in ("5", "0"):
        call = [sys.executable, "-c", GROUPS, nodes]
        said = subprocess.run(call, cwd=REPOSITORY, capture_output=True, text=True, check=True)
        groups = json.loads(said.stdout.splitlines()[-1])
        found.append({name for name, group in groups.items() if group == "report"})
    small = ("table_", "fig_", "print_", "show_", "list_", "describe_", "write_")
    assert found == [{name for name in groups if name.startswith(small)}, set()]


def test_what_needs_a_model_goes_where_the_gpus_are(rules: set[str], tmp_path: Path) -> None:
    chosen = options(tmp_path, gpu_partition="long", gpu_model="a100")["set-resources"]
    on_gpus = {
        name
        for name in rules
        if name.startswith(("train", "warm_start_", "play_", "clone_", "measure_", "audit_"))
    }
    expected = {
        f"{name}:{resource}"
        for name in on_gpus - {"training", "play_strategies"}
        for resource in ("slurm_partition='long'", "gpu_model='a100'")
    }
    assert set(chosen) == expected
    assert len(chosen) == len(expected)


def test_without_settings_the_cluster_chooses(tmp_path: Path) -> None:
    chosen = options(tmp_path)
    assert "set-resources" not in chosen
    assert "slurm-array-jobs" not in chosen
    assert not [each for each in chosen["default-resources"] if "slurm" in each]


def test_settings_are_taken_by_the_letter(tmp_path: Path) -> None:
    """A name may look like a number, or like a function of Python."""
    chosen = options(
        tmp_path, account="123456", partition="all", array_rules="train, train_learner"
    )
    assert {"slurm_account='123456'", "slurm_partition='all'"} <= set(chosen["default-resources"])
    assert chosen["slurm-array-jobs"] == "train, train_learner"


def test_cpus_are_those_of_the_processes_and_eight_for_small_jobs(tmp_path: Path) -> None:
    """As Snakemake adds up the jobs of a group: twenty tables, and a training of sixteen processes."""
    chosen = options(tmp_path)
    given = dict(each.split("=") for each in chosen["resources"])
    limits = {"_cores": int(chosen["cores"]), **{name: int(most) for name, most in given.items()}}
    assert chosen["set-resource-scopes"] == ["small_jobs=local"]
    table = {"_cores": 1, "_nodes": 1, "small_jobs": 1, "mem_mb": 500, "runtime": 5}
    training = {"_cores": 16, "_nodes": 1, "mem_mb": 4000, "runtime": 60}
    for job, number, cpus in ((table, 20, 8), (training, 1, 16)):
        jobs = [[SimpleNamespace(resources=job, pipe_group=None) for _ in range(number)]]
        asked = GroupResources.basic_layered(
            jobs,
            Resources.from_mapping(limits),
            run_local=False,
            additive_resources=["runtime"],
            sortby=["runtime"],
        )
        assert asked["_cores"] == cpus
        assert limits["_cores"] >= cpus


def test_one_version_of_the_plugin() -> None:
    pins = pip_pins((REPOSITORY / "requirements-slurm.txt").read_text())
    environment = yaml.safe_load((REPOSITORY / "environment.yml").read_text())
    name = "snakemake-executor-plugin-slurm"
    assert f"{name}={pins[name]}" in environment["dependencies"]
    assert not pins.keys() & pip_pins((REPOSITORY / "requirements.lock").read_text()).keys()
