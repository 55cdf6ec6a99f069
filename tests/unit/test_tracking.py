"""Trackers get every iteration of a run once, and never end it."""

import logging
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.iocontainers import Namedlist

from social_dilemmas.errors import UserError
from social_dilemmas.run import tracking
from social_dilemmas.run.metrics import MetricsFile
from social_dilemmas.run.tracking import check_tracker, tracked

NAME = "training/split/embedded/naive/seed-0"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tracking, "EVERY", 0.01)
    monkeypatch.setenv("TRACKIO_DIR", "")  # and back to what it was after the test
    del os.environ["TRACKIO_DIR"]


def job(tracker: str, name: str = NAME, **settings: Any) -> SimpleNamespace:
    """What a script of Snakemake knows of its job."""
    output = Path("results/tiny", name)
    output.mkdir(parents=True, exist_ok=True)
    return SimpleNamespace(
        config={"tracker": tracker, "scale": "tiny"},
        input=[str(output.parent)],
        output=Namedlist(fromdict={"metrics": str(output / "metrics.csv")}),
        wildcards=Namedlist(fromdict={"game": "split", "seed": "0"}),
        params=Namedlist(fromdict={"settings": {"beta": 0.5, "buffer": {"size": 2}, **settings}}),
    )


def train(snakemake: SimpleNamespace, iterations: int, *, fails: bool = False) -> None:
    """A job that writes the metrics of so many iterations."""
    with tracked(snakemake):
        file = MetricsFile(Path(snakemake.output.metrics))
        for iteration in range(iterations):
            file.append({"iteration": iteration, "payoff": 2.0 * iteration, "kl": float("nan")})
        if fails:
            raise UserError("interrupted")


def interrupted_and_resumed(snakemake: SimpleNamespace) -> None:
    with pytest.raises(UserError, match="interrupted"):
        train(snakemake, 3, fails=True)
    snakemake.params.settings["world_size"] = 2  # under which it still is the same run
    train(snakemake, 5)
    train(snakemake, 5)  # as if the last words hadn't reached Snakemake


def scalars(folder: Path, name: str) -> list[tuple[int, float]]:
    """Step and value of a metric in TensorBoard's files of a run."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def test_tensorboard_has_every_iteration_once() -> None:
    interrupted_and_resumed(job("tensorboard"))
    folder = Path("results/tiny/tracking/tensorboard", NAME)
    assert scalars(folder, "payoff") == [(iteration, 2.0 * iteration) for iteration in range(5)]
    with pytest.raises(KeyError):
        scalars(folder, "kl")
    (settings,) = folder.glob("*/hparams.yml")
    assert {"game: split", "settings.buffer.size: 2"} <= {*settings.read_text().splitlines()}


def test_a_run_that_began_anew_has_a_track_of_its_own() -> None:
    train(job("tensorboard"), 3)
    train(job("tensorboard", beta=0.1), 2)
    folder = Path("results/tiny/tracking/tensorboard")
    assert scalars(folder / NAME, "payoff") == [(0, 0.0), (1, 2.0), (2, 4.0)]
    assert scalars(folder / f"{NAME} (2)", "payoff") == [(0, 0.0), (1, 2.0)]


def test_trackio_has_every_iteration_once() -> None:
    interrupted_and_resumed(job("trackio"))
    from trackio.sqlite_storage import SQLiteStorage

    logs = SQLiteStorage.get_logs("social_dilemmas-tiny", NAME)
    assert [(row["step"], row["payoff"]) for row in logs] == [(i, 2.0 * i) for i in range(5)]
    settings = SQLiteStorage.get_run_config("social_dilemmas-tiny", NAME)
    assert settings["settings.beta"] == 0.5


def test_two_learners_stand_side_by_side() -> None:
    snakemake = job("tensorboard")
    with tracked(snakemake):
        file = MetricsFile(Path(snakemake.output.metrics))
        for learner in (1, 2):
            file.append({"iteration": 0, "learner": learner, "payoff": 10.0 + learner})
    folder = Path("results/tiny/tracking/tensorboard", NAME)
    assert scalars(folder, "learner_2/payoff") == [(0, 12.0)]


def test_a_tracker_that_fails_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("accelerate.tracking.TensorBoardTracker.log", full)
    with caplog.at_level(logging.WARNING):
        train(job("tensorboard"), 3)
    assert "goes on without it (OSError: no space left)" in caplog.text


def test_a_tracker_that_isnt_there_is_told() -> None:
    check_tracker("none")
    check_tracker("tensorboard")
    with pytest.raises(UserError, match="tracker is wandb, but there is no package wandb: install"):
        check_tracker("wandb")
