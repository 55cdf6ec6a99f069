"""How many rounds a match has: a fixed number, or one drawn from the match's seed.

Players never learn it. Where it is drawn, matches of the same seed have the same number of rounds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from social_dilemmas.errors import UserError
from social_dilemmas.randomness import stream

Rounds = int | Mapping[str, float]
"""As a config entry has it: a number, or `{least, most}`, or `{continuation, most}`."""


@dataclass(frozen=True)
class Horizon:
    """Matches of `most` rounds, unless one of the others is given.

    Attributes:
        most: the largest number of rounds that a match may have.
        least: every number from `least` to `most` is equally likely.
        continuation: the probability that a match goes on after a round, up to `most` rounds: the
            random stop of Roth and Murnighan, Equilibrium behavior and repeated play of the
            prisoner's dilemma, Journal of Mathematical Psychology 17, 1978.
    """

    most: int
    least: int | None = None
    continuation: float | None = None

    def draw(self, seed: int) -> int:
        """The number of rounds of the match with this seed, 1..`most`."""
        random = stream("horizon", seed)
        if self.least is not None:
            return random.randint(self.least, self.most)
        if self.continuation is None:
            return self.most
        rounds = 1
        while rounds < self.most and random.random() < self.continuation:
            rounds += 1
        return rounds


def horizon_of(rounds: Rounds) -> Horizon:
    """The horizon that a config entry asks for.

    Raises:
        UserError: there might be no round, or the numbers don't make a horizon.
    """
    if not isinstance(rounds, Mapping):
        return Horizon(at_least_one("rounds", rounds))
    if set(rounds) not in ({"least", "most"}, {"continuation", "most"}):
        raise UserError(
            "rounds must be a number, {least, most} or {continuation, most}, "
            f"but holds {', '.join(rounds) or 'nothing'}"
        )
    most = at_least_one("rounds.most", rounds["most"])
    if "least" in rounds:
        least = at_least_one("rounds.least", rounds["least"])
        if least > most:
            raise UserError(f"rounds.least must be at most rounds.most, {most}, but is {least}")
        return Horizon(most, least=least)
    continuation = rounds["continuation"]
    if not 0 <= continuation < 1:
        raise UserError(
            f"rounds.continuation must be at least 0 and less than 1, but is {continuation}"
        )
    return Horizon(most, continuation=continuation)


def at_least_one(name: str, number: float) -> int:
    """The number, if it is a whole one from 1 on; else raises UserError under this name."""
    if isinstance(number, bool) or not isinstance(number, int):
        raise UserError(f"{name} must be a whole number, but is {number!r}")
    if number < 1:
        raise UserError(f"{name} must be at least 1, but is {number}")
    return number
