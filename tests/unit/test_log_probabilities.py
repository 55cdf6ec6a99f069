"""Log-probabilities of chosen tokens against a computation token by token, and folded adapters."""

import math
from random import Random

import pytest
import torch
from peft import PeftModel

from social_dilemmas.agents.play import play
from social_dilemmas.agents.scripted.player import scripted_player
from social_dilemmas.games import build_game, game_names
from social_dilemmas.method.warm_start import Recorder
from social_dilemmas.policy.adapters import attach_learner, folded
from social_dilemmas.policy.log_probabilities import action_log_probabilities
from social_dilemmas.policy.model import LanguageModel, load_model
from social_dilemmas.policy.trajectory import Trajectory, TrajectoryBatch, collate

TEMPERATURE = 0.7


def transcripts_of(tiny: LanguageModel, name: str) -> list[Trajectory]:
    """Both seats of matches of several lengths."""
    masks = tiny.masks(build_game(name, 10))
    player = Recorder(scripted_player(name, "random"), tiny.chat, masks)
    matches = [build_game(name, rounds).start(rounds) for rounds in (1, 2, 3)]
    play(matches, [(player, player)] * 3)
    return list(player.trajectories.values())


@pytest.fixture(params=game_names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def adapted(base_model) -> PeftModel:  # type: ignore[no-untyped-def]
    """The tiny model with an adapter that does something."""
    model = attach_learner(load_model(base_model, "cpu"), rank=2, alpha=8, seed=0)
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.2
    return model


def test_equals_a_computation_token_by_token(tiny: LanguageModel, name: str) -> None:
    trajectories = transcripts_of(tiny, name)
    masks = tiny.masks(build_game(name, 10))
    batch = collate(trajectories, tiny.padding)
    with torch.no_grad():
        found, entropies = action_log_probabilities(tiny.model, batch, masks.allowed, TEMPERATURE)
        index = 0
        for trajectory in trajectories:
            logits = tiny.model(torch.tensor([trajectory.tokens])).logits[0].double() / TEMPERATURE
            for position, state in zip(trajectory.positions, trajectory.states, strict=True):
                options = masks.allowed[state].nonzero()[:, 0].tolist()
                weights = {t: math.exp(logits[position - 1, t]) for t in options}
                total = sum(weights.values())
                chosen = weights[trajectory.tokens[position]] / total
                entropy = -sum(w / total * math.log(w / total) for w in weights.values())
                assert found[index].item() == pytest.approx(math.log(chosen), abs=1e-4)
                assert entropies[index].item() == pytest.approx(entropy, abs=1e-4)
                index += 1
    assert index == batch.size == len(found) == len(entropies)


def test_every_choice_of_a_player_counts_once(tiny: LanguageModel, name: str) -> None:
    """One choice for an action or a number of coins, three for claims on three kinds of items."""
    choices = {"prisoners_dilemma": 1, "split": 3}
    for trajectory in transcripts_of(tiny, name):
        rounds = 1 + trajectory.rounds[-1]
        if name in choices:
            assert len(trajectory.positions) == rounds * choices[name]
        assert sorted(trajectory.rounds) == trajectory.rounds
        assert {*trajectory.rounds} == {*range(rounds)}


def test_forced_tokens_are_no_choices(tiny: LanguageModel, name: str) -> None:
    masks = tiny.masks(build_game(name, 10))
    for trajectory in transcripts_of(tiny, name):
        for position, state in zip(trajectory.positions, trajectory.states, strict=True):
            assert masks.forced[state] is None
            assert masks.allowed[state, trajectory.tokens[position]]


def test_probabilities_of_what_is_allowed_add_up_to_one(tiny: LanguageModel) -> None:
    """Whatever the masks don't allow has no probability."""
    masks = tiny.masks(build_game("prisoners_dilemma", 10))
    trajectory = transcripts_of(tiny, "prisoners_dilemma")[0]
    state = trajectory.states[0]
    total = 0.0
    for token in masks.allowed[state].nonzero()[:, 0].tolist():
        tokens = [*trajectory.tokens]
        tokens[trajectory.positions[0]] = token
        other = Trajectory(tokens, trajectory.positions, trajectory.states, trajectory.rounds)
        batch = collate([other], tiny.padding)
        with torch.no_grad():
            total += action_log_probabilities(tiny.model, batch, masks.allowed)[0][0].exp().item()
    assert total == pytest.approx(1, abs=1e-6)
    with torch.no_grad():
        outside = (~masks.allowed[state]).nonzero()[0, 0].item()
        trajectory.tokens[trajectory.positions[0]] = int(outside)
        batch = collate([trajectory], tiny.padding)
        assert action_log_probabilities(tiny.model, batch, masks.allowed)[0][0] == -torch.inf


def test_padding_changes_nothing(tiny: LanguageModel, name: str) -> None:
    trajectories = transcripts_of(tiny, name)
    masks = tiny.masks(build_game(name, 10))
    batch = collate(trajectories, tiny.padding)
    wider = TrajectoryBatch(
        torch.nn.functional.pad(batch.tokens, (0, 37), value=7),
        *(batch.conversation, batch.position, batch.state, batch.round, batch.target),
    )
    with torch.no_grad():
        together = action_log_probabilities(tiny.model, batch, masks.allowed)
        padded = action_log_probabilities(tiny.model, wider, masks.allowed)
        alone = [
            action_log_probabilities(tiny.model, collate([t], tiny.padding), masks.allowed)
            for t in trajectories
        ]
    for index in (0, 1):
        torch.testing.assert_close(together[index], padded[index], atol=1e-5, rtol=0)
        separate = torch.cat([values[index] for values in alone])
        torch.testing.assert_close(together[index], separate, atol=1e-5, rtol=0)


def test_collate_keeps_all_choices_in_order(tiny: LanguageModel) -> None:
    short = Trajectory([5, 6, 7], [1], [3], [0])
    long = Trajectory([5, 6, 7, 8, 9], [2, 4], [3, 4], [0, 1])
    batch = collate([short, long], padding=99)
    assert batch.tokens.tolist() == [[5, 6, 7, 99, 99], [5, 6, 7, 8, 9]]
    assert batch.conversation.tolist() == [0, 1, 1]
    assert batch.position.tolist() == [1, 2, 4]
    assert batch.state.tolist() == [3, 3, 4]
    assert batch.round.tolist() == [0, 0, 1]
    assert batch.target.tolist() == [6, 7, 9]


def gradients(model: PeftModel) -> dict[str, torch.Tensor]:
    return {
        parameter: value.grad.clone()
        for parameter, value in model.named_parameters()
        if value.grad is not None
    }


def scored(
    model: PeftModel, tiny: LanguageModel, fold: bool
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Log-probabilities, and the gradients of a weighted sum of them and the entropies."""
    masks = tiny.masks(build_game("split", 10))
    batch = collate(transcripts_of(tiny, "split"), tiny.padding)
    random = Random(0)
    weights = torch.tensor([random.gauss(0, 1) for _ in range(batch.size)])
    model.zero_grad()
    with folded(model, fold):
        log_probabilities, entropies = action_log_probabilities(model, batch, masks.allowed)
    (weights @ (log_probabilities + entropies) / batch.size).backward()
    return log_probabilities.detach(), gradients(model)


def test_gradients_flow_into_the_adapter_only(adapted: PeftModel, tiny: LanguageModel) -> None:
    for fold in (False, True):
        _, found = scored(adapted, tiny, fold)
        assert found
        assert all("lora_" in parameter for parameter in found)
        assert {*found} == {name for name, p in adapted.named_parameters() if p.requires_grad}
        assert all(gradient.abs().sum() > 0 for gradient in found.values())
        assert all(gradient.isfinite().all() for gradient in found.values())


def test_folding_changes_neither_values_nor_gradients(
    adapted: PeftModel, tiny: LanguageModel
) -> None:
    plain, plain_gradients = scored(adapted, tiny, fold=False)
    fold, fold_gradients = scored(adapted, tiny, fold=True)
    torch.testing.assert_close(plain, fold, atol=1e-5, rtol=0)
    for parameter, gradient in plain_gradients.items():
        torch.testing.assert_close(gradient, fold_gradients[parameter], atol=1e-5, rtol=1e-4)


def test_the_adapter_matters(adapted: PeftModel, tiny: LanguageModel) -> None:
    with_adapter, _ = scored(adapted, tiny, fold=True)
    masks = tiny.masks(build_game("split", 10))
    batch = collate(transcripts_of(tiny, "split"), tiny.padding)
    with torch.no_grad():
        without, _ = action_log_probabilities(tiny.model, batch, masks.allowed)
    assert (with_adapter - without).abs().max() > 0.01


def test_folding_is_undone_also_after_an_error(adapted: PeftModel) -> None:
    tokens = torch.tensor([[3, 4, 5]])
    with torch.no_grad():
        before = adapted(tokens).logits
        with pytest.raises(ZeroDivisionError), folded(adapted):
            raise ZeroDivisionError
        assert torch.equal(adapted(tokens).logits, before)
        with folded(adapted):
            pass
        assert torch.equal(adapted(tokens).logits, before)
        assert not any("forward" in vars(module) for module in adapted.modules())
        with folded(adapted, enabled=False):
            assert not any("forward" in vars(module) for module in adapted.modules())
