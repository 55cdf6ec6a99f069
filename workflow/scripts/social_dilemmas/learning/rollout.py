"""One iteration's matches: who plays whom, and what the learner takes from it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor

from social_dilemmas.games.game import SEATS, Game, Match, Turn, welfare_share
from social_dilemmas.generation.sampler import LanguageModelPlayer
from social_dilemmas.generation.transcript import Transcript
from social_dilemmas.learning.adapters import LEARNER
from social_dilemmas.learning.opponents import Opponent, Opponents
from social_dilemmas.players.play import play
from social_dilemmas.players.player import Player
from social_dilemmas.randomness import derive_seed


@dataclass(frozen=True)
class Seating:
    """A match to be played: its group, the learning seats, and who sits in each seat."""

    match: Match
    group: int
    learning_seats: tuple[int, ...]
    players: tuple[Opponent, Opponent]


@dataclass(frozen=True)
class Experience:
    """What the learner saw of an iteration, one row for each learning seat of each match.

    Attributes:
        transcripts: conversations, with the places of the learner's choices.
        rewards: (rows, rounds) points of the learner; rounds are those of the longest match, and 0 stands
            where a shorter one has ended.
        other_rewards: (rows, rounds) points of the other seat.
        groups: (rows,) ids of rows that share the group's seed, the seat and the opponent.
        seats: the match and the seat of every row.
    """

    transcripts: list[Transcript]
    rewards: Tensor
    other_rewards: Tensor
    groups: Tensor
    seats: list[tuple[Match, int]]


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


def play_seatings(seatings: Sequence[Seating], model_player: LanguageModelPlayer) -> Experience:
    """Play all matches to their end; all seats that run on the model are played in one batch."""

    def seated(player: Opponent) -> Player:
        return model_player if isinstance(player, str) else player

    play(
        [seating.match for seating in seatings],
        [(seated(seating.players[0]), seated(seating.players[1])) for seating in seatings],
    )
    rows = [(seating, seat) for seating in seatings for seat in seating.learning_seats]
    return Experience(
        transcripts=[model_player.transcript(seating.match, seat) for seating, seat in rows],
        rewards=padded([seating.match.rewards(seat) for seating, seat in rows]),
        other_rewards=padded([seating.match.rewards(1 - seat) for seating, seat in rows]),
        groups=torch.tensor([2 * seating.group + seat for seating, seat in rows]),
        seats=[(seating.match, seat) for seating, seat in rows],
    )


def padded(rewards: Sequence[Sequence[float]]) -> Tensor:
    """(rows, rounds) rewards as one tensor, with zeros after the end of shorter matches.

    So returns are zero there, and those of earlier rounds are what they would be without.
    """
    rows = [torch.tensor(row, dtype=torch.float) for row in rewards]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


def summarise(game: Game, seats: Sequence[tuple[Match, int]]) -> dict[str, float]:
    """Payoffs and behaviour of these seats; quantities that were never observed are NaN.

    `payoff` and `payoff_other` are points a round, `welfare_share` is what both seats got of the largest possible
    sum, `invalid_rate` the share of rounds in which a reply had to be forfeited.
    """
    own = [sum(match.rewards(seat)) for match, seat in seats]
    other = [sum(match.rewards(1 - seat)) for match, seat in seats]
    rounds = sum(len(match.history) for match, _ in seats)
    optimum = sum(game.welfare_optimum(match) for match, _ in seats)
    observed: Mapping[str, list[float]] = {name: [] for name in game.behaviours}
    for match, seat in seats:
        for name, value in game.observe(match, seat):
            observed[name].append(value)
    return {
        "payoff": sum(own) / rounds,
        "payoff_other": sum(other) / rounds,
        "welfare_share": welfare_share(sum(own) + sum(other), optimum),
        "invalid_rate": sum(match.invalid[seat] for match, seat in seats) / rounds,
        **{name: fmean(values) if values else float("nan") for name, values in observed.items()},
    }
