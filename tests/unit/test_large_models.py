"""Training large models: half precision, activation checkpointing, micro-batches by tokens."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft.utils import load_peft_weights
from tests.unit.mixed_adapters import random_policy
from tests.unit.scripted_trajectories import scripted_trajectories
from tests.unit.training_run import BUFFER, run_training, training_settings
from torch import Tensor

from social_dilemmas.games import build_game
from social_dilemmas.method.critic import round_states
from social_dilemmas.method.learner import Learner
from social_dilemmas.method.loss import add_gradients, micro_batches
from social_dilemmas.policy.activation_checkpointing import enable_activation_checkpointing
from social_dilemmas.policy.log_probabilities import action_log_probabilities
from social_dilemmas.policy.model import LanguageModel, load_model
from social_dilemmas.policy.policy import Policy
from social_dilemmas.policy.trajectory import Trajectory, collate
from social_dilemmas.run.ranks import ALONE

GAME = build_game("trust_and_split", 10)
UPDATE: dict[str, Any] = {
    **{"merge_adapter": False, "temperature": 0.8},
    **{"entropy_coefficient": 0.05, "kl_coefficient": 0.1},
}
Gradients = dict[str, Tensor]


@pytest.fixture(scope="module")
def half_model(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model in half precision."""
    path = tmp_path_factory.mktemp("half") / "model"
    loaded = load_model(base_model, "cpu")
    LanguageModel(loaded.model.to(torch.bfloat16), loaded.chat, path).save(path)
    return path


@pytest.fixture(scope="module")
def trajectories(tiny: LanguageModel) -> list[Trajectory]:
    return scripted_trajectories(tiny, "trust_and_split", (1, 2, 3, 4, 2))


def random_learner(path: Path) -> Policy:
    """The model at this path under an adapter that does something, the same for all."""
    return random_policy(path, GAME, scale=0.1)


def gradients(
    policy: Policy, trajectories: list[Trajectory], **changes: Any
) -> tuple[dict[str, float], Gradients]:
    """Sums and gradients of an update with some credit."""
    generator = torch.Generator().manual_seed(1)
    policy.model.zero_grad()
    sums = add_gradients(
        policy,
        trajectories,
        torch.randn(len(trajectories), 4, generator=generator),
        training_settings(**{**UPDATE, **changes}),
        total=sum(len(trajectory.positions) for trajectory in trajectories),
    )
    parameters = policy.model.named_parameters()
    return sums, {name: p.grad.clone() for name, p in parameters if p.grad is not None}


def trained_parameters(policy: Policy) -> dict[str, Tensor]:
    return {name: p for name, p in policy.model.named_parameters() if p.requires_grad}


def assert_same(one: tuple[Any, Gradients], other: tuple[Any, Gradients]) -> None:
    assert one[0] == pytest.approx(other[0], rel=1e-4, abs=1e-6)
    assert one[1].keys() == other[1].keys()
    for name, gradient in one[1].items():
        assert gradient.abs().max() > 0
        torch.testing.assert_close(gradient, other[1][name], atol=1e-6, rtol=1e-4)


def flat(values: Gradients) -> Tensor:
    return torch.cat([value.flatten().float() for value in values.values()])


# Activation checkpointing


def test_activation_checkpointing_of_merged_adapters_changes_no_gradient(
    base_model: Path, trajectories: list[Trajectory]
) -> None:
    plain = gradients(random_learner(base_model), trajectories, merge_adapter=True)
    policy = random_learner(base_model)
    enable_activation_checkpointing(policy.language_model.model)
    found = gradients(policy, trajectories, merge_adapter=True, activation_checkpointing=True)
    assert_same(found, plain)


def test_sampling_mixes_adapters_also_with_activation_checkpointing(
    base_model: Path, tmp_path: Path
) -> None:
    """Past agents play along."""
    found = []
    for enabled in (False, True):
        output = run_training(
            base_model,
            tmp_path / str(enabled),
            buffer=BUFFER,
            merge_adapter=False,
            activation_checkpointing=enabled,
        )
        found.append(load_peft_weights(str(output / "adapter"), device="cpu"))
    for name, value in found[0].items():
        torch.testing.assert_close(value, found[1][name], atol=1e-5, rtol=0)


# Micro-batches by tokens


@pytest.mark.parametrize(
    ("conversations", "most", "expected"),
    [
        (["aaa", "bb", "c"], 5, [[0, 1], [2]]),
        (["aaa", "bb", "c"], 6, [[0, 1, 2]]),
        (["abcd", "xy", "abce", "abcd"], 5, [[0, 3, 2], [1]]),  # five tokens, what is alike once
        (["abcd", "abce", "abcf"], 5, [[0, 1], [2]]),  # in a pass of its own all of it is computed
        (["a", "bbbbbbbb", "c"], 3, [[0], [1], [2]]),  # what is longer than the limit goes alone
    ],
)
def test_micro_batches(conversations: list[str], most: int, expected: list[list[int]]) -> None:
    assert micro_batches([*map(trajectory_of, conversations)], most) == expected


