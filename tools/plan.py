"""What a scale takes: jobs, GPU hours and disk, by estimate; nothing is run. `make plan SCALE=paper`."""

import argparse
import io
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from snakemake.api import SnakemakeApi
from snakemake.settings.enums import Quietness, RerunTrigger
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings

from social_dilemmas.run.progress import duration

REPOSITORY = Path(__file__).resolve().parents[1]
HEAD = ("", "jobs", "done", "to do", "longest job", "CPU hours", "GPU hours", "disk")


@dataclass(frozen=True)
class Job:
    """A job of the graph with its estimates.

    Attributes:
        stage: the rules file that it is from.
        rule: its rule.
        to_do: whether it would run now.
        cores: CPU cores.
        gpus: GPUs.
        seconds: time.
        gpu_mb: memory of each GPU.
        disk_mb: what it leaves on the disk.
    """

    stage: str
    rule: str
    to_do: bool
    cores: int = 1
    gpus: int = 0
    seconds: int = 0
    gpu_mb: int = 0
    disk_mb: int = 0


@dataclass
class Plan:
    """All jobs of a target.

    Attributes:
        jobs: in the order of the rules files.
        chain: seconds of the longest chain of jobs to do that wait for one another.
    """

    jobs: list[Job] = field(default_factory=list)
    chain: float = 0.0


def plan(scale: str, target: str, directory: Path | None = None) -> Plan:
    """The jobs of a target, by Snakemake's own graph.

    Args:
        scale: `laptop`, or the name of another file in `config`.
        target: name of a rule.
        directory: where `results` is or will be; by default the current one.
    """
    files = [] if scale == "laptop" else [REPOSITORY / "config" / f"{scale}.yaml"]
    profile = yaml.safe_load((REPOSITORY / "profiles" / "default" / "profile.yaml").read_text())
    triggers = frozenset(map(RerunTrigger.parse_choice, profile["rerun-triggers"]))
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1000),
            config_settings=ConfigSettings(configfiles=files),
            snakefile=REPOSITORY / "Snakefile",
            workdir=directory,
        )
        graph = workflow.dag(DAGSettings(targets={target}, rerun_triggers=triggers))
        with redirect_stdout(
            io.StringIO()
        ):  # a way to have the graph built that runs nothing and needs no lock
            graph.summary()
        dag = workflow._workflow.dag
        found = {job: _described(job, dag.needrun(job)) for job in dag.jobs}
        order = {rule: number for number, rule in enumerate(workflow._workflow.rules)}
        jobs = [
            found[job] for job in sorted(dag.jobs, key=lambda job: order[job.rule]) if job.is_script
        ]
        return Plan(jobs, max(_chains(dag, found), default=0.0))


def _described(job: Any, to_do: bool) -> Job:
    said: Mapping[str, Any] = job.resources
    return Job(
        stage=Path(str(job.rule.snakefile)).stem,
        rule=job.rule.name,
        to_do=to_do,
        cores=job.threads,
        gpus=said.get("gpu", 0),
        seconds=said.get("estimated_seconds", 0),
        gpu_mb=said.get("estimated_gpu_mb", 0),
        disk_mb=said.get("disk_mb", 0) if job.is_script else 0,
    )


def _chains(dag: Any, found: Mapping[Any, Job]) -> Iterator[float]:
    """For every job, the seconds until it is done if all that can run at the same time does."""
    until: dict[Any, float] = {}
    for level in dag.toposorted():
        for job in level:
            before = max((until[other] for other in dag.dependencies[job]), default=0.0)
            until[job] = before + found[job].to_do * found[job].seconds
            yield until[job]


def table(jobs: Iterable[Job]) -> list[tuple[str, ...]]:
    """A row for each stage, below it one for each of its rules if there are several, and one for all."""
    stages: dict[str, dict[str, list[Job]]] = defaultdict(lambda: defaultdict(list))
    for job in jobs:
        stages[job.stage][job.rule].append(job)
    rows, everything = [], []
    for stage, rules in stages.items():
        together = [job for counted in rules.values() for job in counted]
        everything += together
        rows.append(_row(stage, together))
        if len(together) > len(rules) > 1:  # of stages like figures, every rule is a single job
            rows += [_row(f"  {rule}", counted) for rule, counted in rules.items()]
    return [*rows, _row("in all", everything)]


def _row(name: str, jobs: Sequence[Job]) -> tuple[str, ...]:
    to_do = [job for job in jobs if job.to_do]
    longest = max((job.seconds for job in to_do), default=0)
    on_gpu = sum(job.gpus * job.seconds for job in to_do)
    on_cpu = sum(job.cores * job.seconds for job in to_do if not job.gpus)
    return (
        name,
        f"{len(jobs):,}",
        f"{len(jobs) - len(to_do):,}",
        f"{len(to_do):,}",
        duration(longest),
        f"{on_cpu / 3600:,.1f}",
        f"{on_gpu / 3600:,.1f}",
        size(sum(job.disk_mb for job in jobs)),
    )


def size(megabytes: float) -> str:
    """A size as a reader wants it here."""
    return f"{megabytes:,.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:,.1f} GB"


def written(found: Plan, scale: str) -> str:
    """The plan as it is printed."""
    rows = [HEAD, *table(found.jobs)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"{scale}: estimated, nothing is run; times are of what is to do, disk is of all", ""]
    for name, *numbers in rows:
        cells = [text.rjust(width) for text, width in zip(numbers, widths[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *cells]))
    lines += ["", f"Jobs that wait for one another take {duration(found.chain)} at least."]
    largest = max(found.jobs, key=lambda job: job.gpu_mb, default=None)
    if largest is not None and largest.gpus:
        lines.append(
            f"The most memory of a GPU is {largest.gpu_mb / 1000:.1f} GB ({largest.rule}); messages are taken to be as "
            "long as they may be."
        )
    return "\n".join(lines)


def main() -> None:
    """Read the command line, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", default="laptop", help="which config; default: %(default)s")
    parser.add_argument("--target", default="everything", help="which rule; default: %(default)s")
    options = parser.parse_args()
    print(written(plan(options.scale, options.target), options.scale))


if __name__ == "__main__":
    sys.exit(main())
