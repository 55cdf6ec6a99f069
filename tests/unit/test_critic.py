"""The critic: advantages against explicit loops, what it learns, and where it reads the policy's hidden states."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.unit.credit_by_loops import loop_generalized
from tests.unit.mixed_adapters import random_policy
from tests.unit.training_run import CRITIC, GAME, training_settings
from torch import Tensor

from social_dilemmas.agents.agent import Agent
from social_dilemmas.agents.play import Players, play_batch
from social_dilemmas.config.schema.training import Critic as CriticSettings
from social_dilemmas.games import build_game, game_of
from social_dilemmas.method.credit import discounted_returns
from social_dilemmas.method.critic import Critic, round_states
from social_dilemmas.method.learner import Learner
from social_dilemmas.method.rollout import Rollouts
from social_dilemmas.method.train import advantages
from social_dilemmas.policy.adapters import LEARNER
from social_dilemmas.policy.model import load_model
from social_dilemmas.policy.policy import Policy
from social_dilemmas.policy.sampler import PolicySampler, in_order
from social_dilemmas.policy.trajectory import Trajectory
from social_dilemmas.run.ranks import ALONE

HIDDEN, DISCOUNT, GAE_LAMBDA = 5, 0.9, 0.8
LENGTHS = (4, 2, 3, 1, 4, 4)


def critic(steps: int = 1, learning_rate: float = 0.1, gae_lambda: float = GAE_LAMBDA) -> Critic:
    settings = CriticSettings(learning_rate=learning_rate, steps=steps, gae_lambda=gae_lambda)
    return Critic(HIDDEN, settings)


def rollout(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """States (rows, rounds, hidden), which rounds were played, and rewards (rows, rounds, 2)."""
    generator = torch.Generator().manual_seed(seed)
    played = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
    states = torch.randn(*played.shape, HIDDEN, generator=generator) * played[..., None]
    rewards = torch.rand(*played.shape, 2, generator=generator) * played[..., None]
    return states, played, rewards


def trained(gae_lambda: float = GAE_LAMBDA) -> Critic:
    """A critic that has learned something."""
    found = critic(gae_lambda=gae_lambda)
    for _ in range(5):
        found.advantages(*rollout(), DISCOUNT)
    return found


def expected_values(of: Critic, states: Tensor) -> Tensor:
    """(rows, rounds, 2) what a critic expects, from what it puts into a checkpoint."""
    state = of.state()
    return states @ state["weight"].T + state["bias"]


@pytest.mark.parametrize("gae_lambda", [GAE_LAMBDA, 1.0])
def test_advantages_by_explicit_loops(gae_lambda: float) -> None:
    """By what it expected before it learned from these matches."""
    of = trained(gae_lambda)
    states, played, rewards = rollout(seed=1)
    values = expected_values(of, states)
    expected = torch.zeros(len(LENGTHS), max(LENGTHS), 2)
    for row, length in enumerate(LENGTHS):
        for seat in (0, 1):
            points, known = (each[row, :length, seat].tolist() for each in (rewards, values))
            by_loops = loop_generalized([points], [[*known, 0.0]], DISCOUNT, gae_lambda)
            expected[row, :length, seat] = torch.tensor(by_loops[0])
    own, other = of.advantages(states, played, rewards, DISCOUNT)
    torch.testing.assert_close(own, expected[..., 0])
    torch.testing.assert_close(other, expected[..., 1])
    assert not torch.equal(expected_values(of, states), values)
    assert values[played].abs().min() > 1e-4  # otherwise the loop would show little


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
    states, played, _ = rollout()
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
    states, played, rewards = rollout(seed)
    disturbed = torch.where(played[..., None], states, torch.full_like(states, 1e3))
    one, other = critic(), critic()
    for _ in range(3):
        clean = one.advantages(states, played, rewards, DISCOUNT)
        found = other.advantages(disturbed, played, rewards, DISCOUNT)
        for expected, given in zip(clean, found, strict=True):
            assert torch.equal(expected, given)
            assert not given[~played].any()
    assert all(torch.equal(value, other.state()[name]) for name, value in one.state().items())


def test_a_restored_critic_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    whole = trained()
    save_file(whole.state(), tmp_path / "critic.safetensors")
    stored = load_file(tmp_path / "critic.safetensors")
    forgetful = {k: v if "/" not in k else torch.zeros_like(v) for k, v in stored.items()}
    restored, without_moments = critic(), critic()
    restored.restore(stored)
    without_moments.restore(forgetful)
    for seed in (1, 2, 3):
        expected = whole.advantages(*rollout(seed), DISCOUNT)
        found = restored.advantages(*rollout(seed), DISCOUNT)
        assert all(torch.equal(*pair) for pair in zip(expected, found, strict=True))
    end, end_again = whole.state(), restored.state()
    assert end.keys() == end_again.keys()
    assert all(torch.equal(end[name], end_again[name]) for name in end)
    without_moments.advantages(*rollout(1), DISCOUNT)
    assert not torch.equal(without_moments.state()["weight"], end["weight"])


def trajectories_of(policy: Policy, rounds: Sequence[int]) -> list[Trajectory]:
    """Both seats of matches of these lengths."""
    learner = Agent("learner", adapter=LEARNER)
    matches = [build_game(policy.game.kind, count).start(seed) for seed, count in enumerate(rounds)]
    sampler = PolicySampler(policy, in_order(0), max_new_tokens=6)
    player = play_batch(matches, [(learner, learner)] * len(matches), Players(policy.game), sampler)
    assert player is not None
    return [player.trajectory(match, seat) for match in matches for seat in (0, 1)]


@pytest.mark.parametrize("name", ["prisoners_dilemma", "split", "trust_and_split"])
@pytest.mark.parametrize("most_tokens", [1, 200, 8192])
def test_states_are_those_before_the_first_choice_of_every_round(
    name: str, most_tokens: int, base_model: Path
) -> None:
    rounds = (3, 1, 2)
    policy = random_policy(base_model, build_game(name, 1))
    policy.model.double()  # so that rounding stays small
    trajectories = trajectories_of(policy, rounds)
    settings = training_settings(micro_batch_tokens=most_tokens)
    states, played = round_states(policy, trajectories, 4, settings)
    assert states.shape == (6, 4, policy.model.config.hidden_size)
    assert states.dtype == torch.float
    assert not states.requires_grad
    for row, trajectory in enumerate(trajectories):
        length = rounds[row // 2]
        assert played[row].tolist() == [index < length for index in range(4)]
        assert not states[row, length:].any()
        for number in range(length):
            choices = zip(trajectory.rounds, trajectory.positions, strict=True)
            first = min(position for its_round, position in choices if its_round == number)
            with torch.no_grad():  # a forward pass of its own over what stands before the choice
                known = torch.tensor([trajectory.tokens[:first]])
                hidden = policy.model(known, output_hidden_states=True).hidden_states[-1]
            torch.testing.assert_close(states[row, number], hidden[0, -1].float())
    with policy.model.disable_adapter():
        base, _ = round_states(policy, trajectories, 4, settings)
    assert (states - base).abs().max() > 0.01


def test_in_training_it_begins_with_returns_and_learns_their_means(
    base_model: Path, tmp_path: Path
) -> None:
    """Nothing is credited after the end of the shorter matches."""
    settings = training_settings(baseline="critic", critic=CRITIC, group_size=2)
    game = {**GAME, "rounds": {"least": 1, "most": 4}}
    learner = Learner(Policy(load_model(base_model, "cpu"), game_of(game)), settings, seed=0)
    found = Rollouts(learner, game, seed=0, folder=tmp_path, ranks=ALONE).sample(0)
    lengths = torch.tensor([len(result.rewards) for result in found.results])
    past_the_end = torch.arange(found.rewards.shape[1]) >= lengths[:, None]  # (rows, rounds)
    assert past_the_end.any()
    first, first_of_other = advantages(found, learner, ALONE)
    decay = DISCOUNT * settings.critic.gae_lambda
    torch.testing.assert_close(first, discounted_returns(found.rewards / 5, decay))
    torch.testing.assert_close(
        first_of_other, discounted_returns(found.rewards_opponent / 5, decay)
    )
    for _ in range(60):
        last, _ = advantages(found, learner, ALONE)
        assert not last[past_the_end].any()
    means = (first * ~past_the_end).sum(0) / (~past_the_end).sum(0)  # (rounds,)
    around_means = (
        first - means
    ) * ~past_the_end  # left by the best guess that knows the round only
    assert last.square().mean() < 1.1 * around_means.square().mean()
