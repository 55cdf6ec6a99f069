"""Who sits opposite the learner: drawn per group, from a buffer of limited size, always the same draw."""

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from tests.unit.mixed_adapters import DILEMMA, copied_weights, random_policy, random_weights
from tests.unit.training_run import RANDOM, training_settings

from social_dilemmas.agents.agent import WARM_START, Agent, Kind
from social_dilemmas.method.learner import Learner
from social_dilemmas.method.opponents import LIVE, OpponentPool, past_agent
from social_dilemmas.method.rollout import seat_learner
from social_dilemmas.policy.adapters import LEARNER
from social_dilemmas.policy.model import load_model
from social_dilemmas.policy.policy import Policy

KEPT = range(10, 110, 10)


@pytest.fixture(scope="module")
def policy(base_model: Path) -> Policy:
    return random_policy(base_model)


def opponent_pool(
    policy: Policy, seed: int = 0, fixed: Agent | None = None, **changes: Any
) -> OpponentPool:
    """The pool of a small training with these changes of its settings."""
    return OpponentPool(policy, training_settings(**changes), seed, fixed)


def filled(policy: Policy, seed: int = 0, **changes: Any) -> OpponentPool:
    """A pool with ten past agents."""
    pool = opponent_pool(policy, seed, buffer={"size": 28, **changes})
    pool.restore({iteration: policy.weights() for iteration in KEPT})
    return pool


@pytest.mark.parametrize("size", [0, 3])
def test_without_past_agents_the_learner_meets_itself(policy: Policy, size: int) -> None:
    pool = opponent_pool(policy, buffer={"size": size, "probability": 1.0})
    assert {pool.draw(iteration, 0, 0) for iteration in range(20)} == {LIVE}
    assert pool.both_seats_learn == (size == 0)
    assert pool.has_buffer == (size > 0)


@pytest.mark.parametrize("opponent", [RANDOM, Agent(WARM_START)])
def test_a_fixed_opponent_is_always_there_and_no_past_agents_are(
    policy: Policy, opponent: Agent
) -> None:
    buffer, scripted = (
        {"size": 3, "every": 1},
        {"scripted": ["always_cooperate"], "probability": 1.0},
    )
    pool = opponent_pool(policy, fixed=opponent, buffer=buffer, pool=scripted)
    pool.keep(1)
    assert {pool.draw(i, i, i) for i in range(5)} == {opponent}
    assert (pool.both_seats_learn, pool.has_buffer, pool.past) == (False, False, [])


def test_the_buffer_keeps_copies_of_the_learner_and_drops_the_oldest(base_model: Path) -> None:
    policy = random_policy(base_model)
    pool = opponent_pool(policy, buffer={"size": 2, "every": 2, "probability": 1.0})
    learners = {}
    for iteration in range(1, 8):
        policy.put(LEARNER, random_weights(policy, seed=iteration))
        learners[iteration] = copied_weights(policy)
        pool.keep(iteration)
    assert pool.past == [4, 6]
    assert {*policy.adapters} == {LEARNER, past_agent(4), past_agent(6)}
    for iteration in (4, 6):
        for held in (policy.weights(past_agent(iteration)), pool.weights()[iteration]):
            assert all(torch.equal(held[key], learners[iteration][key]) for key in held)
    trained = {name for name, each in policy.model.named_parameters() if each.requires_grad}
    assert trained == {n for n, _ in policy.model.named_parameters() if f".{LEARNER}." in n}
    drawn = {pool.draw(iteration, 0, 0) for iteration in range(40)}
    assert drawn == {Agent(past_agent(each), adapter=past_agent(each)) for each in (4, 6)}


def test_weights_are_those_of_one_agent_whatever_others_are_called(base_model: Path) -> None:
    policy = random_policy(base_model)
    held = {name: random_weights(policy, seed=name) for name in (1, 10, 11)}
    for iteration, weights in held.items():
        policy.put(past_agent(iteration), weights)
    for iteration, weights in held.items():
        found = policy.weights(past_agent(iteration))
        assert found.keys() == weights.keys()
        assert all(torch.equal(found[key], weights[key]) for key in found)


def test_the_agent_that_has_learned_nothing_can_be_among_them(base_model: Path) -> None:
    for from_start in (False, True):
        buffer = {"size": 2, "every": 2, "from_start": from_start}
        policy = Policy(load_model(base_model, "cpu"), DILEMMA)
        learner = Learner(policy, training_settings(buffer=buffer), seed=0)
        assert learner.pool.past == [0] * from_start
        learner.pool.restore({2: policy.weights(), 4: policy.weights()})
        assert learner.pool.past == [2, 4]
    untrained = Learner(
        Policy(load_model(base_model, "cpu"), DILEMMA),
        training_settings(buffer={"size": 2, "from_start": True}),
        seed=0,
    ).pool.weights()[0]
    assert not any(weight.any() for key, weight in untrained.items() if "lora_B" in key)


def test_half_of_the_groups_meet_a_past_agent_each_as_likely(policy: Policy) -> None:
    pool = filled(policy)
    drawn = Counter(
        pool.draw(iteration, group, 0).name for iteration in range(250) for group in range(16)
    )
    total = 4000
    assert drawn[LIVE.name] / total == pytest.approx(0.5, abs=4 * (0.25 / total) ** 0.5)
    past = [drawn[past_agent(iteration)] for iteration in KEPT]
    assert sum(past) + drawn[LIVE.name] == total
    assert all(150 < count < 250 for count in past)  # 200 expected, deviation 13.8


