"""Scripted players of any matrix game: they only go by the payoffs and by what was played.

Where several actions are as good, they take the first.
"""

from random import Random

from social_dilemmas.agents.scripted.player import RulePlayer, ScriptedPlayer
from social_dilemmas.games.game import Turn
from social_dilemmas.games.matrix_game import ActionView


def first_action(view: ActionView) -> str:
    """Always the first action; a pure strategy of von Neumann, Zur Theorie der Gesellschaftsspiele,
    Mathematische Annalen 100, 1928.
    """
    return view.actions[0]


def second_action(view: ActionView) -> str:
    """Always the second action; a pure strategy of von Neumann, 1928, as `first_action`."""
    return view.actions[1]


def welfare_maximising(view: ActionView) -> str:
    """Its part of the outcome with the largest sum of points, preferably one where both choose
    alike: the utilitarian choice of Harsanyi, Cardinal welfare, individualistic ethics, and
    interpersonal comparisons of utility, Journal of Political Economy 63, 1955.
    """
    own, _ = max(view.payoffs, key=lambda pair: (sum(view.payoffs[pair]), pair[0] == pair[1]))
    return own


def maximin(view: ActionView) -> str:
    """The action whose worst outcome is best; von Neumann, 1928, as `first_action`."""
    return max(
        view.actions, key=lambda own: min(view.payoffs[own, other][0] for other in view.actions)
    )


def tit_for_tat(view: ActionView) -> str:
    """Welfare-maximising first, then repeats the other's last action; Anatol Rapoport's entry in
    Axelrod, The Evolution of Cooperation, 1984.
    """
    return view.other[-1] if view.other else welfare_maximising(view)


def win_stay_lose_shift(view: ActionView) -> str:
    """Welfare-maximising first; repeats an action that paid at least the mean of all outcomes, else
    goes on to the next one. Nowak and Sigmund, A strategy of win-stay, lose-shift that outperforms
    tit-for-tat in the Prisoner's Dilemma game, Nature 364, 1993.
    """
    if not view.own:
        return welfare_maximising(view)
    own = view.own[-1]
    mean = sum(points for points, _ in view.payoffs.values()) / len(view.payoffs)
    if view.payoffs[own, view.other[-1]][0] >= mean:
        return own
    return view.actions[(view.actions.index(own) + 1) % len(view.actions)]


def best_reply(view: ActionView) -> str:
    """The best reply to the other's last action, in the first round to all actions alike; Cournot,
    Recherches sur les principes mathématiques de la théorie des richesses, 1838 (in English 1897).
    """
    return _best_reply_to(view.other[-1:] or view.actions, view)


def fictitious_play(view: ActionView) -> str:
    """The best reply to all past actions of the other, in the first round to all actions alike;
    Brown, Iterative solution of games by fictitious play, 1951.
    """
    return _best_reply_to(view.other or view.actions, view)


def _best_reply_to(expected: tuple[str, ...], view: ActionView) -> str:
    """The action that would have paid most against all of these actions of the other."""
    return max(view.actions, key=lambda own: sum(view.payoffs[own, other][0] for other in expected))


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


RULES = (
    first_action,
    second_action,
    welfare_maximising,
    maximin,
    tit_for_tat,
    win_stay_lose_shift,
    best_reply,
    fictitious_play,
)
PLAYERS = (*map(RulePlayer, RULES), TurnTaking())
