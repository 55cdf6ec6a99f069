"""Says in one sentence, before anything is submitted, what a SLURM cluster would refuse or never start.

SLURM itself reports a wrong partition once per job, and lets a job that can never start wait forever.
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
NODES = ("sinfo", "--noheader", "--exact", "--format=%P|%l|%m|%c|%G")
QUEUE = ("squeue", "--noheader", "--me", "--format=%i|%Z|%k")
GPU = re.compile(r"gpu(?::([^:(,]+))?:(\d+)")  # model, if it has a name, and number


@dataclass(frozen=True)
class Nodes:
    """Equal nodes of a partition."""

    partition: str
    is_default: bool
    minutes: float  # that a job may take
    memory: int  # MB
    cpus: int
    gpus: Counter[str]  # number on a node by model; "" if the model has no name


@dataclass(frozen=True)
class Request:
    """What a job asks for; 0 or None where it doesn't say."""

    rule: str
    partition: str | None = None
    minutes: int = 0
    memory: int = 0  # MB
    cpus: int = 1
    gpus: int = 0
    gpu_model: str | None = None


def read_nodes(listed: str) -> list[Nodes]:
    """The nodes in what `sinfo` prints with the format of `NODES`."""
    nodes = []
    for line in listed.splitlines():
        name, limit, memory, cpus, resources = map(str.strip, line.split("|"))
        gpus: Counter[str] = Counter()
        for model, number in GPU.findall(resources):
            gpus[model] += int(number)
        least = [int(number.removesuffix("+")) for number in (memory, cpus)]
        nodes.append(Nodes(name.rstrip("*"), name.endswith("*"), minutes(limit), *least, gpus))
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
    """What the SLURM executor would ask for on behalf of a job with these resources."""
    known = {key: value for key, value in resources.items() if isinstance(value, int)}
    gpu_model = resources.get("gpu_model")
    return Request(
        rule,
        partition=resources.get("slurm_partition"),
        minutes=known.get("runtime", 0),  # not yet known if it depends on files
        memory=known.get("mem_mb", 0),
        cpus=threads,
        gpus=known.get("gpu", int(gpu_model is not None)),
        gpu_model=gpu_model,
    )


def check_requests(requests: Iterable[Request], nodes: Sequence[Nodes]) -> None:
    """Refuse a job that no node of its partition could ever run.

    Raises:
        UserError: names the rule, what it asks for, and what there is.
    """
    for request in sorted(set(requests), key=lambda each: each.rule):
        partition = request.partition
        suitable = [
            n for n in nodes if n.partition == partition or (not partition and n.is_default)
        ]
        if not suitable:
            missing = f"partition {partition!r}" if partition else "default partition"
            there = ", ".join(sorted({each.partition for each in nodes}))
            raise UserError(
                f"the cluster has no {missing}, which rule {request.rule} asks for: set partition (or "
                f"gpu_partition) at the top of {PROFILE} to one of: {there}"
            )
        _check_request(request, suitable)


def _check_request(request: Request, nodes: Sequence[Nodes]) -> None:
    asks, where = f"rule {request.rule} asks for", f"partition {nodes[0].partition}"
    allowed = max(each.minutes for each in nodes)
    if request.minutes > allowed:
        raise UserError(
            f"{asks} {request.minutes} minutes, but {where} allows {allowed:g}: set longest at the top of "
            f"{PROFILE} to {allowed:g} or less (the next attempt continues a training that needs more), or "
            "another partition"
        )
    if request.gpus:
        model, models = request.gpu_model, {name for each in nodes for name in each.gpus}
        there = f"has only {', '.join(sorted(models))}" if models - {""} else "has too few"
        nodes = [
            each
            for each in nodes
            if (each.gpus[model] if model else each.gpus.total()) >= request.gpus
        ]
        if not nodes:
            raise UserError(
                f"{asks} {request.gpus} GPU of type {model or 'any'}, but {where} "
                f"{there if models else 'has none'}: set gpu_partition and gpu_model at the top of {PROFILE}"
            )
    for unit, needed, most in (
        ("MB of memory", request.memory, max(each.memory for each in nodes)),
        ("CPUs", request.cpus, max(each.cpus for each in nodes)),
    ):
        if needed > most:
            raise UserError(
                f"{asks} {needed} {unit}, but no node of {where} has more than {most}: name another partition "
                f"at the top of {PROFILE}, or a smaller model or batch in the configuration"
            )


