"""A full disk and too little memory: one sentence, and nothing that was finished is lost."""

import errno
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from tests.unit.training_run import assert_same, metrics, run_training

from social_dilemmas.errors import UserError
from social_dilemmas.method import rollout as rollout_module
from social_dilemmas.method import train as train_module
from social_dilemmas.run import checkpoint as checkpoint_module
from social_dilemmas.run.metrics import MetricsFile
from social_dilemmas.run.shortage import TRAINING_ADVICE, shortage_reported

run = partial(run_training, matches=4, iterations=5)
NO_ROOM = "Error while serializing: I/O error: No space left on device (os error 28)"


def test_a_disk_that_is_full_at_a_checkpoint(
    base_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "run"

    def full_at_the_third(tensors: dict[str, torch.Tensor], path: Path) -> None:
        save_file(tensors, path)
        if path.parent.name == "iteration-000003.partial" and path.stem == "optimizer":
            path.write_bytes(path.read_bytes()[:100])
            raise SafetensorError(NO_ROOM)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_module, "save_file", full_at_the_third)
        with pytest.raises(UserError, match="the disk is full") as caught:
            run(base_model, output)
    assert str(caught.value).startswith(f"{output}: ")
    assert "\n" not in str(caught.value)
    kept = {path.name for path in (output / "checkpoints").iterdir()}
    assert kept == {"iteration-000001", "iteration-000002", "past-agents"}
    assert_same(run(base_model, output), run(base_model, tmp_path / "whole"))


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
    assert metrics(tmp_path)["iteration"].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("module", "function", "advice"),
    [
        (train_module, "add_gradients", "training.micro_batch_tokens, set training.activation_"),
        (
            rollout_module,
            "play_seatings",
            "lower training.max_new_tokens, or raise training.world_",
        ),
    ],
)
def test_too_little_gpu_memory(
    module: ModuleType,
    function: str,
    advice: str,
    base_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def greedy(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(module, function, greedy)
    with pytest.raises(UserError, match=f"too little GPU memory; .*{re.escape(advice)}") as caught:
        run(base_model, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [SafetensorError(NO_ROOM), OSError(errno.ENOSPC, "No space"), OSError(errno.EDQUOT, "Quota")],
)
def test_errors_of_a_full_disk(error: Exception, tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="the disk is full, or your quota of it"),
        shortage_reported(tmp_path, TRAINING_ADVICE),
    ):
        raise error


@pytest.mark.parametrize("error", [OSError(5, "a broken disk"), ValueError("a bug")])
def test_other_errors_stay_what_they_are(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(type(error)) as caught, shortage_reported(tmp_path, TRAINING_ADVICE):
        raise error
    assert caught.value is error
