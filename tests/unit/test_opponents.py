"""Who sits opposite the learner: drawn per group, from a buffer of limited size, always the same draw."""

from collections import Counter
from random import Random

import pytest

from social_dilemmas.agents.scripted.player import scripted_player
from social_dilemmas.games import build_game
from social_dilemmas.method.opponents import (
    FixedOpponent,
    Opponents,
    PastAgents,
    SelfPlay,
    past_agent,
)
from social_dilemmas.method.rollout import adapters_in, seat_learner
from social_dilemmas.policy.adapters import LEARNER, NO_ADAPTER

GAME = build_game("prisoners_dilemma", 2)


def filled(size: int = 28, per_match: bool = False, seed: int = 0) -> PastAgents:
    """A buffer that has met ten agents."""
    buffer = PastAgents(seed=seed, probability=0.5, size=size, per_match=per_match)
    for iteration in range(10, 110, 10):
        buffer.add(iteration)
    return buffer


def test_self_play_is_against_oneself_and_both_learn() -> None:
    assert SelfPlay().draw(0, 0, 0) == LEARNER
    assert SelfPlay().both_seats_learn()


def test_a_fixed_opponent_is_always_there() -> None:
    player = scripted_player("prisoners_dilemma", "grim")
    assert {id(FixedOpponent(player).draw(i, i, i)) for i in range(5)} == {id(player)}
    assert FixedOpponent("opponent").draw(1, 2, 3) == "opponent"
    assert not FixedOpponent("opponent").both_seats_learn()


def test_an_empty_buffer_gives_the_learner() -> None:
    buffer = PastAgents(seed=0, probability=1.0, size=3)
    assert {buffer.draw(iteration, 0, 0) for iteration in range(20)} == {LEARNER}
    assert not buffer.both_seats_learn()


def test_the_buffer_forgets_the_oldest() -> None:
    buffer = PastAgents(seed=0, probability=1.0, size=3)
    assert [buffer.add(iteration) for iteration in (10, 20, 30, 40, 50)] == [
        *(None, None, None, 10, 20)
    ]
    assert buffer.iterations == [30, 40, 50]
    drawn = {buffer.draw(iteration, 0, 0) for iteration in range(100)}
    assert drawn == {past_agent(iteration) for iteration in (30, 40, 50)}


def test_half_of_the_groups_meet_a_past_agent_all_alike_likely() -> None:
    buffer = filled()
    drawn = Counter(
        buffer.draw(iteration, group, 0) for iteration in range(250) for group in range(16)
    )
    total = 4000
    assert drawn[LEARNER] / total == pytest.approx(0.5, abs=4 * (0.25 / total) ** 0.5)
    past = [drawn[past_agent(iteration)] for iteration in range(10, 110, 10)]
    assert sum(past) + drawn[LEARNER] == total
    assert all(150 < count < 250 for count in past)  # 200 expected, deviation 13.8


def test_draws_are_per_group_and_the_same_again() -> None:
    first, second = filled(), filled()
    for iteration in range(10):
        for group in range(4):
            drawn = {first.draw(iteration, group, match) for match in range(8)}
            assert len(drawn) == 1
            assert drawn == {second.draw(iteration, group, 0)}


def test_draws_depend_on_seed_iteration_and_group() -> None:
    def draws(buffer: PastAgents, order: list[int]) -> list[object]:
        return [buffer.draw(iteration, iteration % 7, 0) for iteration in order]

    order = list(range(60))
    assert draws(filled(seed=0), order) != draws(filled(seed=1), order)
    assert len({filled().draw(3, group, 0) for group in range(60)}) > 5
    shuffled = Random(0).sample(order, len(order))
    by_iteration = dict(zip(shuffled, draws(filled(), shuffled), strict=True))
    assert [by_iteration[iteration] for iteration in order] == draws(filled(), order)


def test_drawing_per_match_mixes_opponents_inside_a_group() -> None:
    buffer = filled(per_match=True)
    assert len({buffer.draw(0, 0, match) for match in range(20)}) > 2
    assert [buffer.draw(0, 0, 5)] == [filled(per_match=True).draw(0, 0, 5)]


@pytest.mark.parametrize("kind", ["past agents", "scripted", "adapter"])
def test_the_learner_has_one_seat_that_alternates(kind: str) -> None:
    player = scripted_player("prisoners_dilemma", "always_a")
    all_opponents: dict[str, Opponents] = {
        "past agents": filled(),
        "scripted": FixedOpponent(player),
        "adapter": FixedOpponent("opponent"),
    }
    opponents = all_opponents[kind]
    seats: dict[tuple[int, int], set[int]] = {}
    for iteration in (0, 1):
        seatings = seat_learner(
            GAME, opponents, seed=0, iteration=iteration, matches=8, group_size=2
        )
        for index, seating in enumerate(seatings):
            (seat,) = seating.learning_seats
            assert seating.group == index // 2
            assert seating.players[seat] == LEARNER
            assert seating.players[1 - seat] == opponents.draw(iteration, seating.group, index)
            seats.setdefault((iteration, seating.group), set()).add(seat)
    assert all(len(found) == 1 for found in seats.values())
    by_group = {place: found.pop() for place, found in seats.items()}
    assert [by_group[0, group] for group in range(4)] == [0, 1, 0, 1]
    assert [by_group[1, group] for group in range(4)] == [1, 0, 1, 0]


def test_groups_have_one_opponent_unless_drawn_per_match() -> None:
    def opponents_by_group(per_match: bool) -> list[int]:
        seatings = seat_learner(
            GAME, filled(per_match=per_match), seed=0, iteration=3, matches=64, group_size=16
        )
        return [
            len({s.players[1 - s.learning_seats[0]] for s in seatings if s.group == group})
            for group in range(4)
        ]

    assert opponents_by_group(False) == [1, 1, 1, 1]
    assert min(opponents_by_group(True)) > 1


def test_the_adapters_of_a_batch_are_named_once_and_the_learner_s_first() -> None:
    def adapters(opponents: Opponents) -> list[str]:
        return adapters_in(
            seat_learner(GAME, opponents, seed=0, iteration=0, matches=16, group_size=1)
        )

    assert adapters(SelfPlay()) == [LEARNER]
    assert adapters(FixedOpponent(scripted_player("prisoners_dilemma", "grim"))) == [LEARNER]
    assert adapters(FixedOpponent("opponent")) == [LEARNER, "opponent"]
    assert adapters(FixedOpponent(NO_ADAPTER)) == [LEARNER, NO_ADAPTER]
    first, *others = adapters(filled())
    assert first == LEARNER
    assert len({*others}) == len(others) > 1
    assert {*others} <= {past_agent(iteration) for iteration in range(10, 110, 10)}
