"""What a run of the workflow is about to do, written down for those who watch it."""

import json
import os
import platform
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

AGENDA = "agenda.json"
"""The file, below the results of a scale."""


def write_agenda(workflow: Any, log: str, path: Path) -> None:
    """Write which jobs Snakemake is going to run, and where its log is."""
    dag = workflow.dag
    jobs = [job for job in dag.needrun_jobs() if job.is_script]
    agenda = {
        "log": log,
        "begun": time.time(),
        "host": platform.node(),
        "process": os.getpid(),
        "cores": workflow.cores,
        "gpus": workflow.global_resources["gpu"].value
        if "gpu" in workflow.global_resources
        else None,
        "done_before": sum(job.is_script for job in dag.jobs) - len(jobs),
        "jobs": [_entry(job, dag.dependencies[job]) for job in jobs],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(agenda) + "\n")
    partial.replace(path)


def _entry(job: Any, after: Iterable[Any]) -> dict[str, Any]:
    """A job: what it makes in words, what it waits for, what it is expected to take, and how one sees how far it is."""
    resources, settings = job.resources, job.params.get("settings")
    if isinstance(settings, list):  # of learners that train together
        settings = settings[0]
    settings = settings if isinstance(settings, dict) else {}
    return {
        "id": job.jobid,
        "rule": job.rule.name,
        "what": job.message,
        "after": [other.jobid for other in after],
        "seconds": resources.get("estimated_seconds", 0),
        "cores": job.threads,
        "gpus": resources.get("gpu", 0),
        "log": job.log[0],
        "metrics": job.output.get("metrics"),
        "iterations": iterations(settings),
    }


def iterations(settings: Mapping[str, Any]) -> int | None:
    """How many rows a job's metrics will have; None if its settings don't say, as it doesn't train."""
    steps: int | None = settings.get("iterations") or settings.get("steps")
    primer = settings.get("primer")
    return steps + primer["steps"] if steps and primer else steps
