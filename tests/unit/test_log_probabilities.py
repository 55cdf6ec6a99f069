"""Log-probabilities of action tokens: against a computation token by token, in chunks, and with checkpointing."""

import math
from pathlib import Path
from random import Random

import pytest
import torch
from peft import PeftModel
from tests.conftest import GAMES
from tests.unit.conftest import PUBLISHED, BaseOf
from tests.unit.mixed_adapters import random_policy
from tests.unit.scripted_trajectories import scripted_trajectories
from torch import Tensor

from social_dilemmas.errors import UserError
from social_dilemmas.games import build_game
from social_dilemmas.policy import log_probabilities
from social_dilemmas.policy.activation_checkpointing import (
    activation_checkpointing,
    enable_activation_checkpointing,
)
from social_dilemmas.policy.log_probabilities import action_log_probabilities, chunk_size
from social_dilemmas.policy.masks import AllowedTokens
from social_dilemmas.policy.model import LanguageModel
from social_dilemmas.policy.trajectory import Trajectory, TrajectoryBatch, collate

TEMPERATURE = 0.7


@pytest.fixture(params=GAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def table_of(language_model: LanguageModel, name: str) -> AllowedTokens:
    return language_model.masks(build_game(name, 10)).allowed


@pytest.fixture(scope="module")
def allowed(tiny: LanguageModel) -> AllowedTokens:
    return table_of(tiny, "trust_and_split")


def assert_right(language_model: LanguageModel, name: str) -> None:
    """Compare with the softmax over the allowed tokens, one action token at a time."""
    trajectories = scripted_trajectories(language_model, name)
    allowed = table_of(language_model, name)
    batch = collate(trajectories)
    model, index = language_model.model, 0
    with torch.no_grad():
        found, entropies = action_log_probabilities(model, batch, allowed, TEMPERATURE)
        for trajectory in trajectories:
            logits = model(torch.tensor([trajectory.tokens])).logits[0].double() / TEMPERATURE
            for position, state in zip(trajectory.positions, trajectory.states, strict=True):
                options = allowed[state].nonzero()[:, 0].tolist()
                weights = {t: math.exp(logits[position - 1, t]) for t in options}
                total = sum(weights.values())
                chosen = weights[trajectory.tokens[position]] / total
                entropy = -sum(w / total * math.log(w / total) for w in weights.values())
                assert found[index].item() == pytest.approx(math.log(chosen), abs=1e-4)
                assert entropies[index].item() == pytest.approx(entropy, abs=1e-4)
                index += 1
    assert index == batch.size == len(found) == len(entropies)


def test_equals_a_computation_token_by_token(tiny: LanguageModel, name: str) -> None:
    assert_right(tiny, name)


@pytest.mark.parametrize("family", PUBLISHED)
def test_it_does_so_in_every_family(base_of: BaseOf, family: str) -> None:
    assert_right(base_of(family), "split")


def test_action_tokens_are_a_player_s_free_choices(tiny: LanguageModel, name: str) -> None:
    """Every choice counts once: one for an action or a number of coins, three for claims on three kinds of items."""
    masks = tiny.masks(build_game(name, 10))
    choices = {"prisoners_dilemma": 1, "split": 3}
    for trajectory in scripted_trajectories(tiny, name):
        rounds = 1 + trajectory.rounds[-1]
        if name in choices:
            assert len(trajectory.positions) == rounds * choices[name]
        assert sorted(trajectory.rounds) == trajectory.rounds
        assert {*trajectory.rounds} == {*range(rounds)}
        for position, state in zip(trajectory.positions, trajectory.states, strict=True):
            assert masks.forced[state] is None
            assert masks.allowed[state, trajectory.tokens[position]]


def test_probabilities_of_what_is_allowed_add_up_to_one(tiny: LanguageModel) -> None:
    """Whatever the masks don't allow has no probability."""
    allowed = table_of(tiny, "prisoners_dilemma")
    one = scripted_trajectories(tiny, "prisoners_dilemma")[0]

    @torch.no_grad()
    def log_probability(token: int) -> Tensor:
        tokens = [*one.tokens]
        tokens[one.positions[0]] = token
        batch = collate([Trajectory(tokens, one.positions, one.states, one.rounds)])
        return action_log_probabilities(tiny.model, batch, allowed)[0][0]

    options = allowed[one.states[0]]
    inside = options.nonzero()[:, 0].tolist()
    assert sum(log_probability(token).exp().item() for token in inside) == pytest.approx(1)
    assert log_probability(int((~options).nonzero()[0, 0])) == -torch.inf


@torch.no_grad()
def test_other_conversations_change_nothing(tiny: LanguageModel, allowed: AllowedTokens) -> None:
    trajectories = scripted_trajectories(tiny, "trust_and_split")
    together = action_log_probabilities(tiny.model, collate(trajectories), allowed)
    alone = [action_log_probabilities(tiny.model, collate([t]), allowed) for t in trajectories]
    for index in (0, 1):
        separate = torch.cat([values[index] for values in alone])
        torch.testing.assert_close(together[index], separate, atol=1e-5, rtol=0)


def test_collate_keeps_all_action_tokens_in_order() -> None:
    short = Trajectory([5, 6, 7], [1], [3], [0])
    long = Trajectory([5, 6, 7, 8, 9], [2, 4], [3, 4], [0, 1])
    batch = collate([short, long])
    assert batch.tree.tokens.tolist() == [5, 6, 7, 8, 9]
    assert batch.before.tolist() == [0, 1, 3]
    assert batch.conversation.tolist() == [0, 1, 1]
    assert batch.position.tolist() == [1, 2, 4]
    assert batch.state.tolist() == [3, 3, 4]
    assert batch.round.tolist() == [0, 0, 1]
    assert batch.target.tolist() == [6, 7, 9]


# What large models need: logits in chunks, and activation checkpointing


@pytest.fixture(scope="module")
def batch(tiny: LanguageModel) -> TrajectoryBatch:
    found = scripted_trajectories(tiny, "trust_and_split", (1, 2, 3, 4, 2))
    return collate(found)


@pytest.fixture
def small_chunks(tiny: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for the logits of three tokens."""
    vocabulary = tiny.model.config.vocab_size
    size = 3 * log_probabilities.BYTES_PER_LOGIT * vocabulary
    monkeypatch.setattr(log_probabilities, "CHUNK_BYTES", size)
    assert chunk_size(vocabulary) == 3


@pytest.fixture
def adapted(base_model: Path) -> PeftModel:
    """The tiny model under an adapter that does something, the same every time."""
    return random_policy(base_model, scale=0.1).model


def scored(
    model: PeftModel, batch: TrajectoryBatch, allowed: AllowedTokens, checkpointing: bool = False
) -> dict[str, Tensor]:
    """Log-probabilities, entropies, and the gradients of a weighted sum of both."""
    random = Random(0)
    weights = torch.tensor([random.gauss(0, 1) for _ in range(batch.size)])
    model.zero_grad()
    with activation_checkpointing(model, checkpointing):
        values, entropies = action_log_probabilities(model, batch, allowed)
        (weights @ (values + entropies) / batch.size).backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    assert {*gradients} == {name for name, p in model.named_parameters() if p.requires_grad}
    assert all("lora_" in name and gradient.abs().max() > 0 for name, gradient in gradients.items())
    return {"values": values.detach(), "entropies": entropies.detach(), **gradients}


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    for name, values in one.items():
        torch.testing.assert_close(values, other[name], atol=1e-6, rtol=1e-4)


def test_chunks_change_neither_values_nor_gradients(
    adapted: PeftModel,
    batch: TrajectoryBatch,
    allowed: AllowedTokens,
    request: pytest.FixtureRequest,
) -> None:
    whole = scored(adapted, batch, allowed)
    request.getfixturevalue("small_chunks")
    assert_same(scored(adapted, batch, allowed), whole)


@pytest.mark.usefixtures("small_chunks")
def test_logits_of_one_chunk_are_in_memory_at_a_time(
    adapted: PeftModel, batch: TrajectoryBatch, allowed: AllowedTokens
) -> None:
    """Neither computed at a time, nor kept for the backward pass."""
    assert batch.size > 20
    computed: list[int] = []
    head = adapted.get_output_embeddings()
    head.register_forward_hook(lambda module, inputs, output: computed.append(len(output)))
    kept: list[int] = []

    def keep(tensor: Tensor) -> Tensor:
        if tensor.shape[-1:] == head.weight.shape[:1]:
            kept.append(len(tensor))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        found, _ = action_log_probabilities(adapted, batch, allowed)
    assert not kept
    assert max(computed) == 3
    choices = len({*zip(batch.before.tolist(), batch.state.tolist(), strict=True)})
    assert 20 < choices == sum(computed) < batch.size  # once where conversations are the same
    found.sum().backward()
    assert max(computed) == 3
    assert sum(computed) == 2 * choices


def test_a_chunk_of_a_large_vocabulary_stays_within_its_memory() -> None:
    assert chunk_size(152_064) == 73
    assert chunk_size(10**9) == 1
    assert chunk_size(700) > 32 * 30  # the laptop scale knows no chunks


def test_activation_checkpointing_changes_no_gradient(
    adapted: PeftModel, batch: TrajectoryBatch, allowed: AllowedTokens
) -> None:
    plain = scored(adapted, batch, allowed)
    enable_activation_checkpointing(adapted.get_base_model())
    passes: list[int] = []
    layers = adapted.get_base_model().model.layers
    for layer in layers:
        layer.input_layernorm.register_forward_hook(lambda *_: passes.append(1))
    assert_same(scored(adapted, batch, allowed, checkpointing=True), plain)
    assert len(passes) == 2 * len(layers)  # forward, and once more in the backward pass
    assert not any(module.training for module in adapted.modules())
    passes.clear()
    scored(adapted, batch, allowed)
    assert len(passes) == len(layers)


def test_a_model_without_activation_checkpointing_is_refused() -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(GPT2Config(n_layer=0, n_embd=4, n_head=1, vocab_size=8))
    with pytest.raises(UserError, match=r"activation_checkpointing: models of type gpt2"):
        enable_activation_checkpointing(model)