def trajectory_of(letters: str) -> Trajectory:
    return Trajectory([*map(ord, letters)])


@given(st.lists(st.text("ab", min_size=1, max_size=9), min_size=1, max_size=30), st.integers(1, 40))
def test_every_conversation_is_in_one_micro_batch_within_the_limit(
    conversations: list[str], most: int
) -> None:
    batches = micro_batches([*map(trajectory_of, conversations)], most)
    assert sorted(row for batch in batches for row in batch) == [*range(len(conversations))]
    for batch in batches:
        parts = [conversations[row] for row in batch]
        computed = {part[: end + 1] for part in parts for end in range(len(part))}
        assert len(computed) <= most or len({*parts}) == 1
    distinct = [{conversations[row] for row in batch} for batch in batches]
    assert sum(map(len, distinct)) == len({*conversations})  # equal ones stay together


@pytest.mark.parametrize("most_tokens", [1, 150, 400])
def test_micro_batches_by_tokens_change_no_gradient(
    most_tokens: int, base_model: Path, trajectories: list[Trajectory]
) -> None:
    plain = gradients(random_learner(base_model), trajectories)
    found = gradients(random_learner(base_model), trajectories, micro_batch_tokens=most_tokens)
    assert_same(found, plain)


def test_a_critic_s_states_are_those_of_their_rows(
    base_model: Path, trajectories: list[Trajectory]
) -> None:
    policy = random_learner(base_model)
    plain, by_tokens = (
        round_states(policy, trajectories, 4, training_settings(**UPDATE, micro_batch_tokens=most))
        for most in (8192, 120)
    )
    torch.testing.assert_close(plain[0], by_tokens[0], atol=1e-5, rtol=0)
    assert torch.equal(plain[1], by_tokens[1])


# Half precision


def test_in_half_precision_the_adapter_and_the_softmax_are_not(
    half_model: Path, trajectories: list[Trajectory]
) -> None:
    policy = random_learner(half_model)
    for name, parameter in policy.model.named_parameters():
        expected = torch.float32 if parameter.requires_grad else torch.bfloat16
        assert parameter.dtype == expected, name
    batch = collate(trajectories)
    for values in action_log_probabilities(policy.model, batch, policy.masks.allowed):
        assert values.dtype == torch.float32


def test_half_precision_comes_near_to_full_precision(
    half_model: Path, base_model: Path, trajectories: list[Trajectory]
) -> None:
    """The loss, its gradients, and where some steps of Adam lead."""
    half, full = random_learner(half_model), random_learner(base_model)
    found, expected = (gradients(policy, trajectories) for policy in (half, full))
    assert found[0] == pytest.approx(expected[0], rel=0.05)
    assert all(gradient.dtype == torch.float32 for gradient in found[1].values())
    similarity = torch.cosine_similarity(flat(found[1]), flat(expected[1]), dim=0)
    assert similarity > 0.99
    start = flat(trained_parameters(full))
    ends = []
    for policy in (half, full):
        trained = trained_parameters(policy)
        optimizer = torch.optim.Adam(trained.values(), lr=0.003)
        for _ in range(5):
            gradients(policy, trajectories)
            optimizer.step()
        ends.append(flat(trained).detach())
    assert (ends[0] - ends[1]).norm() < 0.15 * (ends[1] - start).norm()


def test_a_run_in_half_precision_saves_full_precision(half_model: Path, tmp_path: Path) -> None:
    run_training(half_model, tmp_path, buffer=BUFFER, activation_checkpointing=True)
    saved = load_peft_weights(str(tmp_path / "adapter"), device="cpu")
    assert {value.dtype for value in saved.values()} == {torch.float32}


def test_the_optimiser_knows_adapters_only(
    half_model: Path, trajectories: list[Trajectory]
) -> None:
    """Two float32 moments for each number of the adapter; the model's own numbers stay as they are."""
    policy = Policy(load_model(half_model, "cpu"), GAME)
    learner = Learner(policy, training_settings(activation_checkpointing=True), seed=0)
    start = {name: p.detach().clone() for name, p in policy.model.named_parameters()}
    trained = trained_parameters(policy)
    for iteration in range(3):
        gradients(policy, trajectories, activation_checkpointing=True)
        learner.step(iteration, ALONE)
    for name, parameter in policy.model.named_parameters():
        assert torch.equal(parameter, start[name]) != (name in trained), name
    assert all("lora_" in name for name in trained)
    stored = learner.checkpoint(3, "").optimizer
    assert len(stored) == 3 * len(trained)  # with the number of steps
    for name, parameter in trained.items():
        for average in ("exp_avg", "exp_avg_sq"):
            assert stored[f"{name}/{average}"].shape == parameter.shape
            assert stored[f"{name}/{average}"].dtype == torch.float32
