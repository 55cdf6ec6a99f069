"""Settings that are small enough for tests, trainings with them, and their results."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pandas as pd
import pytest

from social_dilemmas.agents.agent import Agent, Kind
from social_dilemmas.config.schema.training import Credit
from social_dilemmas.config.settings import TrainingSettings
from social_dilemmas.method.rollout import Rollouts
from social_dilemmas.method.train import train
from social_dilemmas.method.train_pair import train_pair
from social_dilemmas.run.launch import launch

GAME: dict[str, Any] = {"name": "prisoners_dilemma", "rounds": 3}
BUFFER: dict[str, Any] = {"size": 2, "every": 1, "probability": 0.7}
CRITIC: dict[str, Any] = {"learning_rate": 0.05, "steps": 3, "gae_lambda": 0.9}
RANDOM = Agent("random", Kind.SCRIPTED)
SMALL: dict[str, Any] = {
    **{"credit": "advantage_alignment", "discount": 0.9, "reward_scale": 5.0, "beta": 0.5},
    **{"iterations": 4, "matches": 8, "group_size": 4, "max_new_tokens": 6},
    **{"lora_rank": 2, "lora_alpha": 4.0, "learning_rate": 0.01, "checkpoint_every": 1},
}


def training_settings(**changes: Any) -> TrainingSettings:
    """Settings of a small training, with these changes."""
    return TrainingSettings(**{**SMALL, **changes})


def run_training(
    model: Path,
    output: Path,
    game: Mapping[str, Any] = GAME,
    *,
    seed: int = 0,
    opponent: Agent | None = None,
    code: str = "",
    **changes: Any,
) -> Path:
    """Train with these changes of the settings; gives `output`."""
    settings = training_settings(**changes)
    launch(
        train,
        world_size=settings.world_size,
        model=model,
        game=game,
        settings=settings,
        seed=seed,
        output=output,
        opponent=opponent,
        code=code,
    )
    return output


def run_pair(model: Path, output: Path, *credits: Credit, seed: int = 0, **changes: Any) -> Path:
    """Train learners of these kinds of credit against each other; gives `output`."""
    settings = [training_settings(credit=credit, **changes) for credit in credits]
    launch(
        train_pair,
        world_size=settings[0].world_size,
        model=model,
        game=GAME,
        settings=settings,
        seed=seed,
        output=output,
    )
    return output


@contextmanager
def sampled_iterations(stop_at: int | None = None) -> Iterator[list[int]]:
    """Collects the iterations that are sampled; a run is interrupted after it has sampled `stop_at`."""
    iterations: list[int] = []
    play = Rollouts._play

    def noting(self: Rollouts, iteration: int) -> Any:
        iterations.append(iteration)
        played = play(self, iteration)
        if iteration == stop_at:
            raise KeyboardInterrupt
        return played

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rollouts, "_play", noting)
        yield iterations


def interrupt_training(model: Path, output: Path, iteration: int, **options: Any) -> None:
    """Interrupt a training between the sampling and the update of an iteration."""
    with sampled_iterations(stop_at=iteration), pytest.raises(KeyboardInterrupt):
        run_training(model, output, **options)
    assert not (output / "adapter").exists()


def kill_training(
    model: Path, output: Path, awaited: str, after: float = 0, **changes: Any
) -> None:
    """Kill the process of a training some seconds after it has written what is awaited, before it ends."""
    process = get_context("spawn").Process(
        target=run_training, args=(model, output), kwargs=changes
    )
    process.start()
    deadline = time.monotonic() + 120
    while not (output / awaited).exists():
        assert process.is_alive(), "it ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(after)
    process.kill()
    process.join()
    assert process.exitcode == -SIGKILL


def metrics(output: Path) -> pd.DataFrame:
    """The metrics of a run, except the columns of seconds."""
    return pd.read_csv(output / "metrics.csv").filter(regex="^(?!seconds_)")


def weights(output: Path) -> bytes:
    """The adapter of a run."""
    return (output / "adapter" / "adapter_model.safetensors").read_bytes()


def assert_same(one: Path, other: Path) -> None:
    """Two runs have the same adapter, byte for byte, and the same metrics."""
    assert weights(one) == weights(other)
    pd.testing.assert_frame_equal(metrics(one), metrics(other), check_exact=True)
