"""Stag hunt: both A pays most, but A is only worth choosing if the other chooses it too.

Prompts don't name the game: the actions are A and B.
"""

from social_dilemmas.games.horizon import Rounds
from social_dilemmas.games.matrix_game import MatrixGame, Table

PAYOFFS: Table = {"A": {"A": [4, 4], "B": [0, 3]}, "B": {"A": [3, 0], "B": [2, 2]}}


class StagHunt(MatrixGame):
    """A is the stag, B the safe hare; Skyrms, The Stag Hunt and the Evolution of Social Structure, 2004."""

    kind = "stag_hunt"
    title = "Stag hunt"

    def __init__(self, rounds: Rounds, payoffs: Table = PAYOFFS) -> None:
        super().__init__(rounds, payoffs)