@pytest.mark.parametrize(
    ("share", "groups", "met"), [(0.5, 2, {1}), (0.25, 8, {2}), (0.3, 5, {1, 2})]
)
def test_stratified_draws_give_past_agents_exactly_their_share(
    policy: Policy, share: float, groups: int, met: set[int]
) -> None:
    pool = filled(policy, probability=share, draw="stratified")
    past = [[pool.draw(i, group, 0) != LIVE for group in range(groups)] for i in range(400)]
    assert {*map(sum, past)} == met
    for met_in_group in zip(*past, strict=True):  # as often in each of them
        rate = sum(met_in_group) / len(past)
        assert rate == pytest.approx(share, abs=4 * (share * (1 - share) / len(past)) ** 0.5)
    assert {pool.draw(i, 0, 0).name for i in range(400)} > {past_agent(each) for each in KEPT}


def test_draws_depend_on_seed_iteration_and_group_and_not_on_their_order(policy: Policy) -> None:
    def draws(pool: OpponentPool, order: list[int]) -> list[Agent]:
        return [pool.draw(iteration, iteration % 7, 0) for iteration in order]

    order = list(range(60))
    pool = filled(policy)
    expected = draws(pool, order)
    assert draws(filled(policy, seed=1), order) != expected
    assert len({pool.draw(3, group, 0) for group in range(60)}) > 5
    shuffled = Random(0).sample(order, len(order))
    by_iteration = dict(zip(shuffled, draws(filled(policy), shuffled), strict=True))
    assert [by_iteration[iteration] for iteration in order] == expected


@pytest.mark.parametrize("draw", ["group", "match"])
def test_a_group_has_one_opponent_unless_they_are_drawn_per_match(
    policy: Policy, draw: str
) -> None:
    pool = filled(policy, draw=draw)
    seatings = seat_learner(DILEMMA, pool, seed=0, iteration=3, matches=64, group_size=16)
    for group in range(4):
        met = {s.agents[1 - s.learning_seats[0]] for s in seatings if s.group == group}
        assert len(met) == 1 if draw == "group" else len(met) > 1


def test_a_share_of_groups_meets_scripted_players_and_only_there_one_seat_learns(
    policy: Policy,
) -> None:
    chosen = ["always_defect", "grim"]
    pool = opponent_pool(policy, pool={"scripted": chosen, "probability": 0.25})
    met: Counter[str] = Counter()
    for iteration in range(250):
        for seating in seat_learner(
            DILEMMA, pool, seed=0, iteration=iteration, matches=32, group_size=2
        ):
            others = [agent for agent in seating.agents if agent != LIVE]
            assert len(seating.learning_seats) == 2 - len(others)
            met.update(agent.name for agent in others or [LIVE])
            assert {agent.kind for agent in others} <= {Kind.SCRIPTED}
            assert all(seating.agents[seat] == LIVE for seat in seating.learning_seats)
    assert met.keys() == {LIVE.name, *chosen}
    assert all(count % 2 == 0 for count in met.values())  # a group has one opponent
    for name, chance in ((LIVE.name, 0.75), ("always_defect", 0.125), ("grim", 0.125)):
        deviation = (chance * (1 - chance) / 4000) ** 0.5
        assert met[name] / 8000 == pytest.approx(chance, abs=4 * deviation)


def test_past_agents_are_met_as_often_among_the_groups_without_scripted_players(
    policy: Policy,
) -> None:
    """The same draws as without a pool, where no scripted player comes first."""
    plain = filled(policy)
    mixed = opponent_pool(
        policy, buffer={"size": 28}, pool={"scripted": ["random"], "probability": 0.5}
    )
    mixed.restore(plain.weights())
    draws = [(plain.draw(i, g, 0), mixed.draw(i, g, 0)) for i in range(50) for g in range(8)]
    scripted = [after == RANDOM for _, after in draws]
    assert 0.4 < sum(scripted) / len(scripted) < 0.6
    assert all(before == after or after == RANDOM for before, after in draws)


def test_in_self_play_one_seat_may_learn(policy: Policy) -> None:
    """So that as many rows are learned from as with past agents about."""
    for seats, learning in (("both", {(0, 1)}), ("one", {(0,), (1,)})):
        pool = opponent_pool(policy, learning_seats=seats)
        seatings = seat_learner(DILEMMA, pool, seed=0, iteration=0, matches=8, group_size=2)
        assert {seating.agents for seating in seatings} == {(LIVE, LIVE)}
        assert {seating.learning_seats for seating in seatings} == learning
        if seats == "one":
            assert [seating.learning_seats for seating in seatings] == [(0,), (0,), (1,), (1,)] * 2


@pytest.mark.parametrize("opponent", [None, RANDOM, Agent(WARM_START)])
def test_the_learner_has_one_seat_that_alternates(policy: Policy, opponent: Agent | None) -> None:
    pool = filled(policy)
    if opponent is not None:
        pool = opponent_pool(policy, fixed=opponent)
    for iteration in (0, 1):
        seatings = seat_learner(DILEMMA, pool, seed=0, iteration=iteration, matches=8, group_size=2)
        for index, seating in enumerate(seatings):
            (seat,) = seating.learning_seats
            assert seating.group == index // 2
            assert seat == (seating.group + iteration) % 2
            assert seating.agents[seat] == LIVE
            assert seating.agents[1 - seat] == pool.draw(iteration, seating.group, index)
