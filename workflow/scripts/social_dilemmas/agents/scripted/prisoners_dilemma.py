"""Scripted players of the iterated prisoner's dilemma. A cooperates, B defects."""

from social_dilemmas.agents.scripted.matrix_game import ActionPlayer
from social_dilemmas.games.matrix_game import ActionView
from social_dilemmas.games.prisoners_dilemma import COOPERATE, DEFECT


class AlwaysA(ActionPlayer):
    """Cooperates unconditionally; `ALL C` in Axelrod and Hamilton, The Evolution of Cooperation,
    Science 211, 1981.
    """

    name = "always_a"

    def choose(self, view: ActionView) -> str:
        return COOPERATE


class AlwaysB(ActionPlayer):
    """Defects unconditionally; `ALL D` in Axelrod and Hamilton, The Evolution of Cooperation,
    Science 211, 1981.
    """

    name = "always_b"

    def choose(self, view: ActionView) -> str:
        return DEFECT


class TitForTat(ActionPlayer):
    """Cooperates first, then repeats the other's last action. Anatol Rapoport's entry, winner of
    both tournaments in Axelrod, The Evolution of Cooperation, 1984.
    """

    name = "tit_for_tat"

    def choose(self, view: ActionView) -> str:
        return view.other[-1] if view.other else COOPERATE


class WinStayLoseShift(ActionPlayer):
    """Cooperates first; repeats its own action after the other cooperated and changes it after the
    other defected. Nowak and Sigmund, A strategy of win-stay, lose-shift that outperforms
    tit-for-tat in the Prisoner's Dilemma game, Nature 364, 1993.
    """

    name = "win_stay_lose_shift"

    def choose(self, view: ActionView) -> str:
        if not view.own:
            return COOPERATE
        if view.other[-1] == COOPERATE:
            return view.own[-1]
        return DEFECT if view.own[-1] == COOPERATE else COOPERATE


class Grim(ActionPlayer):
    """Cooperates until the other has defected once, then defects for ever. The trigger strategy of
    Friedman, A non-cooperative equilibrium for supergames, Review of Economic Studies 38, 1971.
    """

    name = "grim"

    def choose(self, view: ActionView) -> str:
        return DEFECT if DEFECT in view.other else COOPERATE


PLAYERS = (AlwaysA(), AlwaysB(), TitForTat(), WinStayLoseShift(), Grim())
