"""The job graph: what there is to do at each scale, for each target, and from any folder."""

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from tests.workflow.conftest import Workflow

MAIN = {
    *(
        f"table_{name}"
        for name in ("learning_curves", "cross_play", "fingerprints", "distributions", "claims")
    ),
    *(f"fig_{name}" for name in ("learning_curves", "cross_play", "fingerprints", "distributions")),
    *(f"fig_{name}" for name in ("proposals", "truthfulness", "naive_learning_curves")),
    *("fig_invalid_replies", "write_cards", "build_base_model"),
    *("table_population", "fig_population"),
    *("table_prior_audit", "audit_prior"),
}
FURTHER = {
    *(f"table_{name}" for name in ("learning_against_fixed", "exploitability", "ablations")),
    *(f"table_{name}" for name in ("rivals", "tournament", "tournament_by_opponent", "all_claims")),
    *("table_two_learners", "fig_two_learners"),
    *(f"fig_{name}" for name in ("learning_against_fixed", "learning_against_alignment")),
    *(f"fig_{name}" for name in ("exploitability", "ablations", "rivals", "tournament")),
    *("table_noise", "table_messages", "fig_noise", "fig_messages"),
    *("table_generalisation", "fig_generalisation"),
    *("table_prior_sweep", "fig_prior_sweep", "write_further_cards"),
}
STAGES = (
    *("first", "base", "warm_start", "training"),
    *("cross_play", "tournament", "tables", "figures"),
)
SEEDS = {"config": 5, "smoke": 2}
EXPERIMENT_SEEDS = {"config": 3, "smoke": 2}
CLONES = {"config": 3, "smoke": 2}
SWEPT = {"config": 2 * 3, "smoke": 2}  # games by shares
Graph = dict[str, Counter[str]]


@pytest.fixture(scope="module", params=SEEDS)
def scale(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def graph(repository: Workflow, scale: str, tmp_path_factory: pytest.TempPathFactory) -> Graph:
    """For each rule that has a single job, how many jobs of each rule that one takes, itself included."""
    configured = ("--configfile", f"config/{scale}.yaml")
    elsewhere = ("--directory", str(tmp_path_factory.mktemp("graph")))
    targets = ("--", "all", "everything", *STAGES)
    said = repository.run("--dag", "dot", *configured, *elsewhere, *targets).stdout
    rules = dict(re.findall(r'^\t(\d+)\[label = "(\w+)', said, re.M))
    edges = re.findall(r"^\t(\d+) -> (\d+)$", said, re.M)

    @cache
    def needed(job: str) -> frozenset[str]:
        return frozenset([job]).union(*(needed(first) for first, then in edges if then == job))

    return {rule: Counter(rules[each] for each in needed(job)) for job, rule in rules.items()}


def test_the_main_job(graph: Graph, scale: str) -> None:
    assert graph["all"] == {
        **dict.fromkeys({"all", *MAIN}, 1),
        "warm_start_model": 3,
        "train": 3 * 3 * SEEDS[scale],
        "play_cross_play": 3,
        "clone_player": CLONES[scale],
    }


def test_everything(graph: Graph, scale: str, repository: Workflow) -> None:
    planned = graph["everything"]
    assert dict.fromkeys(MAIN | FURTHER, 1).items() <= planned.items()
    config = repository.config(f"config/{scale}.yaml")
    variants = sum(
        len(each.get("games", config[section]["games"]))
        for section in ("ablations", "rivals")
        for each in config[section]["variants"]
    )
    assert planned["play_variant"] == variants
    assert planned["play_disturbed"] == 3
    variations = config["games"][0]["generalisation"]["variations"]
    assert planned["play_variation"] == len(variations) + 1
    assert planned["train_variant"] == variants * EXPERIMENT_SEEDS[scale]
    assert planned["warm_start_prior"] == planned["play_prior"] == SWEPT[scale]
    assert planned["train_prior"] == SWEPT[scale] * 2 * EXPERIMENT_SEEDS[scale]
    against = [
        len(opponents)
        for game in config["games"]
        for opponents in game.get("exploitability", {}).get("learners", {}).values()
    ]
    assert planned["train_learner"] == sum(against) * SEEDS[scale]
    pairs = len(config["two_learners"]["games"]) * len(config["two_learners"]["pairs"])
    assert planned["train_pair"] == pairs * EXPERIMENT_SEEDS[scale]


def test_stages(graph: Graph, scale: str) -> None:
    jobs = {"build_base_model": 1}
    assert graph["base"] == {**jobs, "base": 1}
    jobs["warm_start_model"] = 3
    assert graph["warm_start"] == {**jobs, "warm_start": 1}
    jobs["train"] = 9 * SEEDS[scale]
    assert graph["training"] == {**jobs, "training": 1}
    jobs |= {"play_cross_play": 3, "clone_player": CLONES[scale]}
    assert graph["cross_play"] == {**jobs, "cross_play": 1}
    assert {**jobs, "table_claims": 1}.items() <= graph["tables"].items()
    assert {**jobs, "fig_truthfulness": 1}.items() <= graph["figures"].items()
    assert graph["tournament"] == {  # its agents are those of one game
        **{"build_base_model": 1, "warm_start_model": 1, "train": 3 * SEEDS[scale]},
        **{"play_strategies": 1, "play_tournament": 1, "tournament": 1},
    }


def test_the_first_steps_are_a_part_of_the_main_job(graph: Graph) -> None:
    trained = {"build_base_model": 1, "warm_start_model": 1, "train": 2 * 2}
    shown = ("first", "table_first_learning_curves", "fig_first_learning_curves")
    assert graph["first"] == {**trained, **dict.fromkeys(shown, 1)}


@pytest.mark.parametrize("figure", ["fig_cross_play", "fig_learning_against_alignment"])
def test_a_figure_needs_no_other(graph: Graph, figure: str) -> None:
    assert [name for name in graph[figure] if name.startswith("fig_")] == [figure]


def test_a_figure_by_name_from_elsewhere(
    repository: Workflow, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The profile is found from there, too."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    call = ("--dry-run", "fig_cross_play")
    there = repository.run(*call, "--directory", str(elsewhere)).stdout
    snakefile = str(repository.folder / "Snakefile")
    from_there = Workflow(elsewhere).run(*call, "--snakefile", snakefile).stdout
    for said in (there, from_there):
        assert "Using workflow specific profile" in said
        assert "Reason:" not in said  # one of its settings
        assert "Figure: cross play" in said


def test_a_frozen_opponent_is_trained_first(workflow: Workflow) -> None:
    """An opponent that is the warm-started model isn't."""
    learner = "results/laptop/exploitability/split/embedded/naive/against-{}/seed-0/adapter"
    learners = [learner.format(opponent) for opponent in ("advantage_alignment", "warm_start")]
    planned = workflow.planned(*learners)
    assert (planned["train"], planned["train_learner"]) == (1, 2)


def test_lint(workflow: Workflow) -> None:
    assert "your workflow is in a good condition" in workflow.run("--lint").stdout


def test_results_are_no_files_of_the_repository(repository: Workflow) -> None:
    """A job's inputs are results: else checking out files again would rerun jobs."""
    said = repository.run("--summary").stdout
    outputs = [line.split("\t")[0] for line in said.splitlines() if "\t" in line]
    assert all(Path(output).parts[0] == "results" for output in outputs[1:])
