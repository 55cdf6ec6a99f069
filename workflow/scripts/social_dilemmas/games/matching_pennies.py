"""Matching pennies: seat 0 wins if both choose alike, seat 1 if not.

Prompts don't name the game: the actions are A and B.
"""

from social_dilemmas.games.horizon import Rounds
from social_dilemmas.games.matrix_game import MatrixGame, Table

PAYOFFS: Table = {"A": {"A": [1, 0], "B": [0, 1]}, "B": {"A": [0, 1], "B": [1, 0]}}


class MatchingPennies(MatrixGame):
    """What one wins the other doesn't; von Neumann, Zur Theorie der Gesellschaftsspiele, 1928."""

    kind = "matching_pennies"
    title = "Matching pennies"

    def __init__(self, rounds: Rounds, payoffs: Table = PAYOFFS) -> None:
        super().__init__(rounds, payoffs)
