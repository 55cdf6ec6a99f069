"""Scripted players of Trust-and-Split: every way to propose, with a true and with a lying message."""

from collections.abc import Mapping
from random import Random

from social_dilemmas.agents.scripted.player import RandomPlayer, RulePlayer, ScriptedPlayer
from social_dilemmas.games.dividing import asks_little, half
from social_dilemmas.games.game import Turn
from social_dilemmas.games.trust_and_split import BEATS, TrustView, claim, named_hand

BEATEN_BY = {loser: winner for winner, loser in BEATS.items()}


class Truthful(ScriptedPlayer):
    """Proposes as another player. Names the hand that it holds: the honest sender who keeps to the
    truth at a cost in Gneezy, Deception: the role of consequences, American Economic Review 95, 2005.
    """

    suffix = ""

    def __init__(self, proposer: ScriptedPlayer) -> None:
        self.proposer = proposer
        self.name = proposer.name + self.suffix

    def decide(self, turn: Turn, random: Random) -> Mapping[str, object]:
        if turn.step == "message":
            return {"message": claim(self.hand(turn.view))}
        return self.proposer.decide(turn, random)

    def hand(self, view: TrustView) -> str:
        """The hand that it says it holds."""
        return view.hand


class Lying(Truthful):
    """Names a hand that it doesn't hold, as the strategic sender of Crawford and Sobel, Strategic
    information transmission, Econometrica 50, 1982, and the liars of Gneezy, 2005.

    It names the hand that beats the one which the other has just named. If that would be the truth,
    or if the other has named none, it names the hand that its own one beats: then an opponent who
    really has won believes that it has lost. Of several messages, all name the same hand.
    """

    suffix = "_lying"

    def hand(self, view: TrustView) -> str:
        if (said := named_hand(view.own_message)) is not None:
            return said
        heard = named_hand(view.other_message)
        if heard is not None and BEATEN_BY[heard] != view.hand:
            return BEATEN_BY[heard]
        return BEATS[view.hand]


def greedy(view: TrustView) -> int:
    """Asks for all coins with any hand: the defector of Trust-and-Split in arXiv 2511.19405."""
    return view.coins


def welfare_maximising(view: TrustView) -> int:
    """Believes the other's message and asks for all coins if its own hand beats the named one, for
    none if it loses. A message that names no hand, or the hand that it holds itself, says nothing:
    then it asks for half. The cooperator of Trust-and-Split in arXiv 2511.19405; the trust is that
    of Berg, Dickhaut and McCabe, Trust, reciprocity, and social history, Games and Economic
    Behavior 10, 1995.
    """
    named = named_hand(view.other_message)
    if named is None or named == view.hand:
        return half(view.coins)
    return view.coins if BEATS[view.hand] == named else 0


def fair_half(view: TrustView) -> int:
    """Asks for half of the coins with any hand: the equal division of Güth, Schmittberger and
    Schwarze, An experimental analysis of ultimatum bargaining, Journal of Economic Behavior and
    Organization 3, 1982.
    """
    return half(view.coins)


def reciprocator(view: TrustView) -> int:
    """Welfare-maximising until wronged: when it last had the upper hand, the other asked for half
    of the coins or more with the lower one. Then it asks for all coins, until the other leaves them
    to it again. Tit-for-tat (Axelrod, The Evolution of Cooperation, 1984) carried over to
    proposals, as the agents trained with Advantage Alignment play in arXiv 2511.19405.
    """
    treatments = [other for had_upper_hand, _, other in view.past if had_upper_hand]
    if treatments and not asks_little(treatments[-1:], view.coins):
        return greedy(view)
    return welfare_maximising(view)


RULES = (greedy, welfare_maximising, fair_half, reciprocator)
PROPOSERS = (*map(RulePlayer, RULES), RandomPlayer())
PLAYERS = tuple(talks(proposer) for proposer in PROPOSERS for talks in (Truthful, Lying))
