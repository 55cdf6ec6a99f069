"""Says in one sentence, before anything is submitted, what a SLURM cluster would refuse or never start.

SLURM itself reports a wrong partition once per job, and lets a job that can never start wait forever. All checks raise
a `UserError` that says what to change.
"""

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from social_dilemmas.errors import UserError

PROFILE = "profiles/slurm/profile.yaml"
TOP = f"at the top of {PROFILE}"
NODES = ("sinfo", "--noheader", "--exact", "--format=%P|%l|%m|%c|%G")
QUEUE = ("squeue", "--noheader", "--me", "--format=%i|%Z|%k")
GPU = re.compile(r"gpu(?::([^:(,]+))?:(\d+)")  # model, if it has a name, and number
OWN = re.compile("rule_|group_")  # comments of jobs that the executor submitted


@dataclass(frozen=True)
class Nodes:
    """Equal nodes of a partition: memory in MB, minutes that a job may take, number of GPUs by model ("": no name)."""

    partition: str
    is_default: bool
    minutes: float
    memory: int
    cpus: int
    gpus: Counter[str]


@dataclass(frozen=True)
class Request:
    """What a job asks for, memory in MB; 0 or None where it doesn't say."""

    rule: str
    partition: str | None = None
    minutes: int = 0
    memory: int = 0
    cpus: int = 1
    gpus: int = 0
    gpu_model: str | None = None


def read_nodes(listed: str) -> list[Nodes]:
    """The nodes in what `sinfo` prints with the format of `NODES`."""
    nodes = []
    for line in listed.splitlines():
        name, limit, *least, resources = map(str.strip, line.split("|"))
        gpus: Counter[str] = Counter()
        for model, number in GPU.findall(resources):
            gpus[model] += int(number)
        memory, cpus = (int(number.removesuffix("+")) for number in least)
        is_default = name.endswith("*")
        nodes.append(Nodes(name.rstrip("*"), is_default, minutes(limit), memory, cpus, gpus))
    return nodes


def minutes(limit: str) -> float:
    """A time limit as SLURM writes it, `[days-]hours:minutes:seconds`; infinite if there is none."""
    if not limit[:1].isdigit():
        return inf
    days, _, clock = limit.rpartition("-")
    seconds = 0
    for part in clock.split(":"):
        seconds = seconds * 60 + int(part)
    return int(days or 0) * 24 * 60 + seconds / 60


def request_of(rule: str, threads: int, resources: Mapping[str, Any]) -> Request:
    """What the SLURM executor asks for on behalf of a job; a resource isn't a number yet if it depends on files."""
    partition, gpu_model = resources.get("slurm_partition"), resources.get("gpu_model")
    known = {key: value for key, value in resources.items() if isinstance(value, int)}
    time, memory = known.get("runtime", 0), known.get("mem_mb", 0)
    gpus = known.get("gpu", int(gpu_model is not None))
    return Request(rule, partition, time, memory, threads, gpus, gpu_model)


def check_requests(requests: Iterable[Request], nodes: Sequence[Nodes]) -> None:
    """Refuse a job that no node of its partition could ever run."""
    for request in sorted(set(requests), key=lambda each: each.rule):
        name = request.partition
        suitable = [each for each in nodes if (each.partition == name if name else each.is_default)]
        if not suitable:
            there = ", ".join(sorted({each.partition for each in nodes}))
            raise UserError(
                f"the cluster has no {f'partition {name!r}' if name else 'default partition'}, which rule "
                f"{request.rule} asks for: set partition (or gpu_partition) {TOP} to one of: {there}"
            )
        _check_request(request, suitable)


