"""What seats did in their matches, and the averages that the metrics hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from social_dilemmas.games.game import SEATS, Game, Match, welfare_share

OUTCOMES = (
    *("payoff", "payoff_opponent", "welfare_share", "normalised_welfare"),
    *("invalid_rate", "invalid_rate_opponent"),
)


@dataclass(frozen=True)
class SeatResult:
    """What happened to a seat in a match, in plain numbers."""

    group: int  # of seats that share the match's chance events, the seat and the opponent
    rewards: list[float]  # points of every round
    rewards_opponent: list[float]
    optimum: float  # largest possible sum of both seats' points
    security: float  # sum of the points that both seats could make sure of
    invalid: int  # replies, hence forfeits
    invalid_opponent: int
    observed: list[tuple[str, float]]  # the game's behaviours, by name
    self_play: bool = False  # the live learner sat in the other seat, too


def seat_result(match: Match, seat: int, group: int = 0, self_play: bool = False) -> SeatResult:
    """What happened to a seat in a finished match."""
    return SeatResult(
        group=group,
        rewards=match.rewards(seat),
        rewards_opponent=match.rewards(1 - seat),
        optimum=match.game.welfare_optimum(match),
        security=sum(match.game.security(match, seat) for seat in SEATS),
        invalid=match.invalid[seat],
        invalid_opponent=match.invalid[1 - seat],
        observed=list(match.game.observe(match, seat)),
        self_play=self_play,
    )


def summarise(game: Game, results: Sequence[SeatResult]) -> dict[str, float]:
    """Payoffs and behaviour of seats; quantities that were never observed are NaN.

    `payoff` and `payoff_opponent` are points a round, `welfare_share` is what both seats got of the largest possible
    sum, `normalised_welfare` the same above both seats' security, `invalid_rate` how many replies a
    round were invalid, hence forfeits, `invalid_rate_opponent` those of the other seat.
    """
    if not results:
        return dict.fromkeys((*OUTCOMES, *game.behaviours), float("nan"))
    own = [sum(result.rewards) for result in results]
    other = [sum(result.rewards_opponent) for result in results]
    rounds = sum(len(result.rewards) for result in results)
    optimum = sum(result.optimum for result in results)
    security = sum(result.security for result in results)
    observed: dict[str, list[float]] = {name: [] for name in game.behaviours}
    for result in results:
        for name, value in result.observed:
            observed[name].append(value)
    return {
        "payoff": sum(own) / rounds,
        "payoff_opponent": sum(other) / rounds,
        "welfare_share": welfare_share(sum(own) + sum(other), optimum),
        "normalised_welfare": welfare_share(sum(own) + sum(other) - security, optimum - security),
        "invalid_rate": sum(result.invalid for result in results) / rounds,
        "invalid_rate_opponent": sum(result.invalid_opponent for result in results) / rounds,
        **{name: fmean(values) if values else float("nan") for name, values in observed.items()},
    }
