"""A full disk and too little memory: one sentence, and nothing that was finished is lost."""

import csv
import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from social_dilemmas.errors import UserError
from social_dilemmas.method import train as trainer_module
from social_dilemmas.method.train import Trainer
from social_dilemmas.run import checkpoint as checkpoint_module
from social_dilemmas.run.metrics import MetricsFile
from social_dilemmas.run.shortage import TRAINING_ADVICE, shortage_told

GAME: dict[str, Any] = {"name": "prisoners_dilemma", "rounds": 2, "rules": {}}
SETTINGS: dict[str, Any] = {
    **{"credit": "naive", "discount": 0.9, "reward_scale": 5, "beta": 0.0},
    **{"matches": 4, "group_size": 4, "iterations": 5, "lora_rank": 2, "lora_alpha": 4},
    **{"learning_rate": 0.01, "learning_rate_decay": "none", "gradient_clip": 1.0},
    **{"temperature": 1.0, "max_new_tokens": 6, "sampler": "trainer", "processes": 1},
    **{"micro_batch": 8, "micro_batch_tokens": None, "gradient_checkpointing": False},
    **{"fold_adapter": True, "kl_coefficient": 0.0, "kl_estimator": "forward"},
    **{"entropy_coefficient": 0.0, "baseline": "group", "critic": {}, "checkpoint_every": 1},
    "buffer": {"size": 0, "every": 1, "probability": 0.5, "draw": "group"},
}
# What safetensors raises there, and what Python does.
NO_ROOM: list[Exception] = [
    SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EDQUOT, "Disk quota exceeded"),
]


def run(base: Path, output: Path) -> Path:
    Trainer(base, GAME, SETTINGS, 0, output).run()
    return output


def weights(output: Path) -> bytes:
    return (output / "adapter" / "adapter_model.safetensors").read_bytes()


@pytest.mark.parametrize("error", NO_ROOM, ids=["safetensors", "disk", "quota"])
def test_a_disk_that_is_full_at_a_checkpoint(
    error: Exception, base_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "run"

    def full_at_the_third(tensors: dict[str, torch.Tensor], path: Path) -> None:
        save_file(tensors, path)
        if path.parent.name == "iteration-000003.partial" and path.stem == "optimizer":
            path.write_bytes(path.read_bytes()[:100])
            raise error

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_module, "save_file", full_at_the_third)
        with pytest.raises(UserError, match="the disk is full") as caught:
            run(base_model, output)
    assert str(caught.value).startswith(f"{output}: ")
    assert "\n" not in str(caught.value)
    kept = {path.name for path in (output / "checkpoints").iterdir()}
    assert kept == {"iteration-000001", "iteration-000002", "past-agents"}
    assert weights(run(base_model, output)) == weights(run(base_model, tmp_path / "whole"))


def test_a_disk_that_is_full_at_the_metrics(
    base_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their file is the first to grow; half a row of it may have been written."""
    append = MetricsFile.append

    def full_at_the_third(self: MetricsFile, row: Mapping[str, float | int]) -> None:
        if row["iteration"] == 2:
            with (tmp_path / "metrics.csv").open("a") as file:
                file.write("2,0.")
            raise OSError(errno.ENOSPC, "No space left on device")
        append(self, row)

    with monkeypatch.context() as patch:
        patch.setattr(MetricsFile, "append", full_at_the_third)
        with pytest.raises(UserError, match="the disk is full"):
            run(base_model, tmp_path)
    run(base_model, tmp_path)
    with (tmp_path / "metrics.csv").open() as file:
        assert [row["iteration"] for row in csv.DictReader(file)] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("place", "advice"),
    [
        ("add_gradients", r"training\.micro_batch_tokens, .*gradient_checkpointing"),
        ("play_seatings", r"training\.max_new_tokens"),
    ],
)
def test_too_little_gpu_memory(
    place: str, advice: str, base_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def greedy(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(trainer_module, place, greedy)
    with pytest.raises(UserError, match=rf"too little GPU memory; .*{advice}") as caught:
        run(base_model, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("error", [OSError(5, "a broken disk"), ValueError("a bug")])
def test_other_errors_stay_what_they_are(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(type(error)) as caught, shortage_told(tmp_path, TRAINING_ADVICE):
        raise error
    assert caught.value is error