def check_times(requests: Iterable[Request], longest: float) -> None:
    """Refuse a group of jobs whose times add up to more than a job may ask for; Snakemake only says so at its turn.

    Raises:
        UserError: names the group. A single job never asks for more than `longest` minutes.
    """
    for request in requests:
        if request.minutes > longest:
            raise UserError(
                f"the jobs of group {request.rule} together take up to {request.minutes} minutes: set longest "
                f"at the top of {PROFILE}, which is {longest:g}, to {request.minutes} or more"
            )


def check_arrays(rules: str | None, requests: Sequence[Request], jobs: float) -> None:
    """Refuse job arrays that the executor would submit with wrong resources, or not at all.

    Args:
        rules: names of the rules whose jobs are submitted as arrays, separated by commas, or "all".
        requests: what the jobs of the workflow ask for.
        jobs: how many jobs may be in the queue at a time.

    Raises:
        UserError: jobs of one of these rules differ, or some would have to wait for others.
    """
    for name in sorted({*map(str.strip, re.split("[,;]", rules or ""))} - {""}):
        chosen = [each for each in requests if name in ("all", each.rule)]
        if len(chosen) > jobs:
            raise UserError(
                f"array_rules holds {name}, of which there are {len(chosen)} jobs, more than may be in the "
                f"queue: set jobs at the top of {PROFILE} to {len(chosen)} or more, or leave {name} out"
            )
        for rule, different in sorted(Counter(each.rule for each in set(chosen)).items()):
            if different > 1:
                raise UserError(
                    f"array_rules holds {name}, but jobs of {rule} ask for different resources, and an array "
                    f"has only those of its first job: leave {rule} out at the top of {PROFILE}"
                )


def check_earlier_jobs(listed: str, folder: Path) -> None:
    """Refuse to start while jobs that an earlier call submitted from this folder would write the same files.

    Raises:
        UserError: names these jobs. `listed` is what `squeue` prints with the format of `QUEUE`.
    """
    lines = [line.strip().split("|", maxsplit=2) for line in listed.splitlines()]
    earlier = [
        job
        for job, workdir, comment in lines
        if Path(workdir) == folder and comment.startswith(("rule_", "group_"))
    ]
    if earlier:
        raise UserError(
            "jobs that an earlier call of snakemake submitted from this folder are still in the queue: wait "
            f"until they are done (squeue --me), or stop them with `scancel {' '.join(earlier)}`; then call "
            "snakemake again"
        )


def ask(command: Sequence[str]) -> str:
    """What a command of SLURM prints.

    Raises:
        UserError: it isn't there or fails.
    """
    if shutil.which(command[0]) is None:
        raise UserError(
            f"there is no {command[0]} on this machine, so jobs can't be submitted to SLURM: call snakemake "
            f"on a login node of the cluster, or without {Path(PROFILE).parent}"
        )
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        *_, reason = ["", *run.stderr.strip().splitlines()]
        raise UserError(
            f"SLURM doesn't answer ({command[0]}: {reason or run.returncode}): check whether `{command[0]}` "
            "works on this machine, then call snakemake again"
        )
    return run.stdout


def check_cluster(
    requests: Sequence[Request],
    folder: Path,
    *,
    longest: float,
    array_rules: str | None,
    jobs: float,
) -> None:
    """All of these checks, with what the cluster says of itself.

    Raises:
        UserError: one of them fails.
    """
    check_requests(requests, read_nodes(ask(NODES)))
    check_times(requests, longest)
    check_arrays(array_rules, requests, jobs)
    check_earlier_jobs(ask(QUEUE), folder)
