"""Training on a tiny model: it learns, depends on nothing but its settings, and survives any interruption."""

import shutil
from collections.abc import Callable
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from peft.utils import load_peft_weights
from tests.unit.training_run import (
    BUFFER,
    CRITIC,
    RANDOM,
    assert_same,
    interrupt_training,
    kill_training,
    metrics,
    run_training,
    sampled_iterations,
)

from social_dilemmas.agents.agent import WARM_START, Agent, Kind

FROZEN = "frozen"
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "another seed": {"seed": 1},
    "buffer": {"buffer": BUFFER},
    "rare checkpoints, not merged": {"checkpoint_every": 2, "merge_adapter": False},
    "coefficients": {
        **{"kl_coefficient": 0.1, "entropy_coefficient": 0.05, "kl_estimator": "reverse"},
        **{"learning_rate_decay": "linear", "buffer": {**BUFFER, "draw": "match"}},
    },
    "critic": {"baseline": "critic", "critic": CRITIC},
    "critic, buffer, not merged": {
        **{"baseline": "critic", "critic": CRITIC, "buffer": BUFFER, "merge_adapter": False},
    },
    "against a frozen adapter": {"opponent": FROZEN},
    "against a frozen adapter, not merged": {"opponent": FROZEN, "merge_adapter": False},
    "naive, buffer": {"credit": "naive", "buffer": {**BUFFER, "size": 9, "from_start": True}},
    "sum of rewards, buffer": {
        **{"credit": "sum_of_rewards", "buffer": {**BUFFER, "from_start": True}},
    },
    "one seat": {"learning_seats": "one"},
    "scripted players, preferences, clipped steps": {
        **{"pool": {"scripted": ["grim", "always_defect"], "probability": 0.5}, "buffer": BUFFER},
        **{"preferences": {"angle": 20.0, "envy": 0.5, "memory": 0.9}, "normalise": "group_std"},
        **{"epochs": 3, "clip_ratio": 0.1, "credit": "advantage_alignment_past"},
    },
    "against the model": {"opponent": Agent(WARM_START)},
    "against a script": {"opponent": RANDOM},
    "trembles": {"tremble": 0.3},
}
SAME_BUT_FOR_ROUNDING = {
    "rare checkpoints, not merged": "plain",
    "against a frozen adapter, not merged": "against a frozen adapter",
}

Train = Callable[[str], Path]


def with_opponent(changes: dict[str, Any], frozen: Path) -> dict[str, Any]:
    """These changes, with the frozen agent where they name it."""
    if changes.get("opponent") == FROZEN:
        return {**changes, "opponent": Agent("naive", adapter=str(frozen))}
    return changes


