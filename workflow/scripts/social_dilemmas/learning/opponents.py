"""Who sits opposite the learner: itself, past versions of itself, or somebody fixed.

An opponent is drawn per group of matches. Drawing it per match would put opponents of different strength into one
group baseline, an offset that Advantage Alignment multiplies into its shaping term.
"""

from typing import Protocol

from social_dilemmas.learning.adapters import LEARNER
from social_dilemmas.players.player import Player
from social_dilemmas.randomness import stream

Opponent = str | Player  # the name of an adapter, or a player of its own


class Opponents(Protocol):
    """A way to choose opponents."""

    def draw(self, iteration: int, group: int, match: int) -> Opponent:
        """The opponent of a match, fixed by the names of the draw."""
        ...

    def both_seats_learn(self) -> bool:
        """Whether the learner sits in both seats of every match and learns in both."""
        ...


class SelfPlay:
    """The learner plays itself and learns in both seats."""

    def draw(self, iteration: int, group: int, match: int) -> Opponent:
        return LEARNER

    def both_seats_learn(self) -> bool:
        return True


class FixedOpponent:
    """The same opponent always; the learner's seat alternates."""

    def __init__(self, opponent: Opponent) -> None:
        self._opponent = opponent

    def draw(self, iteration: int, group: int, match: int) -> Opponent:
        return self._opponent

    def both_seats_learn(self) -> bool:
        return False


class PastAgents:
    """A buffer of the learner's past adapters.

    With some probability the opponent is one of them, else the live learner. One seat of every match learns.
    """

    def __init__(
        self, *, seed: int, probability: float, size: int, per_match: bool = False
    ) -> None:
        """An empty buffer.

        Args:
            seed: seed of the run.
            probability: probability that the opponent is a past agent, once there is one.
            size: the buffer's capacity; when it is full, the oldest goes.
            per_match: draw for every match instead of every group (an ablation).
        """
        self._seed = seed
        self._probability = probability
        self._size = size
        self._per_match = per_match
        self.iterations: list[int] = []  # when the agents in the buffer were taken

    def add(self, iteration: int) -> int | None:
        """Take in the learner of this iteration; gives back the iteration of the one that has to go, if any."""
        self.iterations.append(iteration)
        return self.iterations.pop(0) if len(self.iterations) > self._size else None

    def draw(self, iteration: int, group: int, match: int) -> Opponent:
        place = (match,) if self._per_match else ()
        random = stream(self._seed, iteration, group, *place, "opponent")
        if self.iterations and random.random() < self._probability:
            return past_agent(random.choice(self.iterations))
        return LEARNER

    def both_seats_learn(self) -> bool:
        return False


def past_agent(iteration: int) -> str:
    """Name of the adapter that holds the learner of an iteration."""
    return f"iteration-{iteration}"
