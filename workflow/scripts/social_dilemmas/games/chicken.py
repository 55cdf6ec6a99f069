"""Chicken: A gives way, B doesn't, and both B is the worst for both."""

from typing import ClassVar

from social_dilemmas.games.matrix_game import MatrixGame, Table


class Chicken(MatrixGame):
    """Payoffs in the order of Rapoport and Chammah, The game of chicken, American Behavioral Scientist 10, 1966."""

    kind = "chicken"
    title = "Chicken"
    table: ClassVar[Table] = {"A": {"A": [3, 3], "B": [1, 4]}, "B": {"A": [4, 1], "B": [0, 0]}}