@pytest.fixture(scope="module")
def frozen(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained adapter of another rank and scale than the learner's."""
    output = tmp_path_factory.mktemp("frozen")
    run_training(
        base_model, output, seed=5, lora_rank=3, lora_alpha=24.0, learning_rate=0.05, iterations=2
    )
    return output / "adapter"


@pytest.fixture(scope="module")
def whole(base_model: Path, frozen: Path, tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Gives the uninterrupted run of a variant."""

    @cache
    def trained(variant: str) -> Path:
        output = tmp_path_factory.mktemp("whole") / "run"
        return run_training(base_model, output, **with_opponent(VARIANTS[variant], frozen))

    return trained


@pytest.fixture(scope="module")
def interrupted(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain run that was interrupted before its last update."""
    output = tmp_path_factory.mktemp("interrupted") / "run"
    interrupt_training(base_model, output, 3)
    return output


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_interrupted_run_ends_in_the_same_bytes(
    variant: str, base_model: Path, frozen: Path, whole: Train, tmp_path: Path
) -> None:
    changes = with_opponent(VARIANTS[variant], frozen)
    interrupt_training(base_model, tmp_path, 2, **changes)
    assert len(metrics(tmp_path)) == 2
    interrupt_training(base_model, tmp_path, 3, **changes)
    run_training(base_model, tmp_path, **changes)
    assert_same(tmp_path, whole(variant))
    assert metrics(tmp_path)["iteration"].tolist() == [0, 1, 2, 3]
    assert (tmp_path / "config.yaml").read_text() == (whole(variant) / "config.yaml").read_text()


def test_the_variants_differ(whole: Train) -> None:
    """Otherwise the test above would show little."""
    found = {
        name: load_peft_weights(str(whole(name) / "adapter"), device="cpu") for name in VARIANTS
    }

    def distance(one: str, other: str) -> float:
        return max(float((found[one][key] - found[other][key]).abs().max()) for key in found[one])

    for name, twin in SAME_BUT_FOR_ROUNDING.items():
        assert distance(name, twin) < 1e-4
    for pair in combinations(sorted(VARIANTS.keys() - SAME_BUT_FOR_ROUNDING), 2):
        assert distance(*pair) > 1e-3, pair


def test_a_single_step_is_not_clipped(base_model: Path, whole: Train, tmp_path: Path) -> None:
    assert_same(run_training(base_model, tmp_path, clip_ratio=1e-6), whole("plain"))


def test_several_steps_on_the_same_matches_go_further(base_model: Path, tmp_path: Path) -> None:
    """The first one is the same, and that is what the metrics are of."""
    changes: dict[str, Any] = {"iterations": 1, "learning_rate": 0.05}
    single = run_training(base_model, tmp_path / "single", **changes)
    several = run_training(base_model, tmp_path / "several", epochs=4, **changes)
    one, other = (
        load_peft_weights(str(run / "adapter"), device="cpu") for run in (single, several)
    )
    assert max(float((one[key] - other[key]).abs().max()) for key in one) > 0.05
    both = metrics(single).drop(columns="loss"), metrics(several).drop(columns="loss")
    pd.testing.assert_frame_equal(*both, rtol=1e-4)


RESUMED, STARTED_ANEW = [3], [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("changes", "iterations"),
    [
        ({}, RESUMED),
        ({"micro_batch_tokens": 99}, RESUMED),
        ({"activation_checkpointing": True}, RESUMED),
        ({"seed": 1}, STARTED_ANEW),
        ({"beta": 0.4}, STARTED_ANEW),
        ({"learning_rate": 0.02}, STARTED_ANEW),
        ({"code": "edited"}, STARTED_ANEW),
    ],
)
def test_only_changes_beyond_rounding_start_anew(
    changes: dict[str, Any],
    iterations: list[int],
    base_model: Path,
    interrupted: Path,
    tmp_path: Path,
) -> None:
    shutil.copytree(interrupted, tmp_path / "reused")
    with sampled_iterations() as sampled:
        run_training(base_model, tmp_path / "reused", **changes)
    assert sampled == iterations
    if iterations == STARTED_ANEW:
        assert_same(tmp_path / "reused", run_training(base_model, tmp_path / "fresh", **changes))


def test_another_opponent_in_the_same_place_starts_anew(
    base_model: Path, frozen: Path, tmp_path: Path
) -> None:
    place = tmp_path / "place"
    opponent = Agent("naive", adapter=str(place))
    place.symlink_to(frozen)
    interrupt_training(base_model, tmp_path / "reused", 3, opponent=opponent)
    other = run_training(base_model, tmp_path / "other", seed=6, learning_rate=0.05)
    place.unlink()
    place.symlink_to(other / "adapter")
    run_training(base_model, tmp_path / "reused", opponent=opponent)
    assert_same(
        tmp_path / "reused", run_training(base_model, tmp_path / "fresh", opponent=opponent)
    )


def test_a_damaged_checkpoint_costs_an_iteration_and_no_more(
    base_model: Path, whole: Train, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    interrupt_training(base_model, tmp_path, 3)
    damaged = tmp_path / "checkpoints" / "iteration-000003" / "learner.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-20])
    with sampled_iterations() as sampled:
        run_training(base_model, tmp_path)
    assert sampled == [2, 3]
    assert_same(tmp_path, whole("plain"))
    assert any("damaged checkpoint" in record.getMessage() for record in caplog.records)


def test_a_killed_process_resumes(
    base_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: dict[str, Any] = {"buffer": BUFFER, "baseline": "critic", "critic": CRITIC}
    changes |= {"iterations": 20, "checkpoint_every": 2}
    broken = tmp_path / "broken"
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    kill_training(base_model, broken, "checkpoints/iteration-000004", **changes)
    assert 4 <= len(metrics(broken)) < 20
    run_training(base_model, broken, **changes)
    run_training(base_model, tmp_path / "whole", **changes)
    assert_same(broken, tmp_path / "whole")


@pytest.mark.parametrize(
    ("credit", "better", "best"), [("naive", "payoff", 5), ("sum_of_rewards", "payoff_opponent", 3)]
)
def test_learning_pays(
    credit: str, better: str, best: float, base_model: Path, tmp_path: Path
) -> None:
    """Naive learners come to defect against a cooperator, learners for the sum to cooperate with it."""
    changes: dict[str, Any] = {"iterations": 15, "learning_rate": 0.03}
    changes |= {"matches": 32, "group_size": 32}
    opponent = Agent("always_cooperate", Kind.SCRIPTED)
    run_training(base_model, tmp_path, credit=credit, opponent=opponent, **changes)
    found = metrics(tmp_path)[better]
    assert found.iloc[0] < best - 0.25
    assert found.iloc[-4:].mean() > best - 0.12
