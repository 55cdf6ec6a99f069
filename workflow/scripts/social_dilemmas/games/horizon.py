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
    """From `least` to `most` rounds, every number of them equally likely; unless there is a
    `continuation`, the probability that a match goes on after a round: the random stop of Roth and
    Murnighan, Equilibrium behavior and repeated play of the prisoner's dilemma, Journal of
    Mathematical Psychology 17, 1978.
    """

    least: int
    most: int
    continuation: float | None = None

    def draw(self, seed: int) -> int:
        """The number of rounds of the match with this seed."""
        random = stream("horizon", seed)
        if self.continuation is None:
            return random.randint(self.least, self.most)
        rounds = 1
        while rounds < self.most and random.random() < self.continuation:
            rounds += 1
        return rounds


def horizon_of(rounds: Rounds) -> Horizon:
    """The horizon that a config entry asks for; raises UserError if its numbers don't make one."""
    if not isinstance(rounds, Mapping):
        least = most = at_least_one("rounds", rounds)
        return Horizon(least, most)
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
        return Horizon(least, most)
    continuation = rounds["continuation"]
    if not 0 <= continuation < 1:
        raise UserError(
            f"rounds.continuation must be at least 0 and less than 1, but is {continuation}"
        )
    return Horizon(1, most, continuation)


def at_least_one(name: str, number: float) -> int:
    """The number, if it is a whole one from 1 on; else raises UserError under this name."""
    if isinstance(number, bool) or not isinstance(number, int):
        raise UserError(f"{name} must be a whole number, but is {number!r}")
    if number < 1:
        raise UserError(f"{name} must be at least 1, but is {number}")
    return number
