"""Checkpoints: whole or not used, of these settings or not used."""

import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from social_dilemmas.run.checkpoint import KEPT, Checkpoint, CheckpointFolder

SETTINGS = {"learning_rate": 0.001, "buffer": {"size": 2}, "seed": 0}


def checkpoint(iteration: int, past: tuple[int, ...] = ()) -> Checkpoint:
    """One whose every number tells its iteration."""
    return Checkpoint(
        iteration=iteration,
        learner={"layer.weight": torch.full((3, 2), float(iteration))},
        optimizer={"layer.weight/step": torch.tensor(float(iteration))},
        past_agents={past_one: {"layer.weight": torch.full((3, 2), past_one)} for past_one in past},
        metrics=f"iteration,payoff\n{iteration - 1},1.5\n",
        critic={"weight": torch.full((2, 3), float(iteration))},
    )


def same(found: Checkpoint | None, expected: Checkpoint) -> bool:
    if found is None:
        return False
    tensors = [
        (found.learner, expected.learner),
        (found.optimizer, expected.optimizer),
        (found.critic, expected.critic),
        *((found.past_agents.get(key, {}), value) for key, value in expected.past_agents.items()),
    ]
    return (
        (found.iteration, found.metrics) == (expected.iteration, expected.metrics)
        and [*found.past_agents] == [*expected.past_agents]
        and all(
            one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
            for one, other in tensors
        )
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Checkpoints after 10, 20 and 30 iterations."""
    checkpoints = CheckpointFolder(tmp_path, SETTINGS)
    checkpoints.save(checkpoint(10))
    checkpoints.save(checkpoint(20, past=(10,)))
    checkpoints.save(checkpoint(30, past=(10, 20)))
    return tmp_path


def test_there_is_none_at_first(tmp_path: Path) -> None:
    assert CheckpointFolder(tmp_path / "nowhere", SETTINGS).latest() is None


def test_the_latest_comes_back(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert same(CheckpointFolder(folder, SETTINGS).latest(), checkpoint(30, past=(10, 20)))
    assert not caplog.records


def test_one_without_a_critic_comes_back(tmp_path: Path) -> None:
    alone = replace(checkpoint(10), critic={})
    CheckpointFolder(tmp_path, SETTINGS).save(alone)
    found = CheckpointFolder(tmp_path, SETTINGS).latest()
    assert same(found, alone)


def test_two_are_kept(folder: Path) -> None:
    assert KEPT == 2
    assert sorted(path.name for path in folder.glob("iteration-*")) == [
        "iteration-000020",
        "iteration-000030",
    ]


def test_those_of_other_settings_make_room(folder: Path) -> None:
    """Though their iterations are higher, they must not push out what the run writes now."""
    other = {**SETTINGS, "seed": 1}
    CheckpointFolder(folder, other).save(checkpoint(10))
    assert same(CheckpointFolder(folder, other).latest(), checkpoint(10))
    assert [path.name for path in folder.glob("iteration-*")] == ["iteration-000010"]


def test_a_damaged_one_makes_room(folder: Path) -> None:
    truncate(folder / "iteration-000030" / "state.json")
    checkpoints = CheckpointFolder(folder, SETTINGS)
    checkpoints.save(checkpoint(25, past=(10, 20)))
    assert same(checkpoints.latest(), checkpoint(25, past=(10, 20)))
    assert not (folder / "iteration-000030").exists()


def test_past_agents_are_kept_as_long_as_they_are_needed(folder: Path) -> None:
    def agents() -> set[str]:
        return {path.stem.split("-")[1] for path in (folder / "past-agents").iterdir()}

    assert agents() == {"10", "20"}
    checkpoints = CheckpointFolder(folder, SETTINGS)
    checkpoints.save(checkpoint(40, past=(20, 30)))
    assert agents() == {"10", "20", "30"}  # the one before has it in its buffer
    checkpoints.save(checkpoint(50, past=(30, 40)))
    assert agents() == {"20", "30", "40"}
    assert same(CheckpointFolder(folder, SETTINGS).latest(), checkpoint(50, past=(30, 40)))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 255
    path.write_bytes(bytes(content))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def nonsense(path: Path) -> None:
    path.write_text("null")


@pytest.mark.parametrize("damage", [truncate, flip, empty, nonsense, Path.unlink])
@pytest.mark.parametrize(
    "name",
    [
        *("learner.safetensors", "optimizer.safetensors", "critic.safetensors"),
        *("metrics.csv", "state.json"),
    ],
)
def test_a_damaged_one_is_passed_over_with_a_warning(
    folder: Path, name: str, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    damage(folder / "iteration-000030" / name)
    assert same(CheckpointFolder(folder, SETTINGS).latest(), checkpoint(20, past=(10,)))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "iteration-000030: damaged checkpoint" in record.getMessage()


def test_if_all_are_damaged_there_is_none(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    for path in folder.glob("iteration-*"):
        truncate(path / "learner.safetensors")
    assert CheckpointFolder(folder, SETTINGS).latest() is None
    assert len(caplog.records) == 2


def test_a_damaged_past_agent_spoils_its_checkpoints(folder: Path) -> None:
    (agent,) = (folder / "past-agents").glob("*-20.safetensors")
    truncate(agent)
    assert same(CheckpointFolder(folder, SETTINGS).latest(), checkpoint(20, past=(10,)))


def test_a_damaged_past_agent_is_written_anew(folder: Path) -> None:
    (agent,) = (folder / "past-agents").glob("*-20.safetensors")
    flip(agent)
    resumed = CheckpointFolder(folder, SETTINGS)
    assert resumed.latest() is not None
    resumed.save(checkpoint(30, past=(10, 20)))
    found = CheckpointFolder(folder, SETTINGS).latest()
    assert same(found, checkpoint(30, past=(10, 20)))


@pytest.mark.parametrize(
    "settings",
    [
        {**SETTINGS, "learning_rate": 0.002},
        {**SETTINGS, "seed": 1},
        {**SETTINGS, "buffer": {"size": 3}},
        {},
    ],
)
def test_other_settings_are_not_used(
    folder: Path, settings: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    assert CheckpointFolder(folder, settings).latest() is None
    assert all("belongs to other settings" in record.getMessage() for record in caplog.records)
    assert len(caplog.records) == 2


def test_the_order_of_settings_doesn_t_matter(folder: Path) -> None:
    turned = dict(reversed(SETTINGS.items()))
    assert same(CheckpointFolder(folder, turned).latest(), checkpoint(30, past=(10, 20)))


def test_what_was_being_written_is_not_there(folder: Path) -> None:
    shutil.copytree(folder / "iteration-000030", folder / "iteration-000040.partial")
    (folder / "past-agents" / "x-30.partial").write_bytes(b"half of it")
    checkpoints = CheckpointFolder(folder, SETTINGS)
    assert same(checkpoints.latest(), checkpoint(30, past=(10, 20)))
    checkpoints.save(checkpoint(40, past=(20, 30)))
    assert same(checkpoints.latest(), checkpoint(40, past=(20, 30)))
    assert not (folder / "iteration-000040.partial").exists()


@pytest.mark.parametrize("step", range(1, 8))
def test_a_kill_at_any_moment_of_writing_leaves_the_one_before(
    folder: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every write and rename is one moment; the kill comes at the `step`th."""
    done = 0

    def stop(*arguments: object, **options: object) -> None:
        nonlocal done
        done += 1
        if done == step:
            raise KeyboardInterrupt

    def watched(original: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            stop()
            return original(*arguments, **options)

        return call

    module = "social_dilemmas.run.checkpoint"
    monkeypatch.setattr(f"{module}.save_file", watched(save_file))
    monkeypatch.setattr(Path, "write_text", watched(Path.write_text))
    monkeypatch.setattr(Path, "mkdir", watched(Path.mkdir))
    with pytest.raises(KeyboardInterrupt):
        CheckpointFolder(folder, SETTINGS).save(checkpoint(40))
    monkeypatch.undo()
    assert same(CheckpointFolder(folder, SETTINGS).latest(), checkpoint(30, past=(10, 20)))
    CheckpointFolder(folder, SETTINGS).save(checkpoint(40))
    assert same(CheckpointFolder(folder, SETTINGS).latest(), checkpoint(40))


def test_no_pickle(folder: Path) -> None:
    endings = {path.suffix for path in folder.rglob("*") if path.is_file()}
    assert endings == {".safetensors", ".json", ".csv"}
