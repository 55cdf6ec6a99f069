"""The matches of an iteration: who plays whom, and what the learner takes from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from social_dilemmas.agents.agent import Agent
from social_dilemmas.agents.play import Players, Sampler, Slips, play_batch
from social_dilemmas.agents.slips import trembles
from social_dilemmas.games.game import SEATS, Game, Match, Turn
from social_dilemmas.method.behaviour import SeatResult, seat_result
from social_dilemmas.method.learner import Learner
from social_dilemmas.method.opponents import LIVE, OpponentPool
from social_dilemmas.policy.sampler import PolicySampler
from social_dilemmas.policy.trajectory import Trajectory, TrajectoryPlayer
from social_dilemmas.randomness import derive_seed
from social_dilemmas.run.ranks import ALONE, Ranks
from social_dilemmas.run.shortage import SAMPLING_ADVICE, shortage_reported


@dataclass(frozen=True)
class Seating:
    """A match to be played, the seats that learn in it, and who sits in its seats."""

    match: Match
    group: int
    learning_seats: tuple[int, ...]
    agents: tuple[Agent, Agent]

    def mirrored(self) -> "Seating":
        """The same match for whoever learns in the other seats."""
        return replace(self, learning_seats=tuple(1 - seat for seat in self.learning_seats))


@dataclass(frozen=True)
class Rollout:
    """The matches of an iteration as the learner saw them, one row for each learning seat of each match.

    Where several ranks share a run, trajectories are those of this rank, and everything else is that of all.
    """

    trajectories: list[Trajectory]
    own: slice  # which rows the trajectories are
    rewards: Tensor  # (rows, rounds) points of the learner; zeros after the end of shorter matches
    rewards_opponent: Tensor  # (rows, rounds) of the other seat
    groups: Tensor  # (rows,) ids of rows that share chance events, seat and opponent
    results: list[SeatResult]
    tokens: int  # in the conversations that are learned from
    action_tokens: int  # those of them that were sampled


def seat_learner(
    game: Game, pool: OpponentPool, *, seed: int, iteration: int, matches: int, group_size: int
) -> list[Seating]:
    """New matches in groups with common random numbers: those of a group share their seed, hence all chance events.

    Where only one seat learns, as with an opponent that isn't the learner, it alternates from group to group and from
    iteration to iteration.
    """
    seatings = []
    for index in range(matches):
        group, number = divmod(index, group_size)
        match = game.start(derive_seed(seed, iteration, group, "match"))
        match.number = number
        opponent = pool.draw(iteration, group, index)
        seat = (group + iteration) % 2
        agents = (LIVE, opponent) if seat == 0 else (opponent, LIVE)
        learning = SEATS if opponent == LIVE and pool.both_seats_learn else (seat,)
        seatings.append(Seating(match, group, learning, agents))
    return seatings


class Rollouts:
    """Samples the matches of every iteration; a context, as it may start a server."""

    def __init__(
        self,
        learner: Learner,
        game: Mapping[str, Any],
        *,
        seed: int,
        folder: Path,
        ranks: Ranks,
    ) -> None:
        """Prepare the sampling of a run; `folder` takes a vLLM server's files. UserError if vLLM isn't installed."""
        self._policy = learner.policy
        self._pool = learner.pool
        self._settings = settings = learner.settings
        self._seed = seed
        self._ranks = ranks
        self._players = Players(learner.policy.game)
        self._folder = folder
        self._server: Any = None
        if settings.sampler == "vllm":
            # Found by name, so that code which isn't used isn't part of a fingerprint.
            backend = import_module("social_dilemmas.backends.vllm.sampler")
            files = folder / f"vllm-{ranks.rank}"
            self._server = backend.VllmSampler(self._policy, settings, game=game, folder=files)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._server is not None:
            self._server.__exit__(*error)

    def sample(self, iteration: int) -> Rollout:
        """Play the matches of an iteration; UserError if a server that plays is lost for good."""
        return rollout_of(*self._play(iteration), self._ranks)

    def sample_for_both(self, iteration: int) -> tuple[Rollout, Rollout]:
        """`sample`, as the learner saw the matches and as its opponent did, in the same order."""
        seatings, player = self._play(iteration)
        mirrored = [seating.mirrored() for seating in seatings]
        first, second = (rollout_of(each, player, self._ranks) for each in (seatings, mirrored))
        return first, second

    def _play(self, iteration: int) -> tuple[list[Seating], TrajectoryPlayer]:
        """Play this rank's matches of an iteration; who sat in them, and the player of the model's seats."""
        with shortage_reported(self._folder, SAMPLING_ADVICE):
            if self._server is None:
                return self._play_once(iteration)
            play_once = partial(self._play_once, iteration)
            played: tuple[list[Seating], TrajectoryPlayer]
            played = self._server.repeat_if_lost(iteration, play_once)
            return played

    def _play_once(self, iteration: int) -> tuple[list[Seating], TrajectoryPlayer]:
        settings, seed = self._settings, self._seed
        seatings = seat_learner(
            self._policy.game,
            self._pool,
            seed=seed,
            iteration=iteration,
            matches=settings.matches,
            group_size=settings.group_size,
        )
        places = {seating.match: place for place, seating in enumerate(seatings)}

        def names_of(turn: Turn) -> tuple[object, ...]:
            return seed, iteration, places[turn.match], turn.seat, "sampling"

        sampler: Sampler[TrajectoryPlayer]
        if self._server is not None:
            sampler = self._server.at(iteration, names_of)
        else:
            sampler = PolicySampler(
                self._policy,
                names_of,
                temperature=settings.temperature,
                max_new_tokens=settings.max_new_tokens,
                merge_adapter=settings.merge_adapter,
            )
        own = seatings[self._ranks.share(len(seatings))]
        slips = trembles(settings.tremble, names_of) if settings.tremble else None
        return own, play_seatings(own, self._players, sampler, slips)

    def usages(self) -> list[dict[str, Any] | None]:
        """What opponents behind an API used and cost so far, in every rank; None where there are none."""
        return self._ranks.all_gather(self._players.usage())


def play_seatings(
    seatings: Sequence[Seating],
    players: Players,
    sampler: Sampler[TrajectoryPlayer],
    slips: Slips | None = None,
) -> TrajectoryPlayer:
    """Play matches to their end; all seats of the model are sampled together, by the player that is given back.

    `players` are those of opponents that aren't the model, `slips` as for `play`.
    """
    matches = [seating.match for seating in seatings]
    agents = [seating.agents for seating in seatings]
    player = play_batch(matches, agents, players, sampler, slips=slips)
    assert player is not None
    return player


def rollout_of(
    seatings: Sequence[Seating], player: TrajectoryPlayer, ranks: Ranks = ALONE
) -> Rollout:
    """What is learned from the matches of all ranks; `player` played the seats of the model in those of this one."""
    rows = [(seating, seat) for seating in seatings for seat in seating.learning_seats]
    trajectories = [player.trajectory(seating.match, seat) for seating, seat in rows]
    own_results = [
        seat_result(
            seating.match,
            seat,
            group=2 * seating.group + seat,
            self_play=seating.agents == (LIVE, LIVE),
        )
        for seating, seat in rows
    ]
    tokens = sum(len(trajectory.tokens) for trajectory in trajectories)
    action_tokens = sum(len(trajectory.positions) for trajectory in trajectories)
    parts = ranks.all_gather((own_results, tokens, action_tokens))
    results = [result for part in parts for result in part[0]]
    first = sum(len(part[0]) for part in parts[: ranks.rank])
    return Rollout(
        trajectories=trajectories,
        own=slice(first, first + len(rows)),
        rewards=padded([result.rewards for result in results]),
        rewards_opponent=padded([result.rewards_opponent for result in results]),
        groups=torch.tensor([result.group for result in results]),
        results=results,
        tokens=sum(part[1] for part in parts),
        action_tokens=sum(part[2] for part in parts),
    )


def padded(rewards: Sequence[Sequence[float]]) -> Tensor:
    """(rows, rounds) rewards as one tensor, with zeros after the end of shorter matches.

    So returns are zero there, and those of earlier rounds are what they would be without.
    """
    rows = [torch.tensor(row, dtype=torch.float) for row in rewards]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)  # (rows, rounds)
