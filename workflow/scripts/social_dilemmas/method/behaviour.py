"""What seats did in their matches, and the averages that the metrics hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from social_dilemmas.games.game import Game, Match, welfare_share

OUTCOMES = ("payoff", "payoff_opponent", "welfare_share", "invalid_rate")


@dataclass(frozen=True)
class SeatResult:
    """What happened to a seat in a match, in plain numbers.

    Attributes:
        group: id of the seats that share the match's chance events, the seat and the opponent.
        rewards, rewards_opponent: points of the seat and of the other one in every round.
        optimum: largest possible sum of both seats' points.
        invalid: how many of the seat's replies were invalid, hence forfeits.
        observed: the game's behaviours as they were observed, by name.
        self_play: whether the live learner sat in the other seat, too.
    """

    group: int
    rewards: list[float]
    rewards_opponent: list[float]
    optimum: float
    invalid: int
    observed: list[tuple[str, float]]
    self_play: bool = False


def seat_result(match: Match, seat: int, group: int = 0, self_play: bool = False) -> SeatResult:
    """What happened to a seat in a finished match."""
    return SeatResult(
        group=group,
        rewards=match.rewards(seat),
        rewards_opponent=match.rewards(1 - seat),
        optimum=match.game.welfare_optimum(match),
        invalid=match.invalid[seat],
        observed=list(match.game.observe(match, seat)),
        self_play=self_play,
    )


def summarise(game: Game, results: Sequence[SeatResult]) -> dict[str, float]:
    """Payoffs and behaviour of seats; quantities that were never observed are NaN.

    `payoff` and `payoff_opponent` are points a round, `welfare_share` is what both seats got of the largest possible
    sum, `invalid_rate` the share of rounds that were forfeited by an invalid reply.
    """
    if not results:
        return dict.fromkeys((*OUTCOMES, *game.behaviours), float("nan"))
    own = [sum(result.rewards) for result in results]
    other = [sum(result.rewards_opponent) for result in results]
    rounds = sum(len(result.rewards) for result in results)
    optimum = sum(result.optimum for result in results)
    observed: Mapping[str, list[float]] = {name: [] for name in game.behaviours}
    for result in results:
        for name, value in result.observed:
            observed[name].append(value)
    return {
        "payoff": sum(own) / rounds,
        "payoff_opponent": sum(other) / rounds,
        "welfare_share": welfare_share(sum(own) + sum(other), optimum),
        "invalid_rate": sum(result.invalid for result in results) / rounds,
        **{name: fmean(values) if values else float("nan") for name, values in observed.items()},
    }
