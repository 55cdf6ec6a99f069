"""What is refused before anything is submitted, job arrays, and a cluster without accounting."""

from pathlib import Path
from typing import Any

import pytest
from tests.cluster.runs import FAST, copy_run, new_run
from tests.workflow.conftest import Workflow

SMOKE = ("--configfile", "config/smoke.yaml")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"partition": "mian"},
            "the cluster has no partition 'mian', which rule build_base_model asks for: set partition "
            "(or gpu_partition) at the top of profiles/slurm/profile.yaml to one of: gpu, main",
        ),
        (
            {"longest": 20},
            " together take up to 99 minutes: set longest at the top of profiles/slurm/profile.yaml, which is 20,",
        ),
        ({"gpu_model": "h100"}, "GPU of type h100, but partition gpu has only pretended: set"),
    ],
)
def test_what_the_cluster_does_not_have(
    settings: dict[str, Any], sentence: str, folder: Path
) -> None:
    run = new_run(folder, **settings)
    output = run.submit(*SMOKE, check=False)
    assert sentence in output
    assert "Traceback" not in output
    assert run.jobs() == []
    assert "Directory cannot be locked" not in run.submit(*SMOKE, check=False)


def test_job_array(local_training: Workflow, folder: Path) -> None:
    run = copy_run(local_training, folder, "results/smoke/training", array_rules='"train"')
    run.edit("config/config.yaml", "seeds:\n- 0\n", "seeds:\n- 0\n- 1\n")
    run.edit("config/config.yaml", "iterations: 40", "iterations: 1")
    run.submit("training")
    ids = [row["JobID"] for row in run.jobs("rule_train")]
    assert len(ids) == 2
    assert {number.split("_")[1] for number in ids} == {"1", "2"}
    assert len({number.split("_")[0] for number in ids}) == 1


def test_without_accounting(local_training: Workflow, folder: Path) -> None:
    run = copy_run(local_training, folder, "results/smoke/training")
    run.edit("config/config.yaml", "iterations: 40", "iterations: 1")
    profiles = (
        *("--profile", "profiles/slurm", "--profile", "profiles/slurm-without-accounting"),
        *("--profile", str(FAST)),
    )
    said = run.start("training", profiles=profiles).wait()
    assert [row["State"] for row in run.jobs("rule_train")] == ["COMPLETED"]
    assert "efficiency" not in said.lower()
