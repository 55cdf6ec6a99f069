"""One iteration's matches: who plays whom, and what the learner takes from it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Protocol

import torch
from torch import Tensor

from social_dilemmas.agents.play import play
from social_dilemmas.agents.player import Player
from social_dilemmas.games.game import SEATS, Game, Match, Turn, welfare_share
from social_dilemmas.method.opponents import Opponent, Opponents
from social_dilemmas.policy.adapters import LEARNER
from social_dilemmas.policy.trajectory import Trajectory
from social_dilemmas.randomness import derive_seed
from social_dilemmas.run.ranks import ALONE, Ranks

OUTCOMES = ("payoff", "payoff_other", "welfare_share", "invalid_rate")


@dataclass(frozen=True)
class Seating:
    """A match to be played: its group, the learning seats, and who sits in each seat."""

    match: Match
    group: int
    learning_seats: tuple[int, ...]
    players: tuple[Opponent, Opponent]


@dataclass(frozen=True)
class SeatResult:
    """What a seat came to in a match, in plain numbers.

    Attributes:
        rewards, other_rewards: points of the seat and of the other one in every round.
        optimum: largest possible sum of both seats' points.
        invalid: how many of the seat's replies had to be forfeited.
        observed: the game's behaviours as they were observed, by name.
        between_learners: whether the live learner sat in the other seat, too.
    """

    rewards: list[float]
    other_rewards: list[float]
    optimum: float
    invalid: int
    observed: list[tuple[str, float]]
    between_learners: bool = False


@dataclass(frozen=True)
class Experience:
    """What the learner saw of an iteration, one row for each learning seat of each match.

    Where several processes share a run, conversations are those of this process, and all else is that of all.

    Attributes:
        trajectories: conversations, with the places of the learner's choices.
        seats: the match and the seat of each of them.
        own: the rows that they are.
        rewards: (rows, rounds) points of the learner; rounds are those of the longest match, and 0 stands
            where a shorter one has ended.
        other_rewards: (rows, rounds) points of the other seat.
        groups: (rows,) ids of rows that share the group's seed, the seat and the opponent.
        results: what every row's seat came to.
        tokens, chosen: number of tokens in all conversations, and of those that were chosen.
    """

    trajectories: list[Trajectory]
    seats: list[tuple[Match, int]]
    own: slice
    rewards: Tensor
    other_rewards: Tensor
    groups: Tensor
    results: list[SeatResult]
    tokens: int
    chosen: int


def seat_learner(
    game: Game, opponents: Opponents, *, seed: int, iteration: int, matches: int, group_size: int
) -> list[Seating]:
    """New matches in groups with common random numbers.

    All matches of a group share their seed, so the same hands, values and starter. Where only one seat learns, it
    alternates from group to group and from iteration to iteration.
    """
    seatings = []
    for index in range(matches):
        group = index // group_size
        match = game.start(derive_seed(seed, iteration, group, "match"))
        opponent = opponents.draw(iteration, group, index)
        if opponents.both_seats_learn():
            seatings.append(Seating(match, group, SEATS, (LEARNER, LEARNER)))
        else:
            seat = (group + iteration) % 2
            players = (LEARNER, opponent) if seat == 0 else (opponent, LEARNER)
            seatings.append(Seating(match, group, (seat,), players))
    return seatings


def adapters_in(seatings: Sequence[Seating]) -> list[str]:
    """Names of the adapters that seats run on, the learner's first."""
    names = {
        player for seating in seatings for player in seating.players if isinstance(player, str)
    }
    return [LEARNER, *sorted(names - {LEARNER})]


def adapter_names(seatings: Sequence[Seating]) -> Callable[[Turn], str]:
    """Tells for a turn which adapter its seat runs on."""
    names = {
        (seating.match, seat): player
        for seating in seatings
        for seat, player in enumerate(seating.players)
        if isinstance(player, str)
    }
    return lambda turn: names[turn.match, turn.seat]


def pass_over(seatings: Sequence[Seating]) -> None:
    """Tell players that count their conversations of matches before this process's share."""
    for seating in seatings:
        for seat, player in enumerate(seating.players):
            if counting := getattr(player, "pass_over", None):
                counting(seating.match.seed, seat)


