"""After a complete run, an edit reruns exactly what it touches."""

import os
from pathlib import Path

from tests.workflow.conftest import Workflow

LIBRARY = "workflow/scripts/social_dilemmas"
COMPUTED = {"table_learning_curves", "table_cross_play", "table_fingerprints", "claims"}
DRAWN = {"fig_learning_curves", "fig_cross_play", "fig_fingerprints"}


def test_a_complete_run_leaves_nothing_to_do(finished: Workflow) -> None:
    assert finished.planned() == {}


def test_everything_is_there(finished_run: Workflow) -> None:
    results = finished_run.folder / "results" / "smoke"
    run = results / "training/split/embedded/naive/seed-0"
    for path in ("adapter/adapter_model.safetensors", "metrics.csv", "config.yaml"):
        assert (run / path).is_file()
    for stage in ("base", "warm_start", "training", "cross_play", "tables", "figures"):
        made, logged, measured = (results / place / stage for place in (".", "logs", "benchmarks"))
        assert made.is_dir()
        assert list(logged.rglob("*.log"))
        assert len(list(logged.rglob("*.log"))) == len(list(measured.rglob("*.tsv")))
    for figure in DRAWN:
        for suffix in ("pdf", "svg", "png", "csv"):
            name = figure.removeprefix("fig_")
            assert (results / "figures" / f"{name}.{suffix}").stat().st_size > 0


def test_longer_jobs_come_first(finished_run: Workflow) -> None:
    said = finished_run.said
    for stage in ("Warm start of embedded", "Training naive"):
        assert said.index(f"{stage} in split") < said.index(f"{stage} in prisoners_dilemma")


def test_the_claims_are_told_at_the_end(finished_run: Workflow) -> None:
    results = finished_run.folder / "results" / "smoke"
    end = finished_run.said[finished_run.said.index("(100%) done") :]
    assert (results / "tables" / "claims.txt").read_text() in end
    assert "results/smoke/figures" in end


def test_touching_everything_changes_nothing(finished: Workflow) -> None:
    for path in finished.folder.rglob("*"):
        if not {"results", ".snakemake"} & set(path.relative_to(finished.folder).parts):
            os.utime(path)
    assert finished.planned() == {}


def test_comments_and_layout_change_nothing(finished: Workflow) -> None:
    append(finished.folder / LIBRARY / "learning/trainer.py", "\n\n# A thought.\n")
    append(finished.folder / "workflow/scripts/train.py", "\n\n# Another.\n")
    assert finished.planned() == {}


def test_payoffs_of_a_game_rerun_that_game(finished: Workflow) -> None:
    config = finished.config()
    config["games"][0]["rules"]["reward"] = 4
    finished.configure(config)
    jobs = finished.planned_jobs()
    assert len(jobs) > 4
    assert not [job for job in jobs if "split" in job]
    assert finished.planned().keys() == (
        {"warm_start_model", "train", "play_cross_play", "all"} | COMPUTED | DRAWN
    )


def test_settings_of_an_algorithm_rerun_that_algorithm(finished: Workflow) -> None:
    config = finished.config()
    config["games"][0]["training"]["beta"] = 0.7
    finished.configure(config)
    assert finished.planned("training") == {"train": 1, "training": 1}
    assert (
        "Training advantage_alignment in prisoners_dilemma" in finished.planned_jobs("training")[0]
    )


def test_one_more_seed_trains_one_more_seed(finished: Workflow) -> None:
    config = finished.config()
    config["seeds"].append(7)
    finished.configure(config)
    assert finished.planned("training")["train"] == 4
    assert all("seed 7" in job for job in finished.planned_jobs("training")[:-1])


def test_a_figure_is_redrawn_alone(finished: Workflow) -> None:
    change_code(finished.folder / LIBRARY / "figures/cross_play.py")
    assert finished.planned() == {"fig_cross_play": 1, "all": 1}


def test_training_s_code_reruns_training(finished: Workflow) -> None:
    change_code(finished.folder / LIBRARY / "learning/credit.py")
    planned = finished.planned()
    assert planned["train"] == 4
    assert "warm_start_model" not in planned


def test_what_cross_play_evaluates_reruns_no_training(finished: Workflow) -> None:
    config = finished.config()
    config["games"][1]["evaluation"]["matches"] = 4
    finished.configure(config)
    assert finished.planned("cross_play") == {"play_cross_play": 1, "cross_play": 1}


def test_what_was_deleted_is_made_again(finished: Workflow) -> None:
    (finished.folder / "results/smoke/figures/cross_play.pdf").unlink()
    assert finished.planned() == {"fig_cross_play": 1, "all": 1}
    assert finished.run("--cores", "1").returncode == 0
    assert finished.planned() == {}


def append(file: Path, text: str) -> None:
    file.write_text(file.read_text() + text)


def change_code(file: Path) -> None:
    append(file, "\n\nCHANGED = True\n")
