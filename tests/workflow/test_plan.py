"""The large scales: their graphs, what their jobs ask for, and what `make plan` prints."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from tests.workflow.conftest import Workflow, copy_workflow, rows_of_plan

ONCE = {  # tables, pages and cards
    *(
        f"table_{name}"
        for name in ("learning_curves", "cross_play", "fingerprints", "distributions", "claims")
    ),
    *(f"table_{name}" for name in ("learning_against_fixed", "exploitability", "ablations")),
    *(f"table_{name}" for name in ("tournament", "tournament_by_opponent", "all_claims")),
    *("table_population", "list_transcripts", "describe_run", "write_cards", "write_further_cards"),
    *("table_noise", "table_messages", "table_prior_audit", "table_perplexity", "play_strategies"),
}
JOBS = {
    # 4 models, 3 games, 3 algorithms, 3 seeds; in every game 3 opponents of the naive learner; 4 variants in 2 games
    "paper": {
        **{"build_base_model": 4, "warm_start_model": 12, "train": 108, "play_cross_play": 12},
        **{"train_learner": 108, "play_learners": 12, "train_variant": 96, "play_variant": 32},
        **{"play_disturbed": 12, "play_tournament": 4, "audit_prior": 4, "measure_perplexity": 12},
        **{"play_transcripts": 48, "show_transcript": 48},
    },
    # 2 models, 3 games, 3 algorithms, 2 seeds; the same opponents; 2 variants in a single game
    "workstation": {
        **{"build_base_model": 2, "warm_start_model": 6, "train": 36, "play_cross_play": 6},
        **{"train_learner": 36, "play_learners": 6, "train_variant": 8, "play_variant": 4},
        **{"play_disturbed": 6, "play_tournament": 2, "audit_prior": 2, "measure_perplexity": 6},
        **{"play_transcripts": 24, "show_transcript": 24},
    },
}


SAY_ALL = """
import functools, json, sys
sys.path.insert(0, "tools")
import plan
plan.plan = functools.cache(plan.plan)
plan.main()
jobs, chain = plan.plan(sys.argv[2], "everything")
print(json.dumps([jobs.to_dict("records"), chain]))
"""


@dataclass
class Plan:
    """What the tool prints of a scale, all jobs, and the seconds of the longest chain of them."""

    said: str
    jobs: list[dict[str, Any]]
    chain: float


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Plan]:
    workflow = copy_workflow(tmp_path_factory.mktemp("plans"))
    plans = {}
    for scale in JOBS:
        said = workflow.script("-c", SAY_ALL, "--scale", scale)
        printed, _, data = said.rstrip().rpartition("\n")
        plans[scale] = Plan(printed, *json.loads(data))
    assert not (workflow.folder / "results").exists()
    return plans


@pytest.mark.parametrize("scale", JOBS)
def test_the_whole_graph(plans: dict[str, Plan], scale: str) -> None:
    jobs = Counter(job["rule"] for job in plans[scale].jobs)
    figures_and_pages = {name for name in jobs if name.startswith(("fig_", "print_"))}
    assert jobs == {**dict.fromkeys(ONCE | figures_and_pages, 1), **JOBS[scale]}
    assert len(figures_and_pages) == 16 + 16


def test_a_plan_is_printed(plans: dict[str, Plan]) -> None:
    said = plans["paper"].said
    table = rows_of_plan(said)
    assert table["training"][:3] == ["108", "0", "108"]
    assert table["train_variant"][:3] == ["96", "0", "96"]
    assert table["figures"][:3] == ["16", "0", "16"]
    jobs = str(len(plans["paper"].jobs))
    assert table["in all"][:3] == [jobs, "0", jobs]
    gpu_hours = {name: float(cells[5].replace(",", "")) for name, cells in table.items()}
    assert gpu_hours["in all"] > gpu_hours["training"] > 1000
    assert gpu_hours["base"] == gpu_hours["figures"] == 0
    assert float(table["base"][6].removesuffix(" GB")) == pytest.approx(55.4, rel=0.01)
    assert "The most memory of a GPU is" in said


def test_what_jobs_ask_for(plans: dict[str, Plan]) -> None:
    jobs, chain = plans["paper"].jobs, plans["paper"].chain
    on_gpu = {job["rule"] for job in jobs if job["gpus"]}
    assert on_gpu == {
        *("warm_start_model", "train", "train_learner", "train_variant", "play_cross_play"),
        *("play_learners", "play_variant", "play_tournament", "play_disturbed", "play_transcripts"),
        *("audit_prior", "measure_perplexity"),
    }
    assert max(job["gpu_mb"] for job in jobs) < 80_000
    assert all(job["seconds"] > 0 for job in jobs)
    shared = [job for job in jobs if job["gpus"] == 2]
    assert Counter(job["rule"] for job in shared) == {
        "train": 36,  # Trust-and-Split, where messages make conversations long
        "train_learner": 36,
        "train_variant": 48,
    }
    assert all(job["cores"] == 2 for job in shared)
    assert 0 < chain < sum(job["seconds"] for job in jobs)


def test_about_a_day_on_a_workstation(plans: dict[str, Plan]) -> None:
    jobs = plans["workstation"].jobs
    assert 18 < sum(job["gpus"] * job["seconds"] for job in jobs) / 3600 < 30
    assert {job["gpus"] for job in jobs} == {0, 1}


def test_a_gpu_that_is_too_small_is_refused_before_anything_runs(workflow: Workflow) -> None:
    small = {"machine": {"gpu": {"memory_gb": 40}}}
    (workflow.folder / "small.yaml").write_text(yaml.safe_dump(small))
    files = ("config/paper.yaml", "small.yaml")
    run = workflow.run("--dry-run", "--configfile", *files, check=False)
    assert run.returncode != 0
    assert re.search(
        r"needs \d+ GB on a GPU by its estimate, but machine.gpu.memory_gb is 40; raise",
        run.stdout.splitlines()[-1],
    )
