"""The job graph: what there is to do at each scale, for each target, and from any folder."""

from pathlib import Path

import pytest
from tests.workflow.conftest import Workflow

MAIN = {
    *(f"table_{name}" for name in ("learning_curves", "cross_play", "fingerprints", "claims")),
    *(f"fig_{name}" for name in ("learning_curves", "cross_play", "fingerprints")),
    *(f"fig_{name}" for name in ("proposals", "truthfulness", "naive_learning_curves")),
    *("fig_invalid_replies", "write_cards", "build_base_model"),
}
FURTHER = {
    *(f"table_{name}" for name in ("learning_against_fixed", "exploitability", "ablations")),
    *(f"table_{name}" for name in ("tournament", "tournament_by_opponent", "all_claims")),
    *(f"fig_{name}" for name in ("learning_against_fixed", "learning_against_alignment")),
    *(f"fig_{name}" for name in ("exploitability", "ablations", "tournament")),
    "write_further_cards",
}
SCALES: dict[str, tuple[str, ...]] = {"laptop": (), "smoke": ("--configfile", "config/smoke.yaml")}
SEEDS = {"laptop": 3, "smoke": 2}


@pytest.mark.parametrize("scale", SCALES)
def test_the_main_job(workflow: Workflow, scale: str) -> None:
    assert workflow.planned(*SCALES[scale]) == {
        **dict.fromkeys({"all", *MAIN}, 1),
        "warm_start_model": 3,
        "train": 3 * 3 * SEEDS[scale],
        "play_cross_play": 3,
    }


@pytest.mark.parametrize("scale", SCALES)
def test_everything(workflow: Workflow, scale: str) -> None:
    planned = workflow.planned(*SCALES[scale], "--", "everything")
    assert dict.fromkeys(MAIN | FURTHER, 1).items() <= planned.items()
    config = workflow.config(f"config/{'config' if scale == 'laptop' else scale}.yaml")
    games = config["ablations"]["games"]
    variants = sum(len(each.get("games", games)) for each in config["ablations"]["variants"])
    assert planned["play_variant"] == variants
    assert planned["train_variant"] == variants * SEEDS[scale]
    against = [
        len(opponents)
        for game in config["games"]
        for opponents in game.get("exploitability", {}).get("learners", {}).values()
    ]
    assert planned["train_learner"] == sum(against) * SEEDS[scale]


@pytest.mark.parametrize(
    ("target", "jobs"),
    [
        ("base", {"build_base_model": 1}),
        ("warm_start", {"build_base_model": 1, "warm_start_model": 3}),
        ("training", {"build_base_model": 1, "warm_start_model": 3, "train": 27}),
        ("cross_play", {"train": 27, "play_cross_play": 3}),
        ("tables", {"train": 27, "play_cross_play": 3, "table_claims": 1}),
        ("figures", {"play_cross_play": 3, "fig_truthfulness": 1}),
    ],
)
def test_stages(workflow: Workflow, target: str, jobs: dict[str, int]) -> None:
    planned = workflow.planned(target)
    assert planned[target] == 1
    assert jobs.items() <= planned.items()
    if target in ("base", "warm_start", "training"):
        assert planned == {**jobs, target: 1}


@pytest.mark.parametrize("figure", ["fig_cross_play", "fig_learning_against_alignment"])
def test_a_figure_by_name(workflow: Workflow, figure: str) -> None:
    planned = workflow.planned(figure)
    assert [name for name in planned if name.startswith("fig_")] == [figure]
    assert "all" not in planned


def test_only_figures_of_games_that_are_played(workflow: Workflow) -> None:
    config = workflow.config()
    config["games"] = config["games"][:1]
    del config["ablations"]
    workflow.configure(config)
    planned = workflow.planned()
    assert planned["warm_start_model"] == 1
    assert "fig_cross_play" in planned
    assert "fig_proposals" not in planned


def test_the_tournament_trains_its_agents_only(workflow: Workflow) -> None:
    assert workflow.planned("tournament") == {
        **{"build_base_model": 1, "warm_start_model": 1, "train": 9},
        **{"play_strategies": 1, "play_tournament": 1, "tournament": 1},
    }


@pytest.mark.parametrize("without", ["game", "strategies"])
def test_no_tournament_without_a_dilemma_or_strategies(workflow: Workflow, without: str) -> None:
    config = workflow.config()
    if without == "game":
        config["games"] = [game for game in config["games"] if game["name"] == "split"]
        del config["ablations"]
    else:
        config["tournament"] = {"strategies": []}
    workflow.configure(config)
    planned = workflow.planned("everything")
    assert "fig_cross_play" in planned
    assert not [name for name in planned if "tournament" in name or "strategies" in name]


def test_profile_is_found_from_here_and_from_elsewhere(
    workflow: Workflow, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    here = workflow.run("--dry-run").stdout
    there = workflow.run("--dry-run", "--directory", str(elsewhere)).stdout
    snakefile = str(workflow.folder / "Snakefile")
    from_there = Workflow(elsewhere).run("--dry-run", "--snakefile", snakefile).stdout
    for said in (here, there, from_there):
        assert "Using workflow specific profile" in said
        assert "Reason:" not in said  # one of its settings


def test_a_frozen_opponent_is_trained_first(workflow: Workflow) -> None:
    learner = "results/laptop/exploitability/split/embedded/naive/against-{}/seed-0/adapter"
    planned = workflow.planned(learner.format("advantage_alignment"))
    assert (planned["train"], planned["train_learner"]) == (1, 1)
    assert "train" not in workflow.planned(learner.format("warm_start"))


def test_lint(workflow: Workflow) -> None:
    assert "your workflow is in a good condition" in workflow.run("--lint").stdout


def test_results_are_no_files_of_the_repository(repository: Workflow) -> None:
    """A job's inputs are results: else checking out files again would rerun jobs."""
    said = repository.run("--summary").stdout
    outputs = [line.split("\t")[0] for line in said.splitlines() if "\t" in line]
    assert all(Path(output).parts[0] == "results" for output in outputs[1:])
