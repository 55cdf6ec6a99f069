"""Calls of Snakemake that send their jobs to the cluster, and how these jobs ended."""

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.cluster.slurm import ENDS_WITH_THE_TESTS, said, wait_until
from tests.workflow.conftest import REPOSITORY, Workflow, copy_workflow

FAST = REPOSITORY / "tests" / "cluster" / "fast"
PROFILES = ("--profile", "profiles/slurm", "--profile", str(FAST))
FIELDS = ("JobID", "State", "Timelimit", "ReqMem", "ReqTRES", "Partition", "WorkDir", "SubmitLine")
SETTINGS = {
    **{"partition": "main", "gpu_partition": "gpu", "gpu_model": "pretended"},
    **{"longest": 110, "jobs": 50},
}


class ClusterRun(Workflow):
    """A copy of the workflow whose jobs go to the cluster."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        """Set the profile's settings as a user would. Jobs on the GPUs' partition ask for one, as for a large model."""
        super().__init__(folder)
        profile = folder / "profiles" / "slurm" / "profile.yaml"
        head, body = profile.read_text().split("\nexecutor:")
        for name, value in {**SETTINGS, **settings}.items():
            lines = [line for line in head.splitlines() if line.startswith(f"  {name}: ")]
            assert len(lines) == 1, f"the profile has no setting {name}"
            head = head.replace(lines[0], f"  {name}: {value}")
        profile.write_text(f"{head}\nexecutor:{body}")
        partition = "        slurm_partition: ?repr(gpu_partition)\n"
        self.edit("profiles/slurm/profile.yaml", partition, f"{partition}        gpu: 1\n")

    def start(self, *arguments: str, profiles: tuple[str, ...] = PROFILES) -> "Call":
        """Call Snakemake, without waiting for its end."""
        return Call(self.folder, *profiles, *arguments)

    def submit(self, *arguments: str, check: bool = True) -> str:
        """Call Snakemake; what it says."""
        return self.start(*arguments).wait(check)

    def jobs(self, rule: str = "") -> list[dict[str, str]]:
        """What the accounting knows of all jobs from this folder, or of those of a rule; oldest first."""
        listed = said(
            *("sacct", "--allocations", "--duplicates", "--starttime=today"),
            *("--noheader", "--parsable2", f"--format={','.join(FIELDS)}"),
        )
        rows = []
        for line in listed.splitlines():
            row = dict(zip(FIELDS, line.split("|", len(FIELDS) - 1), strict=True))
            if row["WorkDir"] == str(self.folder):
                comment = re.search(r" --comment (\S+) ", row["SubmitLine"])
                assert comment is not None
                # A group is called by the names of some of its rules.
                row["Rule"] = re.split("_wildcards_|(?<=^rule_report)_", comment[1])[0]
                rows.append(row)
        return [row for row in rows if rule in ("", row["Rule"])]

    def wait_for_job(self, state: str, rule: str = "rule_train") -> str:
        """Wait until a job of the rule has the state; its id."""
        wait_until(
            lambda: any(row["State"] == state for row in self.jobs(rule)), f"{rule} is {state}", 300
        )
        return next(row["JobID"] for row in self.jobs(rule) if row["State"] == state)


class Call:
    """A running Snakemake."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._log = folder / f"snakemake-{len(list(folder.glob('snakemake-*.log')))}.log"
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        environment.pop("PYTHONPATH", None)
        snakemake = str(FAST / "snakemake_fast.py")
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [*ENDS_WITH_THE_TESTS, sys.executable, snakemake, "--nocolor", *arguments],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        return self._log.read_text()

    def wait(self, check: bool = True) -> str:
        """Wait for the end; what it said. AssertionError if it failed, unless that is expected."""
        code = self._process.wait(600)
        assert not check or code == 0, self.said
        assert check or code != 0, self.said
        return self.said

    def kill(self) -> None:
        """Let the main process end without any farewell."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


def copy_run(finished: Workflow, folder: Path, *without: str, **settings: Any) -> ClusterRun:
    """A copy of a finished local run, without some of its results, to be completed on the cluster."""
    shutil.copytree(finished.folder, folder)
    for path in without:
        shutil.rmtree(folder / path)
    return ClusterRun(folder, **settings)


def new_run(folder: Path, **settings: Any) -> ClusterRun:
    """A copy of the workflow in which nothing has run."""
    folder.mkdir(exist_ok=True)
    return ClusterRun(copy_workflow(folder).folder, **settings)


def outcome(run: Path) -> dict[str, Any]:
    """The result of a training: its settings, the bytes of its adapter, and its metrics except times."""
    with (run / "metrics.csv").open(newline="") as file:
        rows = [
            {name: value for name, value in row.items() if not name.startswith("seconds")}
            for row in csv.DictReader(file)
        ]
    adapter = {path.name: path.read_bytes() for path in sorted((run / "adapter").iterdir())}
    return {"adapter": adapter, "metrics": rows, "settings": (run / "config.yaml").read_text()}
