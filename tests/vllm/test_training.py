"""Trainings whose tokens a vLLM server draws: right weights at every step, and nothing lost with a server."""

import csv
import logging
import os
import signal
import time
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.unit.gradients import gradient

from social_dilemmas.method.train import Trainer

GAME: dict[str, Any] = {"name": "trust_and_split", "rounds": 2, "rules": {"message_limit": 40}}
SETTINGS: dict[str, Any] = {
    **{"credit": "advantage_alignment", "beta": 0.5, "discount": 0.9, "reward_scale": 5},
    **{"matches": 8, "group_size": 4, "baseline": "group", "critic": {}, "iterations": 2},
    **{"lora_rank": 2, "lora_alpha": 4, "learning_rate": 0.05, "learning_rate_decay": "none"},
    **{"gradient_clip": 1.0, "temperature": 0.9, "max_new_tokens": 20, "fold_adapter": True},
    **{"micro_batch": 8, "micro_batch_tokens": None, "gradient_checkpointing": False},
    **{"kl_coefficient": 0.0, "kl_estimator": "forward", "entropy_coefficient": 0.0},
    **{"buffer": {"size": 0, "every": 1, "probability": 0.5, "draw": "group"}, "processes": 1},
    **{"checkpoint_every": 10, "sampler": "vllm"},
}
BUFFER = {"size": 2, "every": 1, "probability": 0.6, "draw": "group"}


@pytest.fixture
def settings(python: str) -> dict[str, Any]:
    server = {"python": python, "memory_share": 0.5, "context": None}
    return {**SETTINGS, "vllm": {**server, "start_timeout": 900, "request_timeout": 120}}


def metrics(output: Path) -> list[dict[str, float]]:
    with (output / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [{key: float(row[key]) for key in row if not key.startswith("seconds")} for row in rows]


def test_a_training_on_vllm(
    settings: dict[str, Any],
    chatml: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With past agents and a vocabulary in which a reply can be written in many ways.

    Once undisturbed, and once with the server killed in the middle of the second iteration: the same comes out.
    """
    caplog.set_level(logging.INFO)
    settings = {**settings, "buffer": BUFFER, "iterations": 3}
    Trainer(chatml, GAME, settings, 0, tmp_path / "undisturbed").run()
    rows = metrics(tmp_path / "undisturbed")
    print(f"differences of log-probabilities: {[row['sampler_difference'] for row in rows]}")
    assert all(row["sampler_difference"] < 1e-4 for row in rows)
    assert all(row["invalid_rate"] == 0 for row in rows)
    assert not list((tmp_path / "undisturbed").glob("vllm-*"))

    trainer = Trainer(chatml, GAME, settings, 0, tmp_path / "disturbed")
    play = trainer._play

    def disturbed(iteration: int) -> Any:
        if iteration == 1:
            assert trainer._vllm
            Thread(target=kill_at_work, args=(trainer._vllm.server.process_id,)).start()
        return play(iteration)

    monkeypatch.setattr(trainer, "_play", disturbed)
    trainer.run()
    assert trainer._vllm
    assert trainer._vllm.server.starts == 2
    assert "starting another one and repeating iteration 1" in caplog.text
    assert metrics(tmp_path / "disturbed") == [
        pytest.approx(row, rel=1e-3, abs=1e-4, nan_ok=True) for row in rows
    ]
    first, second = (
        load_file(tmp_path / name / "adapter" / "adapter_model.safetensors")
        for name in ("undisturbed", "disturbed")
    )
    assert all(torch.allclose(first[key], second[key], atol=1e-3) for key in first)


def kill_at_work(group: int | None) -> None:
    """Kill a server and all its processes, a moment after it was asked for something."""
    assert group
    time.sleep(0.3)
    os.killpg(group, signal.SIGKILL)


def test_the_update_is_that_of_the_trainers_own_sampler(
    settings: dict[str, Any], embedded: Path, tmp_path: Path
) -> None:
    """On the server's tokens, against a frozen opponent: importance ratios are 1, so both take the same step."""
    own = {**settings, "sampler": "trainer", "vllm": {}, "iterations": 1, "lora_rank": 3}
    Trainer(embedded, GAME, own, 1, tmp_path / "frozen").run()
    opponent = {"name": "naive", "adapter": str(tmp_path / "frozen" / "adapter")}
    trainer = Trainer(embedded, GAME, settings, 0, tmp_path / "run", opponent=opponent)
    assert trainer._vllm
    with trainer._vllm:
        experience = trainer._play(0)
    assert not any(match.invalid[seat] for match, _ in experience.seats for seat in (0, 1))

    with_ratios, sums = gradient(trainer, experience, "vllm")
    for trajectory in experience.trajectories:
        trajectory.sampled = []
    without, _ = gradient(trainer, experience, "trainer")
    relative = ((with_ratios - without).norm() / without.norm()).item()
    difference = sums["sampler_difference"] / experience.chosen
    print(f"log-probabilities differ by {difference:.2e}, gradients by {relative:.2e}")
    assert difference < 1e-4
    assert without.norm() > 0
    assert relative < 1e-3
