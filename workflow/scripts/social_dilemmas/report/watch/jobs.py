"""How far a run is, from its agenda and from Snakemake's log."""

import json
import os
import platform
import re
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from social_dilemmas.run.agenda import AGENDA
from social_dilemmas.run.progress import duration
from social_dilemmas.run.rows import by_iteration, rows_so_far

CLOCK = re.compile(r"\[(\w{3} \w{3} [ \d]\d [\d:]{8} \d{4})\]")
STARTED = re.compile(r" *Job (\d+): ")
FINISHED = re.compile(r"Finished jobid: (\d+) ")
JOB_ID = re.compile(r" +jobid: (\d+)$")
TELLING = 0.1  # share of a job from which on one can say how long it takes


@dataclass
class State:
    """Where a job stands: `running`, `done` or `failed`; since when it ran, and until when."""

    name: str
    begun: float
    ended: float = 0.0


def progress(results: Path) -> dict[str, Any] | None:
    """What the page shows of the last run's jobs; None where there was no run."""
    try:
        agenda = json.loads((results / AGENDA).read_text(encoding="utf-8"))
        log = Path(agenda["log"]).read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    states = states_in(log)
    jobs: dict[str, list[dict[str, Any]]] = {"done": [], "running": [], "failed": [], "to_come": []}
    for job in agenda["jobs"]:
        state = states.get(job["id"])
        jobs[state.name if state else "to_come"].append({**job, "state": state})
    run = _run(agenda, log)
    if run != "at work":
        jobs["to_come"] += jobs["running"]
        jobs["running"] = []
    now = time.time()
    for job in jobs["running"]:
        job["share"], job["words"] = _how_far(job, now)
    for job in jobs["failed"]:
        job["words"] = f"see {job['log']}"
    jobs["done"].sort(key=lambda job: -job["state"].ended)
    seconds = _seconds_left(jobs, now, agenda)
    return {
        "run": run,
        "begun": agenda["begun"],
        "done_before": agenda["done_before"],
        "left": duration(seconds) if run == "at work" else "",
        **{
            name: [{key: job.get(key) for key in ("what", "share", "words")} for job in found]
            for name, found in jobs.items()
        },
    }


def states_in(log: str) -> dict[int, State]:
    """The last state of every job that a log of Snakemake tells of."""
    states: dict[int, State] = {}
    clock, error = 0.0, False
    for line in log.splitlines():
        if found := CLOCK.fullmatch(line):
            clock, error = time.mktime(time.strptime(found[1])), False
        elif found := STARTED.match(line):
            states[int(found[1])] = State("running", clock)
        elif line.startswith("Error in "):
            error = True
        elif found := FINISHED.match(line) or (error and JOB_ID.fullmatch(line)) or None:
            begun = states[number].begun if (number := int(found[1])) in states else clock
            states[number] = State("failed" if error else "done", begun, clock)
    return states


def _run(agenda: Mapping[str, Any], log: str) -> str:
    """Whether the run is `at work`, `finished`, or `stopped` before all was done."""
    if "\nComplete log(s):" in log:
        return "stopped" if "\nWorkflowError:" in log or "\nError in " in log else "finished"
    if agenda["host"] != platform.node():
        return "at work"  # as far as one can tell from here
    try:
        os.kill(agenda["process"], 0)
    except ProcessLookupError:
        return "stopped"
    except PermissionError:
        pass  # somebody else's
    return "at work"


def _pace(jobs: Mapping[str, list[dict[str, Any]]], now: float) -> dict[str, float]:
    """By rule, seconds that its jobs took for each second of their estimate; for other rules that of all, at ''."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for job in (*jobs["done"], *jobs["running"]):
        share = 1.0 if job["state"].ended else job["share"] or 0.0
        if share >= TELLING:
            for name in ("", job["rule"]):
                sums[name][0] += (job["state"].ended or now) - job["state"].begun
                sums[name][1] += share * job["seconds"]
    return {name: took / said for name, (took, said) in sums.items() if said}


def _how_far(job: Mapping[str, Any], now: float) -> tuple[float | None, str]:
    """The share of a running job that is done, if one can see it, and words on it."""
    since = duration(now - job["state"].begun)
    if not (job["metrics"] and job["iterations"]):
        return None, f"for {since}"
    done = len(by_iteration(rows_so_far(Path(job["metrics"]))))
    return done / job["iterations"], f"{done} of {job['iterations']} iterations, for {since}"


def _seconds_left(
    jobs: Mapping[str, list[dict[str, Any]]], now: float, agenda: Mapping[str, Any]
) -> float:
    """Seconds until all is done, if all cores and GPUs are kept busy wherever jobs don't wait for one another."""
    pace = _pace(jobs, now)
    waiting = [*jobs["running"], *jobs["to_come"]]
    left: dict[int, float] = {}
    for job in waiting:
        seconds = job["seconds"] * pace.get(job["rule"], pace.get("", 1.0))
        if job.get("share") is not None:
            seconds *= max(0.0, 1 - job["share"])
        elif job["state"]:
            seconds = max(0.0, seconds - (now - job["state"].begun))
        left[job["id"]] = seconds
    after = {job["id"]: job["after"] for job in waiting}

    @cache
    def until(job: int) -> float:
        return left.get(job, 0.0) + max(map(until, after.get(job, ())), default=0.0)

    bounds = [max(map(until, left), default=0.0)]
    for kind in ("cores", "gpus"):
        if agenda[kind]:
            bounds.append(sum(left[job["id"]] * job[kind] for job in waiting) / agenda[kind])
    return max(bounds)