def begin_again(seatings: Sequence[Seating]) -> None:
    """Tell players that count their conversations that these matches will be played again from their beginning."""
    for seating in seatings:
        for seat, player in enumerate(seating.players):
            if forgetting := getattr(player, "begin_again", None):
                forgetting(seating.match.seed, seat)


class ModelPlayer(Player, Protocol):
    """A player whose replies are tokens of the model."""

    def trajectory(self, match: Match, seat: int) -> Trajectory:
        """The conversation of a seat so far."""
        ...


def play_seatings(
    seatings: Sequence[Seating], model_player: ModelPlayer, ranks: Ranks = ALONE
) -> Experience:
    """Play all matches to their end; all seats that run on the model are played in one batch.

    Args:
        seatings: matches of this process.
        model_player: plays the seats that run on the model.
        ranks: those that share the iteration, each with matches of its own.
    """

    def seated(player: Opponent) -> Player:
        return model_player if isinstance(player, str) else player

    play(
        [seating.match for seating in seatings],
        [(seated(seating.players[0]), seated(seating.players[1])) for seating in seatings],
    )
    rows = [(seating, seat) for seating in seatings for seat in seating.learning_seats]
    trajectories = [model_player.trajectory(seating.match, seat) for seating, seat in rows]
    results = [
        seat_result(seating.match, seat, seating.players == (LEARNER, LEARNER))
        for seating, seat in rows
    ]
    groups = [2 * seating.group + seat for seating, seat in rows]
    tokens = sum(len(trajectory.tokens) for trajectory in trajectories)
    chosen = sum(len(trajectory.positions) for trajectory in trajectories)
    parts = ranks.all_gather((results, groups, tokens, chosen))
    first = sum(len(part[0]) for part in parts[: ranks.rank])
    results = [result for part in parts for result in part[0]]
    return Experience(
        trajectories=trajectories,
        seats=[(seating.match, seat) for seating, seat in rows],
        own=slice(first, first + len(rows)),
        rewards=padded([result.rewards for result in results]),
        other_rewards=padded([result.other_rewards for result in results]),
        groups=torch.tensor([group for part in parts for group in part[1]]),
        results=results,
        tokens=sum(part[2] for part in parts),
        chosen=sum(part[3] for part in parts),
    )


def seat_result(match: Match, seat: int, between_learners: bool = False) -> SeatResult:
    """What a seat came to in a match."""
    return SeatResult(
        rewards=match.rewards(seat),
        other_rewards=match.rewards(1 - seat),
        optimum=match.game.welfare_optimum(match),
        invalid=match.invalid[seat],
        observed=list(match.game.observe(match, seat)),
        between_learners=between_learners,
    )


def padded(rewards: Sequence[Sequence[float]]) -> Tensor:
    """(rows, rounds) rewards as one tensor, with zeros after the end of shorter matches.

    So returns are zero there, and those of earlier rounds are what they would be without.
    """
    rows = [torch.tensor(row, dtype=torch.float) for row in rewards]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


def summarise(game: Game, seats: Sequence[tuple[Match, int]]) -> dict[str, float]:
    """Payoffs and behaviour of these seats, see `summarise_results`."""
    return summarise_results(game, [seat_result(match, seat) for match, seat in seats])


def summarise_results(game: Game, results: Sequence[SeatResult]) -> dict[str, float]:
    """Payoffs and behaviour of seats; quantities that were never observed are NaN.

    `payoff` and `payoff_other` are points a round, `welfare_share` is what both seats got of the largest possible
    sum, `invalid_rate` the share of rounds in which a reply had to be forfeited.
    """
    if not results:
        return dict.fromkeys((*OUTCOMES, *game.behaviours), float("nan"))
    own = [sum(result.rewards) for result in results]
    other = [sum(result.other_rewards) for result in results]
    rounds = sum(len(result.rewards) for result in results)
    optimum = sum(result.optimum for result in results)
    observed: Mapping[str, list[float]] = {name: [] for name in game.behaviours}
    for result in results:
        for name, value in result.observed:
            observed[name].append(value)
    return {
        "payoff": sum(own) / rounds,
        "payoff_other": sum(other) / rounds,
        "welfare_share": welfare_share(sum(own) + sum(other), optimum),
        "invalid_rate": sum(result.invalid for result in results) / rounds,
        **{name: fmean(values) if values else float("nan") for name, values in observed.items()},
    }
