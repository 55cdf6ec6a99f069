"""How many rounds a match has: a fixed number, or one drawn from the match's seed.

Players never learn it. Where it is drawn, matches of the same seed have the same number of rounds.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from social_dilemmas.errors import UserError
from social_dilemmas.randomness import stream

Rounds = int | Mapping[str, float]
"""As a config entry says it: a number, or `{least, most}`, or `{continuation, most}`."""


@dataclass(frozen=True)
class Horizon(ABC):
    """`most` is the largest number of rounds that a match may have."""

    most: int

    def draw(self, seed: int) -> int:
        """The number of rounds of the match with this seed, 1..`most`."""
        return self._draw(stream("horizon", seed))

    @abstractmethod
    def _draw(self, random: Random) -> int: ...


class Fixed(Horizon):
    """The same number of rounds in every match."""

    def _draw(self, random: Random) -> int:
        return self.most


@dataclass(frozen=True)
class Uniform(Horizon):
    """Every number of rounds from `least` to `most` with the same probability."""

    least: int

    def _draw(self, random: Random) -> int:
        return random.randint(self.least, self.most)


@dataclass(frozen=True)
class Geometric(Horizon):
    """After every round the match goes on with the probability `continuation`, up to `most` rounds.

    The random stop of Roth and Murnighan, Equilibrium behavior and repeated play of the prisoner's
    dilemma, Journal of Mathematical Psychology 17, 1978.
    """

    continuation: float

    def _draw(self, random: Random) -> int:
        rounds = 1
        while rounds < self.most and random.random() < self.continuation:
            rounds += 1
        return rounds


def horizon_of(rounds: Rounds) -> Horizon:
    """The horizon that a config entry names.

    Raises:
        UserError: there might be no round, or the numbers don't make a horizon.
    """
    if not isinstance(rounds, Mapping):
        return Fixed(_at_least_one("rounds", rounds))
    if set(rounds) not in ({"least", "most"}, {"continuation", "most"}):
        raise UserError(
            "rounds must be a number, {least, most} or {continuation, most}, "
            f"but holds {', '.join(rounds) or 'nothing'}"
        )
    most = _at_least_one("rounds.most", rounds["most"])
    if "least" in rounds:
        least = _at_least_one("rounds.least", rounds["least"])
        if least > most:
            raise UserError(f"rounds.least must be at most rounds.most, {most}, but is {least}")
        return Uniform(most, least)
    continuation = rounds["continuation"]
    if not 0 <= continuation < 1:
        raise UserError(
            f"rounds.continuation must be at least 0 and less than 1, but is {continuation}"
        )
    return Geometric(most, continuation)


def _at_least_one(name: str, number: float) -> int:
    if isinstance(number, bool) or not isinstance(number, int):
        raise UserError(f"{name} must be a whole number, but is {number!r}")
    if number < 1:
        raise UserError(f"{name} must be at least 1, but is {number}")
    return number
