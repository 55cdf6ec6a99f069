"""Hands that slip: replies that are played in place of what the player wants.

Only actions slip, never messages. Both players see what was played, and go on from there.
"""

from collections.abc import Callable, Sequence

from social_dilemmas.agents.play import Player, Slips
from social_dilemmas.games.game import Turn
from social_dilemmas.games.grammar import Choice
from social_dilemmas.randomness import stream


def trembles(probability: float, names_of: Callable[[Turn], Sequence[object]]) -> Slips:
    """With this probability, any valid action in place of the player's, all alike likely (it may be the same one).

    `names_of` names the random stream of a turn's conversation. The trembling hand of Selten, Reexamination of the
    perfectness concept for equilibrium points in extensive games, International Journal of Game Theory 4, 1975.
    """

    def slip(turn: Turn) -> str | None:
        random = stream(*names_of(turn), "tremble", turn.round)
        if not turn.is_action or random.random() >= probability:
            return None
        choices = [part for part in turn.grammar.parts if isinstance(part, Choice)]
        return turn.grammar.write({part.name: random.choice(part.options) for part in choices})

    return slip


def one_slip(round: int, player: Player) -> Slips:
    """In one round (from 0) seat 0 acts as this player would, which keeps no memory."""

    def slip(turn: Turn) -> str | None:
        slips = turn.is_action and turn.seat == 0 and turn.round == round
        return player.reply([turn])[0] if slips else None

    return slip
