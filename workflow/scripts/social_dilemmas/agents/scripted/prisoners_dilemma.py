"""Scripted players of the iterated prisoner's dilemma. A cooperates, B defects."""

from social_dilemmas.agents.scripted.player import RulePlayer
from social_dilemmas.games.matrix_game import ActionView
from social_dilemmas.games.prisoners_dilemma import COOPERATE, DEFECT


def always_a(view: ActionView) -> str:
    """Cooperates unconditionally; `ALL C` in Axelrod and Hamilton, The Evolution of Cooperation,
    Science 211, 1981.
    """
    return COOPERATE


def always_b(view: ActionView) -> str:
    """Defects unconditionally; `ALL D` in Axelrod and Hamilton, 1981, as `always_a`."""
    return DEFECT


def tit_for_tat(view: ActionView) -> str:
    """Cooperates first, then repeats the other's last action. Anatol Rapoport's entry, winner of
    both tournaments in Axelrod, The Evolution of Cooperation, 1984.
    """
    return view.other[-1] if view.other else COOPERATE


def win_stay_lose_shift(view: ActionView) -> str:
    """Cooperates first; repeats its own action after the other cooperated and changes it after the
    other defected. Nowak and Sigmund, A strategy of win-stay, lose-shift that outperforms
    tit-for-tat in the Prisoner's Dilemma game, Nature 364, 1993.
    """
    return COOPERATE if view.own[-1:] == view.other[-1:] else DEFECT


def grim(view: ActionView) -> str:
    """Cooperates until the other has defected once, then defects for ever. The trigger strategy of
    Friedman, A non-cooperative equilibrium for supergames, Review of Economic Studies 38, 1971.
    """
    return DEFECT if DEFECT in view.other else COOPERATE


RULES = (always_a, always_b, tit_for_tat, win_stay_lose_shift, grim)
PLAYERS = tuple(map(RulePlayer, RULES))
