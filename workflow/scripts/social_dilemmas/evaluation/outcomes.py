"""How a match ended, in a few classes that mean the same in every game.

Luck is told apart from play by a reference: the same chance events, played by two greedy players
(by two random ones where the game has none). What they get together is what nothing but greed
makes; how unevenly they get it is what chance alone does.
"""

from enum import StrEnum

from social_dilemmas.agents.play import play
from social_dilemmas.agents.roles import reference_player
from social_dilemmas.games.game import SEATS, Game, Match

UNEVEN = 0.15  # of what a seat can win or lose in a match; less is no exploitation
WELL = 0.5  # of the way from greedy play to the welfare optimum


class Outcome(StrEnum):
    """Classes of matches, from the view of the first of two players."""

    WELL = "both_do_well"
    EXPLOITS = "exploits"
    EXPLOITED = "is_exploited"
    POORLY = "both_do_poorly"


def greedy_payoffs(game: Game, seed: int) -> list[float]:
    """Points of both seats over a match with this seed, if both play greedily."""
    match, player = game.start(seed), reference_player(game.kind)
    play([match], [(player, player)])
    return [sum(match.rewards(seat)) for seat in SEATS]


def classify(match: Match, seat: int) -> Outcome:
    """The class of a finished match, from the view of a seat."""
    game, greedy = match.game, greedy_payoffs(match.game, match.seed)
    points = [sum(match.rewards(each)) for each in SEATS]
    welfare, greedy_welfare, best = sum(points), sum(greedy), game.welfare_optimum(match)
    low, high = game.reward_bounds
    luck = (greedy[seat] - greedy[1 - seat]) / greedy_welfare if greedy_welfare else 0.0
    lead = points[seat] - points[1 - seat] - luck * welfare
    if abs(lead) >= UNEVEN * (high - low) * len(match.history):
        return Outcome.EXPLOITS if lead > 0 else Outcome.EXPLOITED
    if welfare - greedy_welfare >= WELL * (best - greedy_welfare):
        return Outcome.WELL
    return Outcome.POORLY
