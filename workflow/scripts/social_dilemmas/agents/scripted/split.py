"""Scripted players of Split."""

from social_dilemmas.agents.scripted.player import RulePlayer
from social_dilemmas.games.dividing import Claims, half
from social_dilemmas.games.split import SplitView, treated_fairly


def greedy(view: SplitView) -> Claims:
    """Asks for everything, which is best against any fixed claims: the defector of the split games
    in arXiv 2511.19405, and the selfish proposer of the dictator game (Forsythe et al., Games and
    Economic Behavior 6, 1994).
    """
    return (view.quantity,) * len(view.values)


def welfare_maximising(view: SplitView) -> Claims:
    """Asks for all of what it values more, nothing of what the other values more, half where both
    value the same: two such players reach the largest sum of points. The cooperator of the split
    games in arXiv 2511.19405.
    """
    return tuple(
        view.quantity if own > other else 0 if own < other else half(view.quantity)
        for own, other in zip(view.values, view.other_values, strict=True)
    )


def fair_half(view: SplitView) -> Claims:
    """Asks for half of everything, whatever it is worth: the equal division that most proposers and
    responders settle on in Güth, Schmittberger and Schwarze, An experimental analysis of ultimatum
    bargaining, Journal of Economic Behavior and Organization 3, 1982.
    """
    return (half(view.quantity),) * len(view.values)


def reciprocator(view: SplitView) -> Claims:
    """Kind (welfare-maximising) at first and while the other left it what it values more in the
    last round; after a grab it asks for everything. Tit-for-tat (Axelrod, The Evolution of
    Cooperation, 1984) carried over to claims, as the agents trained with Advantage Alignment play
    in arXiv 2511.19405.
    """
    for own, other, _, other_claims in view.past[-1:]:
        if not treated_fairly(own, other, other_claims, view.quantity):
            return greedy(view)
    return welfare_maximising(view)


PLAYERS = tuple(map(RulePlayer, (greedy, welfare_maximising, fair_half, reciprocator)))
