"""Time limits, failing nodes and a killed main process: a training loses its running iteration at most."""

import re
import signal
from pathlib import Path

import pytest
from tests.cluster.runs import ClusterRun, copy_run, outcome
from tests.cluster.slurm import Cluster, job_processes, kill, said, wait_until
from tests.workflow.conftest import Workflow

TRAININGS = "results/smoke/training"
RUN = Path(TRAININGS, "prisoners_dilemma/embedded/naive/seed-0")
LOG = Path("results/smoke/logs/training/prisoners_dilemma/embedded/naive/seed-0.log")
SCRIPT = "train.py"


def freeze_training(run: ClusterRun) -> tuple[str, int]:
    """Stop a training's process after some iterations; its job, and the iteration of its newest checkpoint."""

    def complete() -> list[int]:
        found = (run.folder / RUN / "checkpoints").glob("iteration-??????")
        return [int(path.name[-6:]) for path in found]

    wait_until(lambda: len(complete()) > 1, "there are checkpoints", 300)
    job = run.wait_for_job("RUNNING")
    for process in job_processes(job, SCRIPT):
        kill(process, signal.SIGSTOP)
    return job, max(complete())


def megabytes(row: dict[str, str]) -> float:
    """The memory that a job asked for."""
    amount, unit = float(row["ReqMem"][:-1]), row["ReqMem"][-1]
    return amount * 1024 if unit == "G" else amount


def assert_resumed_and_equal(run: ClusterRun, reference: Workflow, iteration: int) -> None:
    """The run went on after this iteration, and ended in the bytes of the undisturbed one."""
    resumed = re.search(r"resuming after iteration (\d+)\n", (run.folder / LOG).read_text())
    assert resumed is not None
    assert 0 < iteration <= int(resumed[1])
    assert outcome(run.folder / RUN) == outcome(reference.folder / RUN)


@pytest.fixture
def run(local_training: Workflow, folder: Path) -> ClusterRun:
    """Everything but the training is there."""
    return copy_run(local_training, folder, TRAININGS)


def test_time_limit(local_training: Workflow, folder: Path) -> None:
    run = copy_run(local_training, folder, TRAININGS, longest=1)
    call = run.start("training")
    job, iteration = freeze_training(run)
    call.wait()
    rows = run.jobs("rule_train")
    assert {row["Timelimit"] for row in rows} == {"00:01:00"}
    assert [row["State"] for row in rows if row["JobID"] == job] == ["TIMEOUT"]
    assert rows[-1]["State"] == "COMPLETED"
    assert megabytes(rows[-1]) > megabytes(rows[0])
    assert_resumed_and_equal(run, local_training, iteration)


def test_failing_node(cluster: Cluster, run: ClusterRun, local_training: Workflow) -> None:
    call = run.start("training")
    job, iteration = freeze_training(run)
    cluster.break_node()
    wait_until(
        lambda: "down" in said("sinfo", "-h", "-o", "%t"), "SLURM sees that the node is gone"
    )
    cluster.start_node()
    call.wait()
    first, second = run.jobs("rule_train")
    assert first["JobID"] == second["JobID"] == job  # SLURM itself has put it back into the queue
    assert (first["State"], second["State"]) == ("NODE_FAIL", "COMPLETED")
    assert_resumed_and_equal(run, local_training, iteration)


def test_killed_main_process(run: ClusterRun, local_training: Workflow) -> None:
    call = run.start("training")
    job, iteration = freeze_training(run)
    call.kill()
    assert "--unlock" in run.submit("training", check=False)
    run.submit("--unlock", "training")
    refused = run.submit("training", check=False)
    assert f"`scancel {job}`" in refused
    said("scancel", job)
    wait_until(lambda: not said("squeue", "-h"), "the job is cancelled")
    run.submit("training")
    assert [row["State"].split()[0] for row in run.jobs("rule_train")] == ["CANCELLED", "COMPLETED"]
    assert_resumed_and_equal(run, local_training, iteration)


def test_jobs_that_end_without_the_main_process_are_not_repeated(
    run: ClusterRun, local_training: Workflow
) -> None:
    call = run.start("training")
    run.wait_for_job("RUNNING")
    call.kill()
    run.wait_for_job("COMPLETED")
    run.submit("--unlock", "training")
    assert "Nothing to be done" in run.submit("training")
    assert len(run.jobs("rule_train")) == 1
    assert outcome(run.folder / RUN) == outcome(local_training.folder / RUN)
