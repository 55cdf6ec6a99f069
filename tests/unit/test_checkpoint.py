"""Checkpoints: whole or not used, of these settings or not used."""

import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from social_dilemmas.run.checkpoint import Checkpoint, CheckpointFolder

SETTINGS: dict[str, Any] = {"learning_rate": 0.001, "buffer": {"size": 2}, "seed": 0}


def checkpoint(iteration: int, past: tuple[int, ...] = ()) -> Checkpoint:
    """One whose every number is its iteration."""
    return Checkpoint(
        iteration=iteration,
        learner={"layer.weight": torch.full((3, 2), float(iteration))},
        optimizer={"layer.weight/step": torch.tensor(float(iteration))},
        past_agents={kept: {"layer.weight": torch.full((3, 2), kept)} for kept in past},
        metrics=f"iteration,payoff\n{iteration - 1},1.5\n",
        critic={"weight": torch.full((2, 3), float(iteration))},
    )


def plain(value: Any) -> Any:
    """Tensors as lists."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return value.tolist() if isinstance(value, torch.Tensor) else value


def assert_latest(folder: Path, expected: Checkpoint | None, **changes: Any) -> None:
    """A new process finds this one."""
    found = CheckpointFolder(folder, {**SETTINGS, **changes}).latest()
    if found is None or expected is None:
        assert found is expected
    else:
        assert plain(vars(found)) == plain(vars(expected))
        assert [*found.past_agents] == [*expected.past_agents]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("iteration-*"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Checkpoints after 10, 20 and 30 iterations, of which two are kept."""
    checkpoints = CheckpointFolder(tmp_path, SETTINGS)
    checkpoints.save(checkpoint(10))
    checkpoints.save(checkpoint(20, past=(10,)))
    checkpoints.save(checkpoint(30, past=(10, 20)))
    assert names(tmp_path) == ["iteration-000020", "iteration-000030"]
    return tmp_path


def test_the_latest_comes_back(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert_latest(folder / "nowhere", None)
    assert_latest(folder, checkpoint(30, past=(10, 20)))
    assert not caplog.records
    endings = {path.suffix for path in folder.rglob("*") if path.is_file()}
    assert endings == {".safetensors", ".json", ".csv"}  # no pickle


def test_one_without_a_critic_comes_back(tmp_path: Path) -> None:
    alone = replace(checkpoint(10), critic={})
    CheckpointFolder(tmp_path, SETTINGS).save(alone)
    assert_latest(tmp_path, alone)


def test_those_of_other_settings_make_room(folder: Path) -> None:
    """Though their iterations are higher, they must not push out what the run writes now."""
    CheckpointFolder(folder, {**SETTINGS, "seed": 1}).save(checkpoint(10))
    assert_latest(folder, checkpoint(10), seed=1)
    assert names(folder) == ["iteration-000010"]


def test_past_agents_are_kept_as_long_as_they_are_needed(folder: Path) -> None:
    def agents() -> set[str]:
        return {path.stem.split("-")[1] for path in (folder / "past-agents").iterdir()}

    assert agents() == {"10", "20"}
    checkpoints = CheckpointFolder(folder, SETTINGS)
    checkpoints.save(checkpoint(40, past=(20, 30)))
    assert agents() == {"10", "20", "30"}  # the one before has it in its buffer
    checkpoints.save(checkpoint(50, past=(30, 40)))
    assert agents() == {"20", "30", "40"}
    assert_latest(folder, checkpoint(50, past=(30, 40)))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 255
    path.write_bytes(bytes(content))


DAMAGES: dict[str, Callable[[Path], object]] = {
    **{"truncated": truncate, "flipped": flip, "missing": Path.unlink},
    "empty": lambda path: path.write_bytes(b""),
    "nonsense": lambda path: path.write_text("null"),
}
FILES = [f"{name}.safetensors" for name in ("learner", "optimizer", "critic")]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", [*FILES, "metrics.csv", "state.json"])
def test_a_damaged_one_is_passed_over_with_a_warning_and_makes_room(
    folder: Path, name: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    DAMAGES[damage](folder / "iteration-000030" / name)
    assert_latest(folder, checkpoint(20, past=(10,)))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "iteration-000030: damaged checkpoint" in record.getMessage()
    if name == "state.json":
        CheckpointFolder(folder, SETTINGS).save(checkpoint(25, past=(10, 20)))
        assert_latest(folder, checkpoint(25, past=(10, 20)))
        assert not (folder / "iteration-000030").exists()


def test_if_all_are_damaged_there_is_none(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    for path in folder.glob("iteration-*"):
        truncate(path / "learner.safetensors")
    assert_latest(folder, None)
    assert len(caplog.records) == 2


def test_a_damaged_past_agent_spoils_its_checkpoints_and_is_written_anew(folder: Path) -> None:
    (agent,) = (folder / "past-agents").glob("*-20.safetensors")
    flip(agent)
    assert_latest(folder, checkpoint(20, past=(10,)))
    CheckpointFolder(folder, SETTINGS).save(checkpoint(30, past=(10, 20)))
    assert_latest(folder, checkpoint(30, past=(10, 20)))


@pytest.mark.parametrize("changes", [{"learning_rate": 0.002}, {"seed": 1}, {"buffer": {}}])
def test_those_of_other_settings_are_not_used(
    folder: Path, changes: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert_latest(folder, None, **changes)
    assert len(caplog.records) == 2
    assert all("belongs to other settings" in record.getMessage() for record in caplog.records)


def test_the_order_of_settings_doesn_t_matter(folder: Path) -> None:
    assert CheckpointFolder(folder, dict(reversed(SETTINGS.items()))).latest()


def test_what_was_being_written_is_not_there(folder: Path) -> None:
    shutil.copytree(folder / "iteration-000030", folder / "iteration-000040.partial")
    (folder / "past-agents" / "x-30.partial").write_bytes(b"half of it")
    assert_latest(folder, checkpoint(30, past=(10, 20)))
    CheckpointFolder(folder, SETTINGS).save(checkpoint(40, past=(20, 30)))
    assert_latest(folder, checkpoint(40, past=(20, 30)))
    assert names(folder) == ["iteration-000030", "iteration-000040"]


@pytest.mark.parametrize("step", range(1, 8))
def test_a_kill_at_any_moment_of_writing_leaves_the_one_before(
    folder: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every write and every new folder is one moment; the kill comes at the `step`th."""
    done = 0

    def watched(original: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            nonlocal done
            done += 1
            if done == step:
                raise KeyboardInterrupt
            return original(*arguments, **options)

        return call

    monkeypatch.setattr("social_dilemmas.run.checkpoint.save_file", watched(save_file))
    monkeypatch.setattr(Path, "write_text", watched(Path.write_text))
    monkeypatch.setattr(Path, "mkdir", watched(Path.mkdir))
    with pytest.raises(KeyboardInterrupt):
        CheckpointFolder(folder, SETTINGS).save(checkpoint(40))
    monkeypatch.undo()
    assert_latest(folder, checkpoint(30, past=(10, 20)))
    CheckpointFolder(folder, SETTINGS).save(checkpoint(40))
    assert_latest(folder, checkpoint(40))
