"""After a complete run, an edit reruns exactly what it touches."""

import os
from pathlib import Path
from typing import Any

from tests.workflow.conftest import Workflow, job_counts, rows_of_plan

LIBRARY = "workflow/scripts/social_dilemmas"
TABLES = {
    *(f"table_{name}" for name in ("learning_curves", "cross_play", "fingerprints")),
    *(f"table_{name}" for name in ("distributions", "population", "claims")),
}
FIGURES = {
    *(f"fig_{name}" for name in ("learning_curves", "cross_play", "fingerprints")),
    *(f"fig_{name}" for name in ("distributions", "population", "proposals")),
    *(f"fig_{name}" for name in ("naive_learning_curves", "invalid_replies", "truthfulness")),
}
PRESENTATION = ("fig_", "print_", "show_", "list_", "describe_", "write_", "everything")
TEXTS = {"table_claims", "table_all_claims"}  # beside the table, they write it as a text


WITHOUT_INFLUENCE = (
    (f"{LIBRARY}/method/train.py", "\n\n\n", "\n\n\n# A thought.\n"),
    (f"{LIBRARY}/method/train.py", '"""Training by', '"""Really training by'),
    ("workflow/report/fig_cross_play.rst", " ", "  "),
    (f"{LIBRARY}/config/schema/models.py", "width of the model", "how wide the model is"),
    (f"{LIBRARY}/backends/vllm/server.py", "\nclass ", "\nCHANGED = True\nclass "),
    (f"{LIBRARY}/agents/api/player.py", "\nclass ", "\nCHANGED = True\nclass "),
)


def test_longer_jobs_come_first(pretended_run: Workflow) -> None:
    games = ("trust_and_split", "split", "prisoners_dilemma")
    for stage in ("Warm start of embedded", "Training naive", "Cross-play"):
        places = [pretended_run.said.index(f"{stage} in {game}") for game in games]
        assert places == sorted(places)


def test_touching_files_and_edits_without_influence_rerun_nothing(finished: Workflow) -> None:
    """Comments, docstrings, captions, descriptions, and code that no job of this run needs."""
    for edit in WITHOUT_INFLUENCE:
        finished.edit(*edit)
    for path in finished.folder.rglob("*"):
        if not {"results", ".snakemake"} & set(path.relative_to(finished.folder).parts):
            os.utime(path)
    assert finished.planned("everything") == {}


def test_equal_settings_on_another_machine_rerun_nothing(finished: Workflow) -> None:
    """The order of keys and the types of numbers may differ; the machine is in the description of the run, as is who
    follows it.
    """
    config = finished.config()
    config["tracker"] = "tensorboard"
    config["machine"] = {"cpu_gigaflops": {"float32": 1}, "gpu": None}
    for game in config["games"]:
        game["training"]["reward_scale"] = float(game["training"]["reward_scale"])
        for numbers in (game["rules"], game["warm_start"]["population"]):
            numbers |= {k: float(v) for k, v in numbers.items() if isinstance(v, int)}
    finished.configure(backwards(config))
    assert finished.planned("everything") == {"describe_run": 1, "everything": 1}


def test_labels_redraw_figures_and_pages(finished: Workflow) -> None:
    finished.edit(f"{LIBRARY}/report/names.py", '"Naive RL"', '"Naive reinforcement learning"')
    planned = finished.planned("everything").keys()
    assert FIGURES | {"print_claims", "show_transcript", *TEXTS} <= planned
    assert all(rule.startswith(PRESENTATION) for rule in planned - TEXTS)


def test_a_title_redraws_what_shows_it(finished: Workflow) -> None:
    config = finished.config()
    config["games"][0]["title"] = "A dilemma"
    finished.configure(config)
    planned = finished.planned("everything").keys()
    shown = {"print_claims", "show_transcript", "list_transcripts", "write_cards"}
    assert FIGURES | TEXTS | shown <= planned
    assert all(rule.startswith(PRESENTATION) for rule in planned - TEXTS)


