"""Scripted players of any matrix game: they only go by the payoffs and by what was played.

Where several actions would do, they take the first.
"""

from abc import abstractmethod
from random import Random

from social_dilemmas.agents.scripted.player import ScriptedPlayer
from social_dilemmas.games.game import Turn
from social_dilemmas.games.matrix_game import ActionView


class ActionPlayer(ScriptedPlayer):
    """Chooses from the payoffs and the past actions of both, without chance."""

    def decide(self, turn: Turn, random: Random) -> dict[str, object]:
        return {"action": self.choose(turn.view)}

    @abstractmethod
    def choose(self, view: ActionView) -> str:
        """The action of this round."""


def best_reply(view: ActionView, expected: tuple[str, ...]) -> str:
    """The action that would have paid most against all of these actions of the other."""
    return max(view.actions, key=lambda own: sum(view.payoffs[own, other][0] for other in expected))


class FirstAction(ActionPlayer):
    """Always the first action; a pure strategy of von Neumann, Zur Theorie der Gesellschaftsspiele,
    Mathematische Annalen 100, 1928.
    """

    name = "first_action"

    def choose(self, view: ActionView) -> str:
        return view.actions[0]


class SecondAction(ActionPlayer):
    """Always the second action; a pure strategy of von Neumann, Zur Theorie der
    Gesellschaftsspiele, Mathematische Annalen 100, 1928.
    """

    name = "second_action"

    def choose(self, view: ActionView) -> str:
        return view.actions[1]


class WelfareMaximising(ActionPlayer):
    """Its part of the outcome with the largest sum of points, preferably one where both choose
    alike: the utilitarian choice of Harsanyi, Cardinal welfare, individualistic ethics, and
    interpersonal comparisons of utility, Journal of Political Economy 63, 1955.
    """

    name = "welfare_maximising"

    def choose(self, view: ActionView) -> str:
        own, _ = max(view.payoffs, key=lambda pair: (sum(view.payoffs[pair]), pair[0] == pair[1]))
        return own


class Maximin(ActionPlayer):
    """The action whose worst outcome is best; von Neumann, Zur Theorie der Gesellschaftsspiele,
    Mathematische Annalen 100, 1928.
    """

    name = "maximin"

    def choose(self, view: ActionView) -> str:
        return max(
            view.actions, key=lambda own: min(view.payoffs[own, other][0] for other in view.actions)
        )


class TitForTat(ActionPlayer):
    """Welfare-maximising first, then repeats the other's last action; Anatol Rapoport's entry in
    Axelrod, The Evolution of Cooperation, 1984.
    """

    name = "tit_for_tat"
    first = WelfareMaximising()

    def choose(self, view: ActionView) -> str:
        return view.other[-1] if view.other else self.first.choose(view)


class WinStayLoseShift(ActionPlayer):
    """Welfare-maximising first; repeats an action that paid at least the mean of all outcomes, else
    goes on to the next one. Nowak and Sigmund, A strategy of win-stay, lose-shift that outperforms
    tit-for-tat in the Prisoner's Dilemma game, Nature 364, 1993.
    """

    name = "win_stay_lose_shift"
    first = WelfareMaximising()

    def choose(self, view: ActionView) -> str:
        if not view.own:
            return self.first.choose(view)
        own = view.own[-1]
        mean = sum(points for points, _ in view.payoffs.values()) / len(view.payoffs)
        if view.payoffs[own, view.other[-1]][0] >= mean:
            return own
        return view.actions[(view.actions.index(own) + 1) % len(view.actions)]


class BestReply(ActionPlayer):
    """The best reply to the other's last action, in the first round to all actions alike; Cournot,
    Recherches sur les principes mathématiques de la théorie des richesses, 1838 (in English 1897).
    """

    name = "best_reply"

    def choose(self, view: ActionView) -> str:
        return best_reply(view, view.other[-1:] or view.actions)


class FictitiousPlay(ActionPlayer):
    """The best reply to all past actions of the other, in the first round to all actions alike;
    Brown, Iterative solution of games by fictitious play, 1951.
    """

    name = "fictitious_play"

    def choose(self, view: ActionView) -> str:
        return best_reply(view, view.other or view.actions)


class TurnTaking(ScriptedPlayer):
    """Does what the other did last, if that was something else; else any action, to find out who
    goes first. Lau and Mui, Using turn taking to mitigate coordination and conflict problems in the
    repeated battle of the sexes game, Theory and Decision 65, 2008.
    """

    name = "turn_taking"

    def decide(self, turn: Turn, random: Random) -> dict[str, object]:
        view: ActionView = turn.view
        if view.own and view.own[-1] != view.other[-1]:
            return {"action": view.other[-1]}
        return {"action": random.choice(view.actions)}


PLAYERS = (
    FirstAction(),
    SecondAction(),
    WelfareMaximising(),
    Maximin(),
    TitForTat(),
    WinStayLoseShift(),
    BestReply(),
    FictitiousPlay(),
    TurnTaking(),
)
