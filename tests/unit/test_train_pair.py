"""Two learners at once: each learns as it would if the other didn't, from the same matches."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from peft.utils import load_peft_weights
from tests.unit.training_run import (
    CRITIC,
    GAME,
    metrics,
    run_pair,
    sampled_iterations,
    training_settings,
)
from torch import Tensor

from social_dilemmas.agents.agent import Agent
from social_dilemmas.config.schema.training import Credit
from social_dilemmas.games import game_of
from social_dilemmas.method import rollout as rollout_module
from social_dilemmas.method.learner import Learner
from social_dilemmas.method.rollout import Rollouts, Seating, seat_learner
from social_dilemmas.method.train import learn
from social_dilemmas.method.train_pair import LEARNERS
from social_dilemmas.policy.adapters import LEARNER
from social_dilemmas.policy.model import LanguageModel, load_model
from social_dilemmas.policy.policy import Policy
from social_dilemmas.run.ranks import ALONE, Ranks

CREDITS: tuple[Credit, ...] = ("advantage_alignment", "naive")
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "all that may differ": {
        **{"baseline": "critic", "critic": CRITIC, "kl_coefficient": 0.1, "checkpoint_every": 2},
        **{"learning_rate_decay": "linear", "merge_adapter": False},
    },
}


def adapters(output: Path) -> list[dict[str, Tensor]]:
    """The adapters of both learners."""
    paths = [str(output / name / "adapter") for name in LEARNERS]
    return [load_peft_weights(path, device="cpu") for path in paths]


def distance(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


@contextmanager
def gradients() -> Iterator[list[dict[str, Tensor]]]:
    """Collects the gradient of every step, by the names that parameters have in files."""
    found, step = [], Learner.step

    def noting(self: Learner, iteration: int, ranks: Ranks) -> float:
        parameters = self.policy.model.named_parameters()
        own = {key: value for key, value in parameters if f".{self.name}." in key}
        found.append({key.replace(f".{self.name}", ""): own[key].grad.clone() for key in own})
        return step(self, iteration, ranks)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Learner, "step", noting)
        yield found


def in_other_seats(*arguments: Any, **options: Any) -> list[Seating]:
    """The same matches, and the learner where its opponent was."""
    seatings = seat_learner(*arguments, **options)
    return [replace(each.mirrored(), agents=each.agents[::-1]) for each in seatings]


@pytest.mark.parametrize("merge_adapter", [True, False])
def test_each_gradient_is_that_of_a_training_against_the_other_as_it_is(
    merge_adapter: bool, base_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the second iteration, when both have learned something."""
    changes: dict[str, Any] = {"learning_rate": 0.05, "merge_adapter": merge_adapter}
    before = run_pair(base_model, tmp_path / "before", *CREDITS, iterations=1, **changes)
    with gradients() as in_pair:
        run_pair(base_model, tmp_path / "after", *CREDITS, iterations=2, **changes)
    assert len(in_pair) == 4
    for number, credit in enumerate(CREDITS):
        if number == 1:
            monkeypatch.setattr(rollout_module, "seat_learner", in_other_seats)
        settings = training_settings(credit=credit, **changes)
        other = Agent("other", adapter=str(before / LEARNERS[1 - number] / "adapter"))
        policy = Policy(load_model(base_model, "cpu"), game_of(GAME))
        learner = Learner(policy, settings, 0, opponent=other)
        policy.put(LEARNER, adapters(before)[number])
        alone = Rollouts(learner, GAME, seed=0, folder=tmp_path, ranks=ALONE)
        with gradients() as expected:
            learn(learner, alone.sample(1), 1, ALONE, 0.0)
        assert distance(in_pair[2 + number], expected[0]) < 1e-6
        assert max(float(each.abs().max()) for each in expected[0].values()) > 1e-3


def test_both_learn_and_see_the_same_matches(base_model: Path, tmp_path: Path) -> None:
    output = run_pair(base_model, tmp_path / "pair", *CREDITS)
    assert distance(*adapters(output)) > 1e-3
    table = metrics(output).set_index("iteration")
    assert table["learner"].tolist() == [1, 2] * 4
    first, second = (table[table["learner"] == number] for number in (1, 2))
    pd.testing.assert_series_equal(first["payoff"], second["payoff_opponent"], check_names=False)
    pd.testing.assert_series_equal(first["payoff_opponent"], second["payoff"], check_names=False)
    assert (first["loss"] != second["loss"]).all()
    twins = adapters(run_pair(base_model, tmp_path / "twins", "naive", "naive", iterations=1))
    assert distance(*twins) > 1e-3  # though both had the same algorithm: they begin elsewhere


def test_each_sits_in_every_seat(base_model: Path, tmp_path: Path) -> None:
    settings = training_settings()
    policy = Policy(load_model(base_model, "cpu"), game_of(GAME))
    Learner(policy, settings, 1, name="second")
    learner = Learner(policy, settings, 0, opponent=Agent("second", adapter="second"))
    rollouts = Rollouts(learner, GAME, seed=0, folder=tmp_path, ranks=ALONE)
    first, second = rollouts.sample_for_both(0)
    assert first.groups.tolist() == [0] * 4 + [3] * 4  # twice the group, and the seat
    assert second.groups.tolist() == [1] * 4 + [2] * 4
    assert torch.equal(first.rewards, second.rewards_opponent)
    assert not torch.equal(first.rewards, second.rewards)


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_interrupted_pair_ends_in_the_same_bytes(
    variant: str, base_model: Path, tmp_path: Path
) -> None:
    changes = VARIANTS[variant]
    for iteration in (2, 3):
        with sampled_iterations(stop_at=iteration), pytest.raises(KeyboardInterrupt):
            run_pair(base_model, tmp_path / "broken", *CREDITS, **changes)
    with sampled_iterations() as sampled:
        run_pair(base_model, tmp_path / "broken", *CREDITS, **changes)
    assert sampled == ([3] if variant == "plain" else [2, 3])
    run_pair(base_model, tmp_path / "whole", *CREDITS, **changes)
    broken, whole = (sorted((tmp_path / name).rglob("*.*")) for name in ("broken", "whole"))
    assert len(broken) == len(whole) == 8
    for one, other in zip(broken, whole, strict=True):
        if one.name != "metrics.csv":  # which has times
            assert one.read_bytes() == other.read_bytes(), one
    pd.testing.assert_frame_equal(metrics(tmp_path / "broken"), metrics(tmp_path / "whole"))


def test_naive_learners_come_to_defect(base_model: Path, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"iterations": 20, "learning_rate": 0.03}
    changes |= {"matches": 32, "group_size": 32}
    run_pair(base_model, tmp_path, "naive", "naive", **changes)
    payoffs = metrics(tmp_path).pivot(index="iteration", columns="learner", values="payoff")
    assert payoffs.iloc[0].mean() > 1.6
    assert (payoffs.iloc[-4:].mean() < 1.15).all()


@pytest.mark.slow
def test_two_ranks_equal_one(base_model: Path, tmp_path: Path) -> None:
    """In double precision: of the rounding of others, Adam makes more or less by the processor."""
    loaded = load_model(base_model, "cpu")
    LanguageModel(loaded.model.double(), loaded.chat, tmp_path).save(tmp_path / "base")
    one, two = (
        run_pair(tmp_path / "base", tmp_path / str(n), *CREDITS, learning_rate=0.001, world_size=n)
        for n in (1, 2)
    )
    for first, second in zip(adapters(one), adapters(two), strict=True):
        assert distance(first, second) < 1e-5
    pd.testing.assert_frame_equal(metrics(one), metrics(two), rtol=2e-4, atol=1e-6)