def test_texts_of_cards_rewrite_cards(finished: Workflow) -> None:
    finished.edit("workflow/report/agent_card.md.jinja", "A LoRA adapter", "A low-rank adapter")
    assert finished.planned("everything").keys() == {
        *("write_cards", "write_further_cards", "everything")
    }


def test_credit_s_code_reruns_trainings_and_what_follows_from_them(
    finished: Workflow, pretended_run: Workflow
) -> None:
    change_code(finished.folder / LIBRARY / "method/credit.py")
    expected = job_counts(pretended_run.said)
    for rule in ("build_base_model", "warm_start_model", "clone_player", "warm_start_prior"):
        del expected[rule]
    for rule in ("play_strategies", "describe_run"):
        del expected[rule]
    for rule in ("audit_prior", "table_prior_audit", "print_prior_audit"):
        del expected[rule]
    expected |= {"play_transcripts": 2, "show_transcript": 2}  # in the third, nobody was trained
    assert finished.planned("everything") == expected


def test_payoffs_of_a_game_rerun_that_game(finished: Workflow) -> None:
    config = finished.config()
    config["games"][0]["rules"]["reward"] = 4
    finished.configure(config)
    counts, jobs = finished.plan()
    assert counts == {
        **dict.fromkeys({"warm_start_model", "clone_player", "play_cross_play"}, 1),
        **dict.fromkeys({"audit_prior", "table_prior_audit"}, 1),
        **dict.fromkeys({"write_cards", "all"} | TABLES | FIGURES, 1),
        "train": 6,
    }
    assert not [job for job in jobs if "in split" in job or "in trust" in job]


def test_settings_of_an_algorithm_rerun_that_algorithm(finished: Workflow) -> None:
    config = finished.config()
    config["games"][0]["training"]["beta"] = 0.7
    finished.configure(config)
    counts, jobs = finished.plan("training")
    assert counts == {"train": 2, "training": 1}
    assert "Training advantage_alignment in prisoners_dilemma" in jobs[0]


def test_one_more_seed_trains_one_more_seed(finished: Workflow) -> None:
    config = finished.config()
    config["seeds"].append(7)
    finished.configure(config)
    counts, jobs = finished.plan("training")
    assert counts["train"] == 9
    assert all("seed 7" in job for job in jobs[:-1])


def test_a_figure_whose_code_changed_or_that_was_deleted_is_drawn_alone(finished: Workflow) -> None:
    change_code(finished.folder / LIBRARY / "report/figures/cross_play.py")
    (finished.folder / "results/smoke/figures/proposals.pdf").unlink()
    assert finished.planned() == {"fig_cross_play": 1, "fig_proposals": 1, "all": 1}


def test_code_of_a_game_reruns_its_jobs_and_the_tokenizer(finished: Workflow) -> None:
    """The tokenizer learns from the text of all games, and all else follows from it."""
    change_code(finished.folder / LIBRARY / "agents/scripted/split.py")
    assert finished.planned("warm_start") == {
        "build_base_model": 1,
        "warm_start_model": 3,
        "warm_start": 1,
    }


def test_what_cross_play_evaluates_reruns_no_training(finished: Workflow) -> None:
    config = finished.config()
    config["games"][1]["evaluation"]["matches"] = 4
    finished.configure(config)
    assert finished.planned("cross_play") == {"play_cross_play": 1, "cross_play": 1}


def test_a_plan_knows_what_is_done(finished: Workflow) -> None:
    config = finished.config()
    config["games"][1]["training"]["discount"] = 0.5
    finished.configure(config)
    table = rows_of_plan(finished.script("tools/plan.py"))
    assert table["warm_start"][:3] == ["5", "5", "0"]
    assert table["warm_start"][4:6] == ["0.0", "0.0"]
    assert table["training"][:3] == ["27", "18", "9"]
    assert table["cross_play"][:3] == ["6", "4", "2"]


def change_code(file: Path) -> None:
    file.write_text(f"{file.read_text()}\n\nCHANGED = True\n")


def backwards(value: Any) -> Any:
    """The same with the keys of all mappings in the opposite order."""
    if isinstance(value, dict):
        return {key: backwards(value[key]) for key in reversed(value)}
    return [backwards(each) for each in value] if isinstance(value, list) else value
