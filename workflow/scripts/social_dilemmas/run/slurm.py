"""What a SLURM cluster would refuse or never start, said in one sentence before anything is submitted.

SLURM itself tells a wrong partition once for each job, and lets a job that can't ever start wait for good.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from social_dilemmas.errors import UserError

PROFILE = "profiles/slurm/profile.yaml"
NODES = ("sinfo", "--noheader", "--exact", "--format=%P|%l|%m|%c|%G")
QUEUE = ("squeue", "--noheader", "--me", "--format=%i|%Z|%k")
GPU = re.compile(r"gpu(?::(?P<model>[^:(,]+))?:(?P<number>\d+)")


@dataclass(frozen=True)
class Nodes:
    """Equal nodes of a partition, as `sinfo` lists them."""

    partition: str
    is_default: bool
    minutes: float  # that a job may take
    memory: int  # MB
    cpus: int
    gpus: Mapping[str, int]  # number on a node by model; "" if the model has no name


@dataclass(frozen=True)
class Request:
    """What a job asks for; None where it doesn't say."""

    rule: str
    partition: str | None = None
    minutes: int | None = None
    memory: int | None = None  # MB
    cpus: int = 1
    gpus: int = 0
    gpu_model: str | None = None


def read_nodes(listed: str) -> list[Nodes]:
    """What `sinfo` printed with the format of `NODES`."""
    nodes = []
    for line in listed.splitlines():
        name, limit, memory, cpus, resources = (part.strip() for part in line.split("|"))
        gpus: dict[str, int] = {}
        for found in GPU.finditer(resources):
            model = found["model"] or ""
            gpus[model] = gpus.get(model, 0) + int(found["number"])
        partition = name.removesuffix("*")
        cell = Nodes(
            partition, name != partition, minutes(limit), _number(memory), _number(cpus), gpus
        )
        nodes.append(cell)
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


def _number(text: str) -> int:
    return int(text.removesuffix("+"))


def request_of(rule: str, threads: int, resources: Mapping[str, Any]) -> Request:
    """What the SLURM executor would ask for on behalf of a job with these resources."""

    def number(name: str) -> int | None:
        value = resources.get(name)
        return value if isinstance(value, int) else None  # not yet known: depends on files

    gpus, gpu_model = number("gpu"), resources.get("gpu_model")
    return Request(
        rule,
        partition=resources.get("slurm_partition"),
        minutes=number("runtime"),
        memory=number("mem_mb"),
        cpus=threads,
        gpus=int(gpu_model is not None) if gpus is None else gpus,
        gpu_model=gpu_model,
    )


def check_requests(requests: Iterable[Request], nodes: Sequence[Nodes]) -> None:
    """Refuse a job that no node of its partition could ever run.

    Raises:
        UserError: names the rule, what it asks for, and what there is.
    """
    partitions = sorted({each.partition for each in nodes})
    for request in sorted(set(requests), key=lambda each: each.rule):
        asked = f"rule {request.rule} asks for"
        wanted = request.partition
        suitable = [
            each
            for each in nodes
            if (each.is_default if wanted is None else each.partition == wanted)
        ]
        if not suitable:
            named = f"partition {wanted!r}" if wanted else "default partition"
            raise UserError(
                f"the cluster has no {named}, which {asked}: set partition (or gpu_partition) at the "
                f"top of {PROFILE} to one of: {', '.join(partitions)}"
            )
        where = f"partition {suitable[0].partition}"
        allowed = max(each.minutes for each in suitable)
        if (request.minutes or 0) > allowed:
            raise UserError(
                f"{asked} {request.minutes} minutes, but {where} allows {allowed:g}: set longest at "
                f"the top of {PROFILE} to {allowed:g} or less (a training that needs more is "
                f"continued by the next try), or another partition"
            )
        if request.gpus:
            models = {model for each in suitable for model in each.gpus}
            suitable = [each for each in suitable if _gpus(each, request.gpu_model) >= request.gpus]
            if not suitable:
                there = f"has only {', '.join(sorted(models))}" if models - {""} else "has too few"
                raise UserError(
                    f"{asked} {request.gpus} GPU of type {request.gpu_model or 'any'}, but {where} "
                    f"{there if models else 'has none'}: set gpu_partition and gpu_model at the top "
                    f"of {PROFILE}"
                )
        for unit, needed, most in (
            ("MB of memory", request.memory or 0, max(each.memory for each in suitable)),
            ("CPUs", request.cpus, max(each.cpus for each in suitable)),
        ):
            if needed > most:
                raise UserError(
                    f"{asked} {needed} {unit}, but no node of {where} has more than {most}: name "
                    f"another partition at the top of {PROFILE}, or a smaller model or batch in the "
                    f"configuration"
                )