def _check_request(request: Request, nodes: Sequence[Nodes]) -> None:
    asks, where = f"rule {request.rule} asks for", f"partition {nodes[0].partition}"
    if request.minutes > (most := max(each.minutes for each in nodes)):
        raise UserError(
            f"{asks} {request.minutes} minutes, but {where} allows {most:g}: set longest {TOP} to {most:g} or less "
            "(the next attempt continues a training that needs more), or another partition"
        )
    if request.gpus:
        model, models = request.gpu_model, {name for each in nodes for name in each.gpus}
        there = f"has only {', '.join(sorted(models))}" if models - {""} else "has too few"
        numbers = [each.gpus[model] if model else each.gpus.total() for each in nodes]
        nodes = [each for each, gpus in zip(nodes, numbers, strict=True) if gpus >= request.gpus]
        if not nodes:
            raise UserError(
                f"{asks} {request.gpus} GPU of type {model or 'any'}, but {where} "
                f"{there if models else 'has none'}: set gpu_partition and gpu_model {TOP}"
            )
    for unit, needed, most in (
        ("MB of memory", request.memory, max(each.memory for each in nodes)),
        ("CPUs", request.cpus, max(each.cpus for each in nodes)),
    ):
        if needed > most:
            raise UserError(
                f"{asks} {needed} {unit}, but no node of {where} has more than {most}: name another partition {TOP}, "
                "or a smaller model or batch in the configuration"
            )


def check_times(requests: Iterable[Request], longest: float) -> None:
    """Refuse a group of jobs whose times add up to more than `longest`; a single job never asks for more."""
    for request in requests:
        if request.minutes > longest:
            raise UserError(
                f"the jobs of group {request.rule} together take up to {request.minutes} minutes: set longest {TOP}, "
                f"which is {longest:g}, to {request.minutes} or more"
            )


def check_arrays(rules: str | None, requests: Sequence[Request], jobs: float) -> None:
    """Refuse job arrays that the executor would submit with wrong resources, or whose jobs would wait for others.

    `rules` names those submitted as arrays, separated by commas, or "all"; `jobs` may be in the queue at a time.
    """
    for name in sorted({*map(str.strip, re.split("[,;]", rules or ""))} - {""}):
        chosen = [each for each in requests if name in ("all", each.rule)]
        if (number := len(chosen)) > jobs:
            raise UserError(
                f"array_rules holds {name}, of which there are {number} jobs, more than may be in the queue: set jobs "
                f"{TOP} to {number} or more, or leave {name} out"
            )
        for rule, different in sorted(Counter(each.rule for each in set(chosen)).items()):
            if different > 1:
                raise UserError(
                    f"array_rules holds {name}, but jobs of {rule} ask for different resources, and an array has only "
                    f"those of its first job: leave {rule} out {TOP}"
                )


def check_earlier_jobs(listed: str, folder: Path) -> None:
    """Refuse to start while jobs of an earlier call from this folder, in what `squeue` lists, write the same files."""
    lines = [line.strip().split("|", maxsplit=2) for line in listed.splitlines()]
    own = [job for job, place, rule in lines if Path(place) == folder and OWN.match(rule)]
    if own:
        raise UserError(
            "jobs that an earlier call of snakemake submitted from this folder are still in the queue: wait until "
            f"they are done (squeue --me), or stop them with `scancel {' '.join(own)}`; then call snakemake again"
        )


def ask(command: Sequence[str]) -> str:
    """What a command of SLURM prints; refuses a machine where it is missing or fails."""
    name = command[0]
    if shutil.which(name) is None:
        raise UserError(
            f"there is no {name} on this machine, so jobs can't be submitted to SLURM: call snakemake on a login node "
            f"of the cluster, or without {Path(PROFILE).parent}"
        )
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        reason = [str(run.returncode), *run.stderr.strip().splitlines()][-1]
        raise UserError(
            f"SLURM doesn't answer ({name}: {reason}): check whether `{name}` works on this machine, then call "
            "snakemake again"
        )
    return run.stdout


def check_submission(workflow: Any) -> None:
    """All of these checks, with what Snakemake is about to submit and what the cluster says of itself."""
    submitted = {
        workflow.dag.get_job_group(job) or job
        for job in workflow.dag.needrun_jobs()
        if not job.is_local
    }
    requests = [request_of(job.name, job.threads, job.resources) for job in submitted]
    check_requests(requests, read_nodes(ask(NODES)))
    check_times(requests, workflow.global_resources.get("runtime").value or inf)
    check_arrays(workflow.executor_settings.array_jobs, requests, workflow.nodes)
    check_earlier_jobs(ask(QUEUE), Path(workflow.workdir_init))
