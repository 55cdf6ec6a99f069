"""Trainings whose tokens a vLLM server samples: right weights at every step, and nothing lost with a server."""

import logging
import os
import signal
import time
from pathlib import Path
from threading import Thread
from typing import Any

import pandas as pd
import psutil
import pytest
import torch
from safetensors.torch import load_file
from tests.unit.gradients import gradient, play_on_server
from tests.unit.training_run import BUFFER, metrics, run_training

from social_dilemmas.config.schema.training import Vllm
from social_dilemmas.policy.model import load_model

GAME: dict[str, Any] = {"name": "trust_and_split", "rounds": 2, "rules": {"message_limit": 40}}


def test_a_training_on_vllm(
    vllm: Vllm, chatml: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With past agents and a vocabulary in which a reply can be written in many ways.

    Once undisturbed, and once with the server killed in the middle of the second iteration: the result is the same.
    """
    caplog.set_level(logging.INFO)
    changes: dict[str, Any] = {
        **{"sampler": "vllm", "vllm": vllm, "iterations": 3},
        "buffer": {**BUFFER, "probability": 0.6},  # so that every iteration has some self-play
        **{"learning_rate": 0.05, "temperature": 0.9, "max_new_tokens": 20},
    }
    undisturbed = run_training(chatml, tmp_path / "undisturbed", GAME, **changes)
    found = metrics(undisturbed)
    print(f"differences of log-probabilities: {found['sampler_difference'].tolist()}")
    assert (found["sampler_difference"] < 1e-4).all()
    assert (found["invalid_rate"] == 0).all()
    assert not list(undisturbed.glob("vllm-*"))

    disturbed = tmp_path / "disturbed"
    Thread(target=kill_server_after, args=(disturbed / "checkpoints" / "iteration-000001",)).start()
    run_training(chatml, disturbed, GAME, **changes)
    assert caplog.text.count("starting another one and repeating iteration 1") == 1
    pd.testing.assert_frame_equal(metrics(disturbed), found, rtol=1e-3, atol=1e-4)
    first, second = (
        load_file(path / "adapter" / "adapter_model.safetensors")
        for path in (undisturbed, disturbed)
    )
    assert all(torch.allclose(first[key], second[key], atol=1e-3) for key in first)


def kill_server_after(checkpoint: Path) -> None:
    """Kill the server and all its processes a moment after the iteration that follows has begun."""
    while not checkpoint.exists():
        time.sleep(0.005)
    time.sleep(0.3)
    servers = [
        each
        for each in psutil.Process().children()
        if "social_dilemmas.backends.vllm.launch" in each.cmdline()
    ]
    newest = max(servers, key=lambda each: each.create_time())  # others are those of other tests
    os.killpg(newest.pid, signal.SIGKILL)


def test_the_update_is_that_of_the_trainers_own_sampler(
    vllm: Vllm, embedded: Path, tmp_path: Path
) -> None:
    """On the server's tokens, against another adapter: importance ratios are 1, so both take the same step."""
    played = play_on_server(load_model(embedded, device="cpu"), GAME, vllm, tmp_path)
    assert not any(match.invalid[seat] for match in played.matches for seat in (0, 1))

    with_ratios, sums = gradient(played, "vllm")
    for trajectory in played.trajectories:
        trajectory.sampled = []
    without, _ = gradient(played, "trainer")
    relative = ((with_ratios - without).norm() / without.norm()).item()
    difference = sums["sampler_difference"] / played.action_tokens
    print(f"log-probabilities differ by {difference:.2e}, gradients by {relative:.2e}")
    assert difference < 1e-4
    assert without.norm() > 0
    assert relative < 1e-3