def _gpus(nodes: Nodes, model: str | None) -> int:
    return nodes.gpus.get(model, 0) if model else sum(nodes.gpus.values())


def check_arrays(rules: str | None, requests: Sequence[Request], jobs: float) -> None:
    """Refuse job arrays that the executor would submit with wrong resources, or not at all.

    Args:
        rules: names of the rules whose jobs are submitted as arrays, separated by commas, or "all".
        requests: what the jobs of the workflow ask for.
        jobs: that may be in the queue at a time.

    Raises:
        UserError: jobs of one of these rules differ, or some may have to wait for others.
    """
    names = {name.strip() for name in (rules or "").replace(";", ",").split(",")} - {""}
    for name in sorted(names):
        chosen = [each for each in requests if name in ("all", each.rule)]
        if len(chosen) > jobs:
            raise UserError(
                f"array_rules holds {name}, of which there are {len(chosen)} jobs, more than may be in "
                f"the queue: set jobs at the top of {PROFILE} to {len(chosen)} or more, or leave "
                f"{name} out"
            )
        for rule in sorted({each.rule for each in chosen}):
            if len({each for each in chosen if each.rule == rule}) > 1:
                raise UserError(
                    f"array_rules holds {name}, but jobs of {rule} ask for different resources, and an "
                    f"array has only those of its first job: leave {rule} out at the top of {PROFILE}"
                )


def check_earlier_jobs(listed: str, folder: Path) -> None:
    """Refuse to start while jobs that an earlier call submitted from this folder are in the queue.

    Args:
        listed: what `squeue` printed with the format of `QUEUE`.
        folder: from which jobs are submitted.

    Raises:
        UserError: there are some; two jobs would write the same files.
    """
    earlier = []
    for line in listed.splitlines():
        job, workdir, comment = line.strip().split("|", maxsplit=2)
        if Path(workdir) == folder and comment.startswith(("rule_", "group_")):
            earlier.append(job)
    if earlier:
        raise UserError(
            f"jobs that an earlier call of snakemake submitted from this folder are still in the queue: "
            f"wait until they are done (squeue --me), or stop them with "
            f"`scancel {' '.join(earlier)}`; then call snakemake again"
        )


def ask(command: Sequence[str]) -> str:
    """What a command of SLURM prints.

    Raises:
        UserError: it isn't there or fails.
    """
    if shutil.which(command[0]) is None:
        raise UserError(
            f"there is no {command[0]} on this machine, so jobs can't be submitted to SLURM: call "
            f"snakemake on a login node of the cluster, or without {Path(PROFILE).parent}"
        )
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        reason = run.stderr.strip().splitlines()
        raise UserError(
            f"SLURM doesn't answer ({command[0]}: {reason[-1] if reason else run.returncode}): see "
            f"whether `{command[0]}` works on this machine, then call snakemake again"
        )
    return run.stdout


def check_times(requests: Iterable[Request], longest: float) -> None:
    """Refuse a group of jobs whose times add up to more than a job may ask for.

    Args:
        requests: what jobs and groups of jobs ask for.
        longest: minutes that a job may ask for; a single job never asks for more.

    Raises:
        UserError: there is such a group; Snakemake would only say so when its turn has come.
    """
    for request in requests:
        if (request.minutes or 0) > longest:
            raise UserError(
                f"the jobs of group {request.rule} together take up to {request.minutes} minutes: set "
                f"longest at the top of {PROFILE}, which is {longest:g}, to {request.minutes} or more"
            )


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
        UserError: as `check_requests`, `check_times`, `check_arrays`, `check_earlier_jobs` and `ask`.
    """
    check_requests(requests, read_nodes(ask(NODES)))
    check_times(requests, longest)
    check_arrays(array_rules, requests, jobs)
    check_earlier_jobs(ask(QUEUE), folder)
