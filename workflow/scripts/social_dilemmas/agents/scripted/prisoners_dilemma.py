"""Scripted players of the iterated prisoner's dilemma: the first action cooperates, the second defects."""

from social_dilemmas.agents.scripted.player import RulePlayer
from social_dilemmas.games.matrix_game import ActionView


def always_cooperate(view: ActionView) -> str:
    """Cooperates unconditionally; `ALL C` in Axelrod and Hamilton, The Evolution of Cooperation,
    Science 211, 1981.
    """
    return view.actions[0]


def always_defect(view: ActionView) -> str:
    """Defects unconditionally; `ALL D` in Axelrod and Hamilton, 1981, as `always_cooperate`."""
    return view.actions[1]


def tit_for_tat(view: ActionView) -> str:
    """Cooperates first, then repeats the other's last action. Anatol Rapoport's entry, winner of
    both tournaments in Axelrod, The Evolution of Cooperation, 1984.
    """
    return view.other[-1] if view.other else view.actions[0]


def win_stay_lose_shift(view: ActionView) -> str:
    """Cooperates first; repeats its own action after the other cooperated and changes it after the
    other defected. Nowak and Sigmund, A strategy of win-stay, lose-shift that outperforms
    tit-for-tat in the Prisoner's Dilemma game, Nature 364, 1993.
    """
    cooperate, defect = view.actions
    return cooperate if view.own[-1:] == view.other[-1:] else defect


def grim(view: ActionView) -> str:
    """Cooperates until the other has defected once, then defects for ever. The trigger strategy of
    Friedman, A non-cooperative equilibrium for supergames, Review of Economic Studies 38, 1971.
    """
    cooperate, defect = view.actions
    return defect if defect in view.other else cooperate


RULES = (always_cooperate, always_defect, tit_for_tat, win_stay_lose_shift, grim)
PLAYERS = tuple(map(RulePlayer, RULES))
