"""An iteration's matches: groups with common random numbers, what the learner takes, and its sums."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from social_dilemmas.agents.play import play
from social_dilemmas.agents.scripted.player import scripted_player
from social_dilemmas.games import build_game, game_names
from social_dilemmas.method.credit import CREDITS, discounted_returns, leave_one_out
from social_dilemmas.method.opponents import FixedOpponent, Opponents, SelfPlay
from social_dilemmas.method.rollout import (
    Experience,
    Seating,
    adapter_names,
    play_seatings,
    seat_learner,
    summarise,
)
from social_dilemmas.policy.adapters import LEARNER
from social_dilemmas.policy.masks import TokenMasks
from social_dilemmas.policy.model import LanguageModel
from social_dilemmas.policy.sampler import LanguageModelPlayer, streams_in_order

ROUNDS = 3


def seated(name: str, opponents: Opponents | None = None, **changes: int) -> list[Seating]:
    arguments = {"seed": 0, "iteration": 0, "matches": 8, "group_size": 4, **changes}
    return seat_learner(build_game(name, ROUNDS), opponents or SelfPlay(), **arguments)


def chance(seating: Seating) -> object:
    """What a match drew: hands and starter, values, or nothing."""
    match = seating.match
    return (getattr(match, "hands", None), getattr(match, "values", None), match.turns()[0].seat)


def experience(language_model: LanguageModel, seatings: list[Seating]) -> Experience:
    game = seatings[0].match.game
    masks: TokenMasks = language_model.masks(game)
    player = LanguageModelPlayer(
        language_model.model, language_model.chat, masks, streams_in_order(0), max_new_tokens=6
    )
    return play_seatings(seatings, player)


@pytest.mark.parametrize("name", game_names())
def test_a_group_shares_its_chance_events(name: str) -> None:
    seatings = seated(name, matches=12)
    for group in range(3):
        members = [seating for seating in seatings if seating.group == group]
        assert len(members) == 4
        assert len({seating.match.seed for seating in members}) == 1
        assert all(chance(seating) == chance(members[0]) for seating in members)
        assert len({id(seating.match) for seating in members}) == 4
    assert len({seating.match.seed for seating in seatings}) == 3


@pytest.mark.parametrize("changes", [{"seed": 1}, {"iteration": 1}])
def test_other_seeds_and_iterations_have_other_chance_events(changes: dict[str, Any]) -> None:
    first, other = seated("trust_and_split"), seated("trust_and_split", **changes)
    assert {s.match.seed for s in first}.isdisjoint(s.match.seed for s in other)
    again = seated("trust_and_split")
    assert [s.match.seed for s in first] == [s.match.seed for s in again]
    assert [chance(s) for s in first] == [chance(s) for s in again]


@pytest.mark.parametrize("name", game_names())
def test_in_self_play_both_seats_are_rows(tiny: LanguageModel, name: str) -> None:
    seatings = seated(name)
    found = experience(tiny, seatings)
    assert found.seats == [(seating.match, seat) for seating in seatings for seat in (0, 1)]
    assert len(found.trajectories) == 16
    assert found.rewards.shape == found.other_rewards.shape == (16, ROUNDS)
    for row, (match, seat) in enumerate(found.seats):
        assert found.rewards[row].tolist() == pytest.approx(match.rewards(seat))
        assert found.other_rewards[row].tolist() == pytest.approx(match.rewards(1 - seat))
    # rows of a group share chance events and seat
    assert found.groups.tolist() == [0, 1] * 4 + [2, 3] * 4


def test_against_a_scripted_player_only_one_seat_is_a_row(tiny: LanguageModel) -> None:
    opponent = scripted_player("prisoners_dilemma", "always_b")
    seatings = seated("prisoners_dilemma", FixedOpponent(opponent))
    found = experience(tiny, seatings)
    assert [seat for _, seat in found.seats] == [0] * 4 + [1] * 4
    assert found.groups.tolist() == [0] * 4 + [3] * 4
    for match, seat in found.seats:
        assert all(finished.actions[1 - seat] == "B" for finished in match.history)
    for trajectory, (match, seat) in zip(found.trajectories, found.seats, strict=True):
        said = tiny.chat.decode(tuple(trajectory.tokens))
        own = "".join(f"<{finished.actions[seat]}>" for finished in match.history)
        replies = [piece.split("<|end|>")[0] for piece in said.split("<|assistant|>")[1:]]
        assert "".join(replies) == own


def test_matches_of_a_group_have_the_same_random_length(tiny: LanguageModel) -> None:
    game = build_game("split", {"least": 1, "most": 4})
    seatings = seat_learner(game, SelfPlay(), seed=0, iteration=0, matches=24, group_size=2)
    lengths = [seating.match.rounds for seating in seatings]
    assert lengths[::2] == lengths[1::2]
    assert len(set(lengths)) > 1


def test_after_the_end_of_a_match_there_is_nothing_to_learn_from(tiny: LanguageModel) -> None:
    """Rewards, returns and credit are 0 there, and before it as if the match stood alone."""
    game = build_game("split", {"continuation": 0.6, "most": 5})
    found = experience(
        tiny, seat_learner(game, SelfPlay(), seed=1, iteration=0, matches=12, group_size=4)
    )
    longest = max(match.rounds for match, _ in found.seats)
    assert min(match.rounds for match, _ in found.seats) < longest
    assert found.rewards.shape == found.other_rewards.shape == (24, longest)
    own, other = (
        leave_one_out(discounted_returns(rewards, 0.9), found.groups)
        for rewards in (found.rewards, found.other_rewards)
    )
    credit = CREDITS["advantage_alignment"](own, other, beta=1.0, discount=0.9)
    for row, (match, seat) in enumerate(found.seats):
        rounds = match.rounds
        rewards = [*match.rewards(seat), *[0] * (longest - rounds)]
        assert found.rewards[row].tolist() == pytest.approx(rewards)
        for values in (own, other, credit):
            assert not values[row, rounds:].any()
        same = found.groups == found.groups[row]
        alone = leave_one_out(
            discounted_returns(found.rewards[same, :rounds], 0.9), found.groups[same]
        )
        assert torch.allclose(own[same, :rounds], alone)
        assert {*found.trajectories[row].rounds} == {*range(rounds)}


def test_rewards_are_floats(tiny: LanguageModel) -> None:
    assert experience(tiny, seated("prisoners_dilemma")).rewards.is_floating_point()


def test_adapters_are_named_for_every_seat_on_the_model() -> None:
    first, second = seated("prisoners_dilemma", FixedOpponent("opponent"), group_size=1, matches=2)
    name_of = adapter_names([first, second])
    assert [name_of(turn) for turn in first.match.turns()] == [LEARNER, "opponent"]
    assert [name_of(turn) for turn in second.match.turns()] == ["opponent", LEARNER]
    scripted = replace(first, players=(LEARNER, scripted_player("prisoners_dilemma", "grim")))
    with pytest.raises(KeyError):
        adapter_names([scripted])(scripted.match.turns()[1])


def test_summary_by_hand() -> None:
    """Tit-for-tat against always-B over three rounds: AB, BB, BB."""
    game = build_game("prisoners_dilemma", 3)
    match = game.start(0)
    players = [scripted_player("prisoners_dilemma", name) for name in ("tit_for_tat", "always_b")]
    play([match], [(players[0], players[1])])
    found = summarise(game, [(match, 0)])
    assert found["payoff"] == pytest.approx(2 / 3)
    assert found["payoff_opponent"] == pytest.approx(7 / 3)
    assert found["welfare_share"] == pytest.approx(9 / 18)
    assert found["invalid_rate"] == 0
    assert found["cooperation"] == pytest.approx(1 / 3)
    assert found["cooperation_at_start"] == 1
    assert found["cooperation_after_CD"] == 0
    assert found["cooperation_after_DD"] == 0
    assert math.isnan(found["cooperation_after_CC"])
    assert math.isnan(found["cooperation_after_DC"])
    both = summarise(game, [(match, 0), (match, 1)])
    assert both["payoff"] == both["payoff_opponent"] == pytest.approx(1.5)
    assert both["cooperation"] == pytest.approx(1 / 6)


def test_matches_of_different_lengths_weigh_by_their_rounds() -> None:
    game = build_game("prisoners_dilemma", 1)
    short, long = (
        build_game("prisoners_dilemma", 1).start(0),
        build_game("prisoners_dilemma", 3).start(0),
    )
    kind = scripted_player("prisoners_dilemma", "always_a")
    unkind = scripted_player("prisoners_dilemma", "always_b")
    play([short, long], [(kind, unkind), (kind, kind)])
    assert summarise(game, [(short, 0), (long, 0)])["payoff"] == pytest.approx(9 / 4)


def test_forfeits_are_counted_for_the_seat_that_made_them() -> None:
    game = build_game("prisoners_dilemma", 2)
    match = game.start(0)
    match.take({0: "cooperate!", 1: "<B>"})
    match.take({0: "<A>", 1: "<B>"})
    assert summarise(game, [(match, 0)])["invalid_rate"] == 0.5
    assert summarise(game, [(match, 1)])["invalid_rate"] == 0
    assert summarise(game, [(match, 0), (match, 1)])["invalid_rate"] == 0.25
