"""An iteration's matches: groups with common random numbers, what the learner takes from them, and summaries."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.unit.mixed_adapters import random_policy, random_weights, saved_adapter
from tests.unit.training_run import GAME, training_settings

from social_dilemmas.agents.agent import WARM_START, Agent, Kind
from social_dilemmas.agents.play import Players, play
from social_dilemmas.agents.scripted.player import scripted_player
from social_dilemmas.games import build_game, game_names
from social_dilemmas.games.game import Match
from social_dilemmas.method.behaviour import seat_result, summarise
from social_dilemmas.method.learner import Learner
from social_dilemmas.method.opponents import OpponentPool
from social_dilemmas.method.rollout import (
    Rollout,
    Rollouts,
    Seating,
    play_seatings,
    rollout_of,
    seat_learner,
)
from social_dilemmas.policy.model import load_model
from social_dilemmas.policy.policy import Policy
from social_dilemmas.policy.sampler import PolicySampler, in_order
from social_dilemmas.run.ranks import ALONE

ROUNDS = 3


def seated(policy: Policy, opponent: Agent | None = None, **changes: int) -> list[Seating]:
    pool = OpponentPool(policy, training_settings(), seed=0, fixed=opponent)
    arguments = {"seed": 0, "iteration": 0, "matches": 8, "group_size": 4, **changes}
    return seat_learner(policy.game, pool, **arguments)


def played(policy: Policy, seatings: list[Seating]) -> Rollout:
    sampler = PolicySampler(policy, in_order(0), max_new_tokens=6)
    return rollout_of(seatings, play_seatings(seatings, Players(policy.game), sampler))


def policy_for(base_model: Path, name: str) -> Policy:
    return random_policy(base_model, build_game(name, ROUNDS))


def chance(seating: Seating) -> object:
    """What a match drew: hands, values, who starts."""
    match = seating.match
    return (getattr(match, "hands", None), getattr(match, "values", None), match.turns()[0].seat)


@pytest.mark.parametrize("name", game_names())
def test_a_group_shares_its_chance_events(base_model: Path, name: str) -> None:
    seatings = seated(policy_for(base_model, name), matches=12)
    for group in range(3):
        members = [seating for seating in seatings if seating.group == group]
        assert len({id(seating.match) for seating in members}) == 4
        assert len({seating.match.seed for seating in members}) == 1
        assert all(chance(seating) == chance(members[0]) for seating in members)
    assert len({seating.match.seed for seating in seatings}) == 3


@pytest.mark.parametrize("changes", [{"seed": 1}, {"iteration": 1}])
def test_other_seeds_and_iterations_have_other_chance_events(
    base_model: Path, changes: dict[str, Any]
) -> None:
    policy = policy_for(base_model, "trust_and_split")
    first, again, other = seated(policy), seated(policy), seated(policy, **changes)
    assert {s.match.seed for s in first}.isdisjoint(s.match.seed for s in other)
    assert [(s.match.seed, chance(s)) for s in first] == [(s.match.seed, chance(s)) for s in again]


@pytest.mark.parametrize("name", game_names())
def test_in_self_play_both_seats_are_rows(base_model: Path, name: str) -> None:
    policy = policy_for(base_model, name)
    seatings = seated(policy)
    rollout = played(policy, seatings)
    assert rollout.own == slice(0, 16)
    assert len(rollout.trajectories) == 16
    assert rollout.rewards.shape == rollout.rewards_opponent.shape == (16, ROUNDS)
    assert rollout.rewards.is_floating_point()
    rows = [(seating.match, seat) for seating in seatings for seat in (0, 1)]
    for row, (match, seat) in enumerate(rows):
        assert rollout.rewards[row].tolist() == pytest.approx(match.rewards(seat))
        assert rollout.rewards_opponent[row].tolist() == pytest.approx(match.rewards(1 - seat))
        assert rollout.results[row].self_play
    # Rows of a group share chance events and seat.
    assert rollout.groups.tolist() == [0, 1] * 4 + [2, 3] * 4
    assert rollout.tokens == sum(len(each.tokens) for each in rollout.trajectories)
    assert rollout.action_tokens == sum(len(each.positions) for each in rollout.trajectories)


@pytest.mark.parametrize("opponent", ["always_defect", WARM_START, "frozen"])
def test_against_a_fixed_opponent_only_the_learner_s_seat_is_a_row(
    base_model: Path, tmp_path: Path, opponent: str
) -> None:
    kind = Kind.SCRIPTED if opponent == "always_defect" else Kind.MODEL
    adapter = saved_adapter(base_model, tmp_path / "frozen") if opponent == "frozen" else None
    agent = Agent(opponent, kind, adapter=str(adapter) if adapter else None)
    policy = policy_for(base_model, "prisoners_dilemma")
    seatings = seated(policy, agent)
    rollout = played(policy, seatings)
    assert rollout.groups.tolist() == [0] * 4 + [3] * 4
    assert not any(result.self_play for result in rollout.results)
    for trajectory, seating in zip(rollout.trajectories, seatings, strict=True):
        (seat,) = seating.learning_seats
        history = seating.match.history
        if opponent == "always_defect":
            assert all(finished.actions[1 - seat] == "B" for finished in history)
        said = policy.language_model.chat.decode(tuple(trajectory.tokens))
        replies = [piece.split("<|end|>")[0] for piece in said.split("<|assistant|>")[1:]]
        assert replies == [f"<{finished.actions[seat]}>" for finished in history]


def test_past_agents_play_with_their_own_weights(base_model: Path, tmp_path: Path) -> None:
    """A past agent that surely opens otherwise than the learner does so, in its own seat."""
    settings = training_settings(
        buffer={"size": 2, "probability": 1.0}, temperature=1e-4, group_size=2
    )

    def opening_rewards(policy: Policy, weights: dict[int, dict[str, torch.Tensor]]) -> list[float]:
        learner = Learner(policy, settings, seed=0)
        learner.pool.restore(weights)
        rollouts = Rollouts(learner, GAME, seed=0, folder=tmp_path, ranks=ALONE)
        rewards = [result.rewards[0] for result in rollouts.sample(1).results]
        assert len(rewards) == settings.matches
        return rewards

    def fresh() -> Policy:
        return Policy(load_model(base_model, "cpu"), build_game("prisoners_dilemma", ROUNDS))

    (alike,) = {*opening_rewards(fresh(), {})}  # mutual cooperation or mutual defection
    found = set()
    for seed in range(50):
        policy = fresh()
        weights = random_weights(random_policy(base_model), seed, scale=1.0)
        found = {*opening_rewards(policy, {1: weights})}
        if found != {alike}:
            break
    assert found == {0.0 if alike == 3 else 5.0}  # the learner as before, and the other one not


def played_by(rounds: int, first: str, second: str) -> Match:
    match = build_game("prisoners_dilemma", rounds).start(0)
    players = [scripted_player("prisoners_dilemma", name) for name in (first, second)]
    play([match], [(players[0], players[1])])
    return match


def summary(*places: tuple[Match, int]) -> dict[str, float]:
    return summarise(places[0][0].game, [seat_result(match, seat) for match, seat in places])


def test_summary_by_hand() -> None:
    """Tit-for-tat against always-B over three rounds: AB, BB, BB."""
    match = played_by(3, "tit_for_tat", "always_defect")
    found = summary((match, 0))
    assert found["payoff"] == pytest.approx(2 / 3)
    assert found["payoff_opponent"] == pytest.approx(7 / 3)
    assert found["welfare_share"] == pytest.approx(9 / 18)
    assert found["normalised_welfare"] == pytest.approx((9 - 6) / (18 - 6))
    assert found["invalid_rate"] == 0
    assert found["cooperation"] == pytest.approx(1 / 3)
    assert found["cooperation_at_start"] == 1
    assert found["cooperation_after_CD"] == 0
    assert found["cooperation_after_DD"] == 0
    assert math.isnan(found["cooperation_after_CC"])
    assert math.isnan(found["cooperation_after_DC"])
    both = summary((match, 0), (match, 1))
    assert both["payoff"] == both["payoff_opponent"] == pytest.approx(1.5)
    assert both["cooperation"] == pytest.approx(1 / 6)
    nobody = summarise(match.game, [])
    assert nobody.keys() == found.keys()
    assert all(map(math.isnan, nobody.values()))


def test_matches_of_different_lengths_weigh_by_their_rounds() -> None:
    short, long = (
        played_by(1, "always_cooperate", "always_defect"),
        played_by(3, "always_cooperate", "always_cooperate"),
    )
    assert summary((short, 0), (long, 0))["payoff"] == pytest.approx(9 / 4)


def test_forfeits_are_counted_for_the_seat_that_made_them() -> None:
    match = build_game("prisoners_dilemma", 2).start(0)
    match.take({0: "cooperate!", 1: "<B>"})
    match.take({0: "<A>", 1: "<B>"})
    assert summary((match, 0))["invalid_rate"] == 0.5
    assert summary((match, 1))["invalid_rate"] == 0
    assert summary((match, 0), (match, 1))["invalid_rate"] == 0.25
