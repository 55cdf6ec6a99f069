"""After a complete run, an edit reruns exactly what it touches."""

import os
from pathlib import Path

from tests.workflow.conftest import Workflow

LIBRARY = "workflow/scripts/social_dilemmas"
COMPUTED = {"table_learning_curves", "table_cross_play", "table_fingerprints", "table_claims"}
DRAWN = {f"fig_{name}" for name in ("learning_curves", "cross_play", "fingerprints")}
DRAWN |= {f"fig_{name}" for name in ("naive_learning_curves", "invalid_replies")}
DRAWN |= {"fig_proposals", "fig_truthfulness"}


def test_a_complete_run_leaves_nothing_to_do(finished: Workflow) -> None:
    assert finished.planned() == {}


def test_longer_jobs_come_first(pretended_run: Workflow) -> None:
    games = ("trust_and_split", "split", "prisoners_dilemma")
    for stage in ("Warm start of embedded", "Training naive", "Cross-play"):
        places = [pretended_run.said.index(f"{stage} in {game}") for game in games]
        assert places == sorted(places)


def test_touching_everything_changes_nothing(finished: Workflow) -> None:
    for path in finished.folder.rglob("*"):
        if not {"results", ".snakemake"} & set(path.relative_to(finished.folder).parts):
            os.utime(path)
    assert finished.planned() == {}


def test_comments_and_layout_change_nothing(finished: Workflow) -> None:
    append(finished.folder / LIBRARY / "method/train.py", "\n\n# A thought.\n")
    append(finished.folder / "workflow/scripts/train.py", "\n\n# Another.\n")
    assert finished.planned() == {}


def test_payoffs_of_a_game_rerun_that_game(finished: Workflow) -> None:
    config = finished.config()
    config["games"][0]["rules"]["reward"] = 4
    finished.configure(config)
    assert finished.planned() == {
        **dict.fromkeys(
            {"warm_start_model", "play_cross_play", "write_cards", "all"} | COMPUTED | DRAWN, 1
        ),
        "train": 6,
    }
    assert not [job for job in finished.planned_jobs() if "in split" in job or "in trust" in job]


def test_settings_of_an_algorithm_rerun_that_algorithm(finished: Workflow) -> None:
    config = finished.config()
    config["games"][0]["training"]["beta"] = 0.7
    finished.configure(config)
    assert finished.planned("training") == {"train": 2, "training": 1}
    assert (
        "Training advantage_alignment in prisoners_dilemma" in finished.planned_jobs("training")[0]
    )


def test_one_more_seed_trains_one_more_seed(finished: Workflow) -> None:
    config = finished.config()
    config["seeds"].append(7)
    finished.configure(config)
    assert finished.planned("training")["train"] == 9
    assert all("seed 7" in job for job in finished.planned_jobs("training")[:-1])


def test_a_figure_is_redrawn_alone(finished: Workflow) -> None:
    change_code(finished.folder / LIBRARY / "report/figures/cross_play.py")
    assert finished.planned() == {"fig_cross_play": 1, "all": 1}


def test_texts_of_cards_rerun_no_training(finished: Workflow) -> None:
    finished.edit("workflow/report/agent_card.md.jinja", "A LoRA adapter", "A low-rank adapter")
    assert finished.planned() == {"write_cards": 1, "all": 1}


def test_code_of_a_game_reruns_its_jobs_and_the_tokenizer(finished: Workflow) -> None:
    """The tokenizer learns from the text of all games, and all else follows from it."""
    change_code(finished.folder / LIBRARY / "agents/scripted/split.py")
    assert finished.planned("warm_start") == {
        "build_base_model": 1,
        "warm_start_model": 3,
        "warm_start": 1,
    }


def test_training_s_code_reruns_training(finished: Workflow) -> None:
    change_code(finished.folder / LIBRARY / "method/credit.py")
    planned = finished.planned()
    assert planned["train"] == 18
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
