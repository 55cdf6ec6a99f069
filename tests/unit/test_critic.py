"""The critic: advantages against explicit loops, what it learns, and where it reads the policy's mind."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from torch import Tensor

from social_dilemmas.agents.play import play
from social_dilemmas.games import build_game
from social_dilemmas.method.critic import Critic, round_states
from social_dilemmas.policy.adapters import LEARNER, adapter_weights, attach_learner, put_adapter
from social_dilemmas.policy.model import LanguageModel, load_model
from social_dilemmas.policy.sampler import LanguageModelPlayer, streams_in_order
from social_dilemmas.policy.trajectory import Trajectory

HIDDEN, DISCOUNT, TRACE_DECAY = 5, 0.9, 0.8
LENGTHS = (4, 2, 3, 1, 4, 4)


def critic(steps: int = 1, learning_rate: float = 0.1, trace_decay: float = TRACE_DECAY) -> Critic:
    return Critic(HIDDEN, learning_rate=learning_rate, steps=steps, trace_decay=trace_decay)


def experience(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """States (rows, rounds, hidden), which rounds were played, and rewards (rows, rounds, 2)."""
    generator = torch.Generator().manual_seed(seed)
    played = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
    states = torch.randn(*played.shape, HIDDEN, generator=generator) * played[..., None]
    rewards = torch.rand(*played.shape, 2, generator=generator) * played[..., None]
    return states, played, rewards


def trained(seed: int = 0) -> Critic:
    """A critic that has learned something."""
    found = critic()
    for _ in range(5):
        found.advantages(*experience(seed), DISCOUNT)
    return found


def expected_values(of: Critic, states: Tensor) -> Tensor:
    """(rows, rounds, 2) what a critic expects, from what it puts into a checkpoint."""
    state = of.state()
    return states @ state["weight"].T + state["bias"]


def test_advantages_by_an_explicit_double_loop() -> None:
    of = trained()
    states, played, rewards = experience(seed=1)
    values = expected_values(of, states)
    expected = torch.zeros(len(LENGTHS), max(LENGTHS), 2)
    for row, length in enumerate(LENGTHS):
        for seat in (0, 1):
            for now in range(length):
                for later in range(now, length):
                    following = values[row, later + 1, seat] if later + 1 < length else 0.0
                    error = rewards[row, later, seat] + DISCOUNT * following
                    error = error - values[row, later, seat]
                    weight = (DISCOUNT * TRACE_DECAY) ** (later - now)
                    expected[row, now, seat] += weight * error
    own, other = of.advantages(states, played, rewards, DISCOUNT)
    torch.testing.assert_close(own, expected[..., 0])
    torch.testing.assert_close(other, expected[..., 1])
    assert values[played].abs().min() > 1e-4  # or else the loop would show little


def test_the_advantages_are_those_before_it_learns_from_these_matches() -> None:
    states, played, rewards = experience(seed=1)
    one, other = trained(), trained()
    first, _ = one.advantages(states, played, rewards, DISCOUNT)
    again, _ = other.advantages(states, played, rewards, DISCOUNT)
    assert torch.equal(first, again)
    assert not torch.equal(one.advantages(states, played, rewards, DISCOUNT)[0], first)


def test_with_the_whole_return_an_advantage_is_return_minus_value() -> None:
    of = critic(trace_decay=1.0)
    of.advantages(*experience(), DISCOUNT)
    states, played, rewards = experience(seed=1)
    values = expected_values(of, states)
    own, _ = of.advantages(states, played, rewards, DISCOUNT)
    for row, length in enumerate(LENGTHS):
        whole = sum(DISCOUNT**later * rewards[row, later, 0] for later in range(length))
        assert own[row, 0].item() == pytest.approx(float(whole - values[row, 0, 0]), abs=1e-5)


def test_it_learns_a_constant_return() -> None:
    """Of both seats, each its own; matches of one round have the return that is its reward."""
    rewards = torch.tensor([0.7, -0.3]).expand(8, 1, 2)
    played = torch.ones(8, 1, dtype=torch.bool)
    of = critic(steps=10, learning_rate=0.05)
    for seed in range(100):
        states = torch.randn(8, 1, HIDDEN, generator=torch.Generator().manual_seed(seed))
        own, other = of.advantages(states, played, rewards, DISCOUNT)
        if seed == 0:
            torch.testing.assert_close(own, rewards[..., 0])  # it expects nothing yet
    assert own.abs().max() < 0.02
    assert other.abs().max() < 0.02
    values = expected_values(of, states)
    torch.testing.assert_close(values, rewards.clone(), atol=0.02, rtol=0)


def test_it_learns_what_depends_on_the_state() -> None:
    states, played, _ = experience()
    rewards = torch.zeros(*played.shape, 2)
    rewards[..., 0] = (states[..., 0] > 0) * played
    of = critic(steps=20, learning_rate=0.05)
    first, _ = of.advantages(states, played, rewards, 0.0)
    for _ in range(100):
        last, _ = of.advantages(states, played, rewards, 0.0)
    assert last.square().sum() < 0.3 * first.square().sum()


@pytest.mark.parametrize("seed", [0, 1])
def test_rounds_past_the_end_contribute_nothing(seed: int) -> None:
    """Whatever stands in their states: not to advantages, not to what is learned."""
    states, played, rewards = experience(seed)
    disturbed = torch.where(played[..., None], states, torch.full_like(states, 1e3))
    one, other = critic(), critic()
    for _ in range(3):
        clean = one.advantages(states, played, rewards, DISCOUNT)
        found = other.advantages(disturbed, played, rewards, DISCOUNT)
        for expected, advantages in zip(clean, found, strict=True):
            assert torch.equal(expected, advantages)
            assert not advantages[~played].any()
    assert all(torch.equal(value, other.state()[name]) for name, value in one.state().items())


def test_a_round_that_nobody_played_changes_nothing() -> None:
    parts = experience()
    states, played, rewards = (
        torch.cat((part, torch.zeros_like(part[:, :1])), dim=1) for part in parts
    )
    one, other = critic(steps=5), critic(steps=5)
    for _ in range(3):
        own, _ = one.advantages(*parts, DISCOUNT)
        same, _ = other.advantages(states, played, rewards, DISCOUNT)
        torch.testing.assert_close(same[:, :-1], own)


def test_a_shorter_match_counts_as_it_would_alone() -> None:
    states, played, rewards = experience(seed=1)
    own, _ = trained().advantages(states, played, rewards, DISCOUNT)
    for row, length in enumerate(LENGTHS):
        part = (slice(row, row + 1), slice(length))
        alone, _ = trained().advantages(states[part], played[part], rewards[part], DISCOUNT)
        torch.testing.assert_close(own[part], alone)


def test_a_restored_critic_goes_on_as_if_nothing_had_been() -> None:
    whole = trained()
    stored = {name: value.detach().clone() for name, value in whole.state().items()}
    restored = critic()
    restored.restore(stored)
    for seed in (1, 2, 3):
        expected = whole.advantages(*experience(seed), DISCOUNT)
        found = restored.advantages(*experience(seed), DISCOUNT)
        assert all(torch.equal(*pair) for pair in zip(expected, found, strict=True))
    end, end_again = whole.state(), restored.state()
    assert end.keys() == end_again.keys()
    assert all(torch.equal(end[name], end_again[name]) for name in end)


def test_a_critic_without_its_moments_goes_on_otherwise() -> None:
    """Or else the test above would show little."""
    whole, fresh = trained(), critic()
    fresh._head.load_state_dict({name: whole.state()[name] for name in ("weight", "bias")})
    for of in (whole, fresh):
        of.advantages(*experience(1), DISCOUNT)
    assert not torch.equal(whole.state()["weight"], fresh.state()["weight"])


def test_its_state_fits_a_file(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    state = trained().state()
    save_file(state, tmp_path / "critic.safetensors")
    read = load_file(tmp_path / "critic.safetensors")
    assert read.keys() == state.keys()
    assert all(torch.equal(read[name], state[name]) for name in state)


@pytest.fixture(scope="module")
def policy(base_model: Path) -> tuple[LanguageModel, PeftModel]:
    """The tiny model with an adapter that changes what it thinks."""
    language_model = load_model(base_model, "cpu")
    model = attach_learner(language_model, rank=2, alpha=8, seed=0)
    generator = torch.Generator().manual_seed(1)
    weights = {
        key: 0.3 * torch.randn(value.shape, generator=generator)
        for key, value in adapter_weights(model).items()
    }
    put_adapter(model, weights, LEARNER)
    return LanguageModel(model, language_model.chat, base_model), model


def transcripts_of(
    language_model: LanguageModel, name: str, rounds: Sequence[int]
) -> list[Trajectory]:
    game = build_game(name, 1)
    player = LanguageModelPlayer(
        language_model.model,
        language_model.chat,
        language_model.masks(game),
        streams_in_order(0),
        max_new_tokens=6,
    )
    matches = [build_game(name, count).start(seed) for seed, count in enumerate(rounds)]
    play(matches, [(player, player)] * len(matches))
    return [player.trajectory(match, seat) for match in matches for seat in (0, 1)]


@pytest.mark.parametrize("name", ["prisoners_dilemma", "split", "trust_and_split"])
@pytest.mark.parametrize("micro_batch", [1, 3, 64])
def test_states_are_those_before_the_first_choice_of_every_round(
    policy: tuple[LanguageModel, PeftModel], name: str, micro_batch: int
) -> None:
    language_model, model = policy
    rounds = (3, 1, 2)
    trajectories = transcripts_of(language_model, name, rounds)
    states, played = round_states(
        model, trajectories, 4, micro_batch=micro_batch, padding=language_model.padding
    )
    assert states.shape == (6, 4, model.config.hidden_size)
    assert states.dtype == torch.float
    assert not states.requires_grad
    for row, trajectory in enumerate(trajectories):
        length = rounds[row // 2]
        assert played[row].tolist() == [index < length for index in range(4)]
        assert not states[row, length:].any()
        for number in range(length):
            choices = zip(trajectory.rounds, trajectory.positions, strict=True)
            first = min(position for its_round, position in choices if its_round == number)
            with torch.no_grad():  # a pass of its own over what stands before the choice
                known = torch.tensor([trajectory.tokens[:first]])
                hidden = model(known, output_hidden_states=True).hidden_states[-1]
            torch.testing.assert_close(states[row, number], hidden[0, -1], atol=1e-5, rtol=0)


def test_states_are_those_of_the_policy_and_not_of_its_base(
    policy: tuple[LanguageModel, PeftModel],
) -> None:
    language_model, model = policy
    trajectories = transcripts_of(language_model, "split", (2, 2))
    arguments = {"micro_batch": 8, "padding": language_model.padding}
    own, _ = round_states(model, trajectories, 2, **arguments)
    with model.disable_adapter():
        base, _ = round_states(model, trajectories, 2, **arguments)
    assert (own - base).abs().max() > 0.01
