"""Scripted players of Split."""

from abc import abstractmethod
from random import Random

from social_dilemmas.agents.scripted.player import ScriptedPlayer
from social_dilemmas.games.game import Turn
from social_dilemmas.games.grammar import Choice
from social_dilemmas.games.sharing import half
from social_dilemmas.games.split import Claims, SplitView, treated_fairly


class ClaimPlayer(ScriptedPlayer):
    """Claims from the values and the past of both, without chance."""

    def decide(self, turn: Turn, random: Random) -> dict[str, object]:
        kinds = [part.name for part in turn.grammar.parts if isinstance(part, Choice)]
        return dict(zip(kinds, self.claim(turn.view), strict=True))

    @abstractmethod
    def claim(self, view: SplitView) -> Claims:
        """Units asked for of every kind."""


class Greedy(ClaimPlayer):
    """Asks for everything, which is best against any fixed claims: the defector of the split games
    in arXiv 2511.19405, and the selfish proposer of the dictator game (Forsythe et al., Games and
    Economic Behavior 6, 1994).
    """

    name = "greedy"

    def claim(self, view: SplitView) -> Claims:
        return (view.quantity,) * len(view.values)


class WelfareMaximising(ClaimPlayer):
    """Asks for all of what it values more, nothing of what the other values more, half where both
    value the same: two such players reach the largest sum of points. The cooperator of the split
    games in arXiv 2511.19405.
    """

    name = "welfare_maximising"

    def claim(self, view: SplitView) -> Claims:
        return tuple(
            view.quantity if own > other else 0 if own < other else half(view.quantity)
            for own, other in zip(view.values, view.other_values, strict=True)
        )


class FairHalf(ClaimPlayer):
    """Asks for half of everything, whatever it is worth: the equal division that most proposers and
    responders settle on in Güth, Schmittberger and Schwarze, An experimental analysis of ultimatum
    bargaining, Journal of Economic Behavior and Organization 3, 1982.
    """

    name = "fair_half"

    def claim(self, view: SplitView) -> Claims:
        return (half(view.quantity),) * len(view.values)


class Reciprocator(ClaimPlayer):
    """Kind (welfare-maximising) at first and while the other left it what it values more in the
    last round; after a grab it asks for everything. Tit-for-tat (Axelrod, The Evolution of
    Cooperation, 1984) carried over to claims, as the agents trained with Advantage Alignment play
    in arXiv 2511.19405.
    """

    name = "reciprocator"
    kind, wronged = WelfareMaximising(), Greedy()

    def claim(self, view: SplitView) -> Claims:
        for own, other, _, other_claims in view.past[-1:]:
            if not treated_fairly(own, other, other_claims, view.quantity):
                return self.wronged.claim(view)
        return self.kind.claim(view)


PLAYERS = (Greedy(), WelfareMaximising(), FairHalf(), Reciprocator())
