"""Chicken: A gives way, B doesn't, and both B is the worst for both.

Prompts don't name the game: the actions are A and B.
"""

from social_dilemmas.games.horizon import Rounds
from social_dilemmas.games.matrix_game import MatrixGame, Table

PAYOFFS: Table = {"A": {"A": [3, 3], "B": [1, 4]}, "B": {"A": [4, 1], "B": [0, 0]}}


class Chicken(MatrixGame):
    """Payoffs in the order of Rapoport and Chammah, The game of chicken, American Behavioral Scientist 10, 1966."""

    kind = "chicken"
    title = "Chicken"

    def __init__(self, rounds: Rounds, payoffs: Table = PAYOFFS) -> None:
        super().__init__(rounds, payoffs)
