"""Jobs, hours and disk space that a scale needs, by estimate; runs nothing. `make plan SCALE=paper`."""

import argparse
import io
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from snakemake.api import SnakemakeApi
from snakemake.exceptions import RuleException, WorkflowError
from snakemake.settings.enums import Quietness, RerunTrigger
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings

from social_dilemmas.config.load import load_scale
from social_dilemmas.errors import UserError
from social_dilemmas.run.progress import duration

REPOSITORY = Path(__file__).resolve().parents[1]


def plan(scale: str, target: str) -> tuple[pd.DataFrame, float]:
    """The jobs of a target, a row each, and the seconds of the longest chain of jobs to do that wait for one another.

    They come from Snakemake's own graph. The scale is `laptop`, or the name of another file in `config`.
    """
    files = [] if scale == "laptop" else [REPOSITORY / "config" / f"{scale}.yaml"]
    profile = yaml.safe_load((REPOSITORY / "profiles" / "default" / "profile.yaml").read_text())
    triggers = frozenset(map(RerunTrigger.parse_choice, profile["rerun-triggers"]))
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1000),
            config_settings=ConfigSettings(configfiles=files),
            snakefile=REPOSITORY / "Snakefile",
        )
        graph = workflow.dag(DAGSettings(targets={target}, rerun_triggers=triggers))
        with redirect_stdout(io.StringIO()):
            graph.summary()  # builds the graph without running anything or taking a lock
        dag = workflow._workflow.dag
        rules = [rule.name for rule in workflow._workflow.rules]
        jobs = [_row(job, dag.needrun(job)) for job in dag.jobs if job.is_script]
        jobs.sort(key=lambda job: rules.index(job["rule"]))
        return pd.DataFrame(jobs), max(_finish_times(dag), default=0.0)


def _row(job: Any, to_do: bool) -> dict[str, Any]:
    return {
        "stage": Path(job.rule.snakefile).stem,
        "rule": job.rule.name,
        "to_do": to_do,
        "cores": job.threads,
        "gpus": job.resources["gpu"],
        "seconds": job.resources["estimated_seconds"],
        "gpu_mb": job.resources["estimated_gpu_mb"],
        "disk_mb": job.resources["disk_mb"],
    }


def _finish_times(dag: Any) -> Iterator[float]:
    """For every job, the seconds until it is done if everything that can run at the same time does."""
    until: dict[Any, float] = {}
    for level in dag.toposorted():
        for job in level:
            before = max((until[other] for other in dag.dependencies[job]), default=0.0)
            until[job] = before + dag.needrun(job) * job.resources.get("estimated_seconds", 0)
            yield until[job]


def table(jobs: pd.DataFrame) -> pd.DataFrame:
    """A row for each stage, below it one for each of its rules if there are several, and one for all."""
    rows = {}
    for stage, of_stage in jobs.groupby("stage", sort=False):
        rows[stage] = _totals(of_stage)
        rules = of_stage.groupby("rule", sort=False)
        if len(of_stage) > len(rules) > 1:  # in stages such as figures every rule is a single job
            rows |= {f"  {rule}": _totals(of_rule) for rule, of_rule in rules}
    return pd.DataFrame({**rows, "in all": _totals(jobs)}).T


def _totals(jobs: pd.DataFrame) -> dict[str, str]:
    to_do = jobs[jobs.to_do]
    on_cpu = to_do[to_do.gpus == 0]
    return {
        "jobs": f"{len(jobs):,}",
        "done": f"{len(jobs) - len(to_do):,}",
        "to do": f"{len(to_do):,}",
        "longest job": duration(to_do.seconds.max() if len(to_do) else 0),
        "CPU hours": f"{(on_cpu.cores * on_cpu.seconds).sum() / 3600:,.1f}",
        "GPU hours": f"{(to_do.gpus * to_do.seconds).sum() / 3600:,.1f}",
        "disk": size(jobs.disk_mb.sum()),
    }


def size(megabytes: float) -> str:
    """`120 MB`, or `1.2 GB`."""
    return f"{megabytes:,.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:,.1f} GB"


def main() -> None:
    """Read the command line, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", default="laptop", help="which config; default: %(default)s")
    parser.add_argument("--target", default="everything", help="which rule; default: %(default)s")
    options = parser.parse_args()
    try:
        load_scale(options.scale)
        jobs, chain = plan(options.scale, options.target)
    except (UserError, RuleException, WorkflowError) as error:
        sys.exit(" ".join(str(error).split()))
    print(
        f"{options.scale}: estimates, nothing is run; time is of what is to do, disk of everything\n"
    )
    print(table(jobs).add_prefix(" ").to_string())
    print(f"\nJobs that wait for one another take at least {duration(chain)}.")
    if jobs.gpus.any():
        most = jobs.nlargest(1, "gpu_mb").iloc[0]
        print(
            f"The most memory of a GPU is {most.gpu_mb / 1000:.1f} GB ({most.rule}), with the longest messages."
        )


if __name__ == "__main__":
    main()
