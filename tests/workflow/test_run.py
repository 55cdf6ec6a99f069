"""A small run that really computes everything."""

import json
import re
from pathlib import Path

import nbformat
from tests.workflow.conftest import REPOSITORY, Workflow

FIGURES = ("learning_curves", "cross_play", "fingerprints")


def test_everything_is_there(real_run: Workflow) -> None:
    results = real_run.folder / "results" / "smoke"
    run = results / "training/split/embedded/naive/seed-0"
    for path in ("adapter/adapter_model.safetensors", "metrics.csv", "config.yaml"):
        assert (run / path).is_file()
    for stage in ("base", "warm_start", "training", "cross_play", "tables", "figures"):
        made, logged, measured = (results / place / stage for place in (".", "logs", "benchmarks"))
        assert made.is_dir()
        assert list(logged.rglob("*.log"))
        assert len(list(logged.rglob("*.log"))) == len(list(measured.rglob("*.tsv")))
    for figure in FIGURES:
        for suffix in ("pdf", "svg", "png", "csv"):
            assert (results / "figures" / f"{figure}.{suffix}").stat().st_size > 0


def test_cards_stand_beside_their_adapters(real_run: Workflow) -> None:
    folders = list((real_run.folder / "results/smoke/training").glob("*/*/*/seed-*"))
    for folder in folders:
        card = (folder / "README.md").read_text()
        relative = folder.relative_to(real_run.folder)
        model = Path("results/smoke/warm_start", *relative.parts[3:5], "model")
        assert f'base = "{model}"' in card
        assert f'PeftModel.from_pretrained(model, "{relative}/adapter")' in card
        assert "| training | " in card
        assert "## Scores" not in card
        assert not list(folder.glob("adapter/*.md"))
    assert len(folders) == 2


def test_the_claims_are_printed_at_the_end(real_run: Workflow) -> None:
    results = real_run.folder / "results" / "smoke"
    end = real_run.said[real_run.said.index("(100%) done") :]
    assert (results / "tables" / "claims.txt").read_text() in end
    assert "results/smoke/figures" in end


def test_it_can_be_watched(real_run: Workflow) -> None:
    assert "To watch it in a browser: make watch SCALE=smoke\n" in real_run.said
    agenda = json.loads((real_run.folder / "results/smoke/agenda.json").read_text())
    done = re.findall(r"^Finished jobid: (\d+) ", Path(agenda["log"]).read_text(), re.M)
    assert {job["id"] for job in agenda["jobs"]} <= {*map(int, done)}
    training = next(job for job in agenda["jobs"] if job["rule"] == "train")
    assert training["what"].startswith("Training ")
    assert (real_run.folder / training["metrics"]).is_file()
    assert training["iterations"] == 2


def test_its_trainings_are_tracked(real_run: Workflow) -> None:
    tracked = real_run.folder / "results/smoke/tracking/tensorboard"
    for algorithm in ("naive", "advantage_alignment"):
        assert list(tracked.glob(f"training/split/embedded/{algorithm}/seed-0/events*"))


def test_a_second_run_has_nothing_to_do(real_run: Workflow) -> None:
    assert real_run.planned() == {}


def test_the_notebook_runs_on_results(real_run: Workflow) -> None:
    """Its cells in their order, as a script; it is kept without outputs."""
    notebook = nbformat.read(REPOSITORY / "docs" / "results.ipynb", as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in cells)
    chosen = 'SCALE, GAME, OPPONENT = "laptop", "split", "greedy"'
    code = "\n\n".join(cell.source for cell in cells)
    assert chosen in code
    (real_run.folder / "cells.py").write_text(code.replace("laptop", "smoke", 1))
    real_run.script("cells.py")
    assert (real_run.folder / "results/smoke/points_by_round.png").stat().st_size > 0
