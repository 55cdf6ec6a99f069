"""Training large models: half precision, activation checkpointing, micro-batches by tokens."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import PeftModel
from peft.utils import load_peft_weights
from tests.unit.scripted_trajectories import scripted_trajectories
from torch import Tensor

from social_dilemmas.games import build_game
from social_dilemmas.method.critic import round_states
from social_dilemmas.method.micro_batches import micro_batches
from social_dilemmas.method.train import Trainer
from social_dilemmas.method.update import add_gradients
from social_dilemmas.policy.activation_checkpointing import enable_activation_checkpointing
from social_dilemmas.policy.adapters import attach_learner, folded
from social_dilemmas.policy.log_probabilities import action_log_probabilities
from social_dilemmas.policy.model import LanguageModel, load_model
from social_dilemmas.policy.trajectory import Trajectory, collate

GAME = {"name": "trust_and_split", "rounds": 3, "rules": {}}
UPDATE: dict[str, Any] = {
    **{"micro_batch": 4, "micro_batch_tokens": None, "gradient_checkpointing": False},
    **{"fold_adapter": False, "temperature": 0.8, "entropy_coefficient": 0.05},
    **{"kl_coefficient": 0.1, "kl_estimator": "forward", "sampler": "trainer"},
}
SETTINGS: dict[str, Any] = {
    **UPDATE,
    **{"credit": "advantage_alignment", "baseline": "group", "critic": {}, "processes": 1},
    **{"matches": 4, "group_size": 2, "discount": 0.9, "reward_scale": 50, "beta": 0.5},
    **{"iterations": 3, "lora_rank": 2, "lora_alpha": 4, "max_new_tokens": 6},
    **{"learning_rate": 0.01, "learning_rate_decay": "none", "gradient_clip": 1.0},
    **{"buffer": {"size": 2, "every": 1, "probability": 0.5, "draw": "group"}},
    **{"checkpoint_every": 1, "temperature": 1.0},
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


def learner(path: Path) -> PeftModel:
    """The model at this path under an adapter that does something, the same for all."""
    model = attach_learner(load_model(path, "cpu"), rank=2, alpha=8, seed=0)
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.1
    return model


def gradients(
    model: PeftModel, tiny: LanguageModel, trajectories: list[Trajectory], **changes: Any
) -> tuple[dict[str, float], Gradients]:
    """Sums and gradients of an update with some credit."""
    generator = torch.Generator().manual_seed(1)
    model.zero_grad()
    sums = add_gradients(
        model,
        trajectories,
        torch.randn(len(trajectories), 4, generator=generator),
        total=sum(len(trajectory.positions) for trajectory in trajectories),
        measure_kl=True,
        allowed=tiny.masks(build_game("trust_and_split", 10)).allowed,
        padding=tiny.padding,
        settings={**UPDATE, **changes},
    )
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return sums, found


def assert_same(one: tuple[Any, Gradients], other: tuple[Any, Gradients]) -> None:
    assert one[0] == pytest.approx(other[0], rel=1e-4, abs=1e-6)
    assert one[1].keys() == other[1].keys()
    for name, gradient in one[1].items():
        assert gradient.abs().max() > 0
        torch.testing.assert_close(gradient, other[1][name], atol=1e-6, rtol=1e-4)


def flat(values: Gradients) -> Tensor:
    return torch.cat([value.flatten().float() for value in values.values()])


# Activation checkpointing


@pytest.mark.parametrize("fold", [False, True])
def test_activation_checkpointing_changes_no_gradient(
    fold: bool, base_model: Path, tiny: LanguageModel, trajectories: list[Trajectory]
) -> None:
    plain = gradients(learner(base_model), tiny, trajectories, fold_adapter=fold)
    model = learner(base_model)
    enable_activation_checkpointing(model.get_base_model())
    found = gradients(model, tiny, trajectories, fold_adapter=fold, gradient_checkpointing=True)
    assert_same(found, plain)


def test_sampling_mixes_adapters_also_with_activation_checkpointing(
    base_model: Path, tmp_path: Path
) -> None:
    """Past agents play along, which PEFT refuses in training mode."""
    found = []
    for enabled in (False, True):
        output = tmp_path / str(enabled)
        settings = {**SETTINGS, "gradient_checkpointing": enabled}
        Trainer(base_model, GAME, settings, 0, output).run()
        found.append(load_peft_weights(str(output / "adapter"), device="cpu"))
    for name, value in found[0].items():
        torch.testing.assert_close(value, found[1][name], atol=1e-5, rtol=0)


# Micro-batches by tokens


@pytest.mark.parametrize(
    ("lengths", "most_rows", "most_tokens", "expected"),
    [
        ([5, 9, 1, 7, 3], 2, None, [[0, 1], [2, 3], [4]]),  # without a limit the order is kept
        ([5, 9], 8, None, [[0, 1]]),
        ([5, 9, 1, 7, 3], 8, 14, [[1], [3, 0], [4, 2]]),  # with one, the longest come first
        ([5, 5, 5, 5], 3, 10, [[0, 1], [2, 3]]),
        ([3, 50, 3], 8, 10, [[1], [0, 2]]),  # what is longer than the limit goes alone
    ],
)
def test_micro_batches(
    lengths: list[int], most_rows: int, most_tokens: int | None, expected: list[list[int]]
) -> None:
    assert micro_batches(lengths, most_rows, most_tokens) == expected


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=40),
    st.integers(1, 9),
    st.none() | st.integers(1, 200),
)
def test_every_conversation_is_in_one_micro_batch_within_the_limits(
    lengths: list[int], most_rows: int, most_tokens: int | None
) -> None:
    batches = micro_batches(lengths, most_rows, most_tokens)
    assert sorted(row for batch in batches for row in batch) == [*range(len(lengths))]
    for batch in batches:
        assert 1 <= len(batch) <= most_rows
        padded = len(batch) * max(lengths[row] for row in batch)
        assert most_tokens is None or len(batch) == 1 or padded <= most_tokens


@pytest.mark.parametrize("most_tokens", [1, 150, 400])
def test_micro_batches_by_tokens_change_no_gradient(
    most_tokens: int, base_model: Path, tiny: LanguageModel, trajectories: list[Trajectory]
) -> None:
    plain = gradients(learner(base_model), tiny, trajectories)
    found = gradients(learner(base_model), tiny, trajectories, micro_batch_tokens=most_tokens)
    assert_same(found, plain)


def test_a_critic_s_states_are_those_of_their_rows(
    base_model: Path, tiny: LanguageModel, trajectories: list[Trajectory]
) -> None:
    model = learner(base_model)
    arguments: dict[str, Any] = {"micro_batch": 4, "padding": tiny.padding}
    plain = round_states(model, trajectories, 4, **arguments)
    by_tokens = round_states(model, trajectories, 4, micro_batch_tokens=120, **arguments)
    torch.testing.assert_close(plain[0], by_tokens[0], atol=1e-5, rtol=0)
    assert torch.equal(plain[1], by_tokens[1])


# Half precision


def test_in_half_precision_the_adapter_and_the_softmax_are_not(
    half_model: Path, tiny: LanguageModel, trajectories: list[Trajectory]
) -> None:
    model = learner(half_model)
    for name, parameter in model.named_parameters():
        expected = torch.float32 if parameter.requires_grad else torch.bfloat16
        assert parameter.dtype == expected, name
    batch = collate(trajectories, tiny.padding)
    allowed = tiny.masks(build_game("trust_and_split", 10)).allowed
    for values in action_log_probabilities(model, batch, allowed):
        assert values.dtype == torch.float32


def test_half_precision_comes_near_to_full_precision(
    half_model: Path, base_model: Path, tiny: LanguageModel, trajectories: list[Trajectory]
) -> None:
    """The loss, its gradients, and where some steps of Adam lead."""
    half, full = learner(half_model), learner(base_model)
    found, expected = (gradients(model, tiny, trajectories) for model in (half, full))
    assert found[0] == pytest.approx(expected[0], rel=0.05)
    assert all(gradient.dtype == torch.float32 for gradient in found[1].values())
    similarity = torch.cosine_similarity(flat(found[1]), flat(expected[1]), dim=0)
    assert similarity > 0.99
    start = flat({name: p for name, p in full.named_parameters() if p.requires_grad})
    ends = []
    for model in (half, full):
        trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        optimizer = torch.optim.Adam(trained.values(), lr=0.003)
        for _ in range(5):
            gradients(model, tiny, trajectories)
            optimizer.step()
        ends.append(flat(trained).detach())
    assert (ends[0] - ends[1]).norm() < 0.15 * (ends[1] - start).norm()


def test_folding_leaves_half_precision_alone(
    half_model: Path, tiny: LanguageModel, trajectories: list[Trajectory]
) -> None:
    """A small change of the adapter must not drown in the rounding of the weights."""
    model = learner(half_model)
    plain = gradients(model, tiny, trajectories)
    folding = gradients(model, tiny, trajectories, fold_adapter=True)
    assert plain[0] == folding[0]
    assert all(torch.equal(plain[1][name], folding[1][name]) for name in plain[1])
    with folded(model):
        assert not any("forward" in vars(module) for module in model.modules())


def test_a_run_in_half_precision(half_model: Path, tmp_path: Path) -> None:
    before = load_model(half_model, "cpu").model.state_dict()
    trainer = Trainer(half_model, GAME, {**SETTINGS, "gradient_checkpointing": True}, 0, tmp_path)
    start = {name: p.detach().clone() for name, p in trainer._trained.items()}
    trainer.run()
    assert all(not torch.equal(value, start[name]) for name, value in trainer._trained.items())
    saved = load_peft_weights(str(tmp_path / "adapter"), device="cpu")
    assert {value.dtype for value in saved.values()} == {torch.float32}
    base = trainer.model.get_base_model().state_dict()
    held = {name.replace(".base_layer", ""): value for name, value in base.items()}
    assert all(torch.equal(value, held[name]) for name, value in before.items())


def test_the_optimiser_knows_adapters_only(half_model: Path, tmp_path: Path) -> None:
    """Two float32 moments for each number of the adapter, and none for the model's own."""
    trainer = Trainer(half_model, GAME, SETTINGS, 0, tmp_path)
    trainer.run()
    state = trainer._optimizer.state
    assert {id(parameter) for parameter in state} == {id(p) for p in trainer._trained.values()}
    assert all("lora_" in name for name in trainer._trained)
    for parameter, moments in state.items():
        for name in ("exp_avg", "exp_avg_sq"):
            assert moments[name].shape == parameter.shape
            assert moments[name].dtype == torch.float32
