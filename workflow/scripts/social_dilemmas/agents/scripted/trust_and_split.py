"""Scripted players of Trust-and-Split: every way to propose, with a true and with a lying message.

A player has the name of its proposal rule if it speaks the truth, and the same with `_lying` behind
it if it lies.
"""

from abc import ABC, abstractmethod
from random import Random

from social_dilemmas.agents.scripted.player import ScriptedPlayer
from social_dilemmas.games.game import Turn
from social_dilemmas.games.sharing import asks_little, half
from social_dilemmas.games.trust_and_split import BEATS, TrustView, claim, named_hand

BEATEN_BY = {loser: winner for winner, loser in BEATS.items()}


class Sender(ABC):
    """Decides which hand a message names."""

    suffix: str

    @abstractmethod
    def hand(self, view: TrustView) -> str:
        """The hand that it says it holds."""


class Truthful(Sender):
    """Names the hand that it holds: the honest sender who keeps to the truth at a cost in Gneezy,
    Deception: the role of consequences, American Economic Review 95, 2005.
    """

    suffix = ""

    def hand(self, view: TrustView) -> str:
        return view.hand


class Lying(Sender):
    """Names a hand that it doesn't hold, as the strategic sender of Crawford and Sobel, Strategic
    information transmission, Econometrica 50, 1982, and the liars of Gneezy, 2005.

    It names the hand that beats the one which the other has just named. If that would be the truth,
    or if the other has named none, it names the hand that its own one beats: then an opponent who
    really has won believes that it has lost. Of several messages, all name the same hand.
    """

    suffix = "_lying"

    def hand(self, view: TrustView) -> str:
        if view.own_message is not None and (named := named_hand(view.own_message)) is not None:
            return named
        heard = named_hand(view.other_message or "")
        if heard is not None and BEATEN_BY[heard] != view.hand:
            return BEATEN_BY[heard]
        return BEATS[view.hand]


class Rule(ABC):
    """Decides how many coins to ask for."""

    name: str

    @abstractmethod
    def coins(self, view: TrustView, random: Random) -> int:
        """Coins asked for, 0..`view.coins`."""


class Greedy(Rule):
    """Asks for all coins with any hand: the defector of Trust-and-Split in arXiv 2511.19405."""

    name = "greedy"

    def coins(self, view: TrustView, random: Random) -> int:
        return view.coins


class WelfareMaximising(Rule):
    """Believes the other's message and asks for all coins if its own hand beats the named one, for
    none if it loses. A message that names no hand, or the hand that it holds itself, tells nothing:
    then it asks for half. The cooperator of Trust-and-Split in arXiv 2511.19405; the trust is that
    of Berg, Dickhaut and McCabe, Trust, reciprocity, and social history, Games and Economic
    Behavior 10, 1995.
    """

    name = "welfare_maximising"

    def coins(self, view: TrustView, random: Random) -> int:
        named = named_hand(view.other_message or "")
        if named is None or named == view.hand:
            return half(view.coins)
        return view.coins if BEATS[view.hand] == named else 0


class FairHalf(Rule):
    """Asks for half of the coins with any hand: the equal division of Güth, Schmittberger and
    Schwarze, An experimental analysis of ultimatum bargaining, Journal of Economic Behavior and
    Organization 3, 1982.
    """

    name = "fair_half"

    def coins(self, view: TrustView, random: Random) -> int:
        return half(view.coins)


class Reciprocator(Rule):
    """Welfare-maximising until wronged: when it last had the upper hand, the other asked for half
    of the coins or more with the lower one. Then it asks for all coins, until the other leaves them
    to it again. Tit-for-tat (Axelrod, The Evolution of Cooperation, 1984) carried over to
    proposals, as the agents trained with Advantage Alignment play in arXiv 2511.19405.
    """

    name = "reciprocator"
    kind, wronged = WelfareMaximising(), Greedy()

    def coins(self, view: TrustView, random: Random) -> int:
        treatments = [other for had_upper_hand, _, other in view.past if had_upper_hand]
        if treatments and not asks_little(treatments[-1:], view.coins):
            return self.wronged.coins(view, random)
        return self.kind.coins(view, random)


class AnyNumber(Rule):
    """Every number of coins with the same probability; `RANDOM` of Axelrod, The Evolution of
    Cooperation, 1984.
    """

    name = "random"

    def coins(self, view: TrustView, random: Random) -> int:
        return random.randint(0, view.coins)


class TrustPlayer(ScriptedPlayer):
    """Speaks as its sender and proposes as its rule."""

    def __init__(self, rule: Rule, sender: Sender) -> None:
        self.name = f"{rule.name}{sender.suffix}"
        self.rule = rule
        self.sender = sender

    def decide(self, turn: Turn, random: Random) -> dict[str, object]:
        if turn.step == "message":
            return {"message": claim(self.sender.hand(turn.view))}
        return {"coins": self.rule.coins(turn.view, random)}


PLAYERS = tuple(
    TrustPlayer(rule, sender)
    for sender in (Truthful(), Lying())
    for rule in (Greedy(), WelfareMaximising(), FairHalf(), Reciprocator(), AnyNumber())
)
