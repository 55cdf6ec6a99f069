"""Scripted players of Deal-or-No-Deal. All state their true values, except the liar."""

from random import Random

from social_dilemmas.agents.scripted.player import RulePlayer
from social_dilemmas.games.deal_or_no_deal import DealView, state_values, stated_values, worth
from social_dilemmas.games.dividing import Claims, Values
from social_dilemmas.games.game import Turn
from social_dilemmas.games.grammar import Text


class Bargainer(RulePlayer):
    """States its values, then asks for the items of every kind that its rule says."""

    def decide(self, turn: Turn, random: Random) -> dict[str, object]:
        view: DealView = turn.view
        if turn.step == "message":
            (limit,) = (part.limit for part in turn.grammar.parts if isinstance(part, Text))
            return {"message": f"I {state_values(view.kinds, self.values(view))}"[:limit]}
        return super().decide(turn, random)

    def values(self, view: DealView) -> Values:
        """The values that it states: its own."""
        return view.values


class Liar(Bargainer):
    """Says that each kind is worth as much to it as all items together: the feigned interest that
    Lewis et al. (arXiv 1706.05125, 2017) saw in their agents.
    """

    def values(self, view: DealView) -> Values:
        return (worth(view.values, view.counts),) * len(view.kinds)


def greedy(view: DealView) -> Claims:
    """Asks for all that is worth anything to it; the selfish proposer of the dictator game
    (Forsythe et al., Games and Economic Behavior 6, 1994).
    """
    return tuple(
        count if value else 0 for count, value in zip(view.counts, view.values, strict=True)
    )


def fair_half(view: DealView) -> Claims:
    """Asks for half of everything; items that are over go by turns, the first one to the player who
    spoke first. The equal division of Güth, Schmittberger and Schwarze, An experimental analysis of
    ultimatum bargaining, Journal of Economic Behavior and Organization 3, 1982.
    """
    claims = []
    over_is_mine = view.speaks_first
    for count in view.counts:
        claims.append((count + over_is_mine) // 2)
        over_is_mine ^= count % 2 == 1
    return tuple(claims)


def welfare_maximising(view: DealView) -> Claims:
    """Believes the values that the other states: asks for all of what it values more, for nothing of
    what the other values more, and for half of the rest. Two such players reach the largest sum of
    points, the utilitarian choice of Harsanyi, Cardinal welfare, individualistic ethics, and
    interpersonal comparisons of utility, Journal of Political Economy 63, 1955. If the other states
    no values, it asks for half of everything.
    """
    halves = fair_half(view)
    others = stated_values(view.kinds, view.other_message)
    if others is None:
        return halves
    return tuple(
        count if own > other else 0 if own < other else half
        for count, half, own, other in zip(view.counts, halves, view.values, others, strict=True)
    )


def reciprocator(view: DealView) -> Claims:
    """Welfare-maximising at first and while the other left it at least a third of its points in the
    last round; else it asks for all that is worth anything to it. Tit-for-tat (Axelrod, The
    Evolution of Cooperation, 1984) carried over to bargaining.
    """
    for counts, values, _, other_claims in view.past[-1:]:
        left = tuple(
            max(count - claim, 0) for count, claim in zip(counts, other_claims, strict=True)
        )
        if 3 * worth(values, left) < worth(values, counts):
            return greedy(view)
    return welfare_maximising(view)


HONEST = tuple(map(Bargainer, (fair_half, welfare_maximising, reciprocator)))
PLAYERS = (Bargainer(greedy), Liar(greedy, "greedy_lying"), *HONEST)
