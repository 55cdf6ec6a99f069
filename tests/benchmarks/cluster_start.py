"""How long a training takes on a cluster, from the start of its job until its first step is done; as root."""

import statistics
import tempfile
import time
from pathlib import Path

from tests.cluster.runs import ClusterRun, new_run
from tests.cluster.slurm import Cluster, check_machine, wait_until

SMOKE = ("--configfile", "config/smoke.yaml")
RUNS = 3


def measure(run: ClusterRun, seed: int) -> float:
    """Seconds from the moment in which SLURM starts a training until the first line of its metrics."""
    training = run.folder / f"results/smoke/training/prisoners_dilemma/embedded/naive/seed-{seed}"
    metrics = training / "metrics.csv"
    call = run.start(str((training / "adapter").relative_to(run.folder)), *SMOKE)
    run.wait_for_job("RUNNING")
    begin = time.perf_counter()
    wait_until(lambda: metrics.exists() and metrics.read_text().count("\n") > 1, "a step is done")
    seconds = time.perf_counter() - begin
    call.wait()
    return seconds


def main() -> None:
    """Measure and print."""
    check_machine()
    seconds = []
    with tempfile.TemporaryDirectory() as name:
        cluster = Cluster(Path(name, "slurm"))
        try:
            cluster.start()
            for number in range(RUNS):
                run = new_run(Path(name, f"run-{number}"))
                run.run("--cores", "2", "warm_start", *SMOKE)
                seconds.append(measure(run, seed=0))
        finally:
            cluster.stop()
    listed = ", ".join(f"{each:.1f}" for each in seconds)
    print(
        f"from a job's start to the end of its first step: {statistics.median(seconds):.1f} s ({listed})"
    )


if __name__ == "__main__":
    main()
