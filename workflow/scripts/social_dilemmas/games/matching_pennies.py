"""Matching pennies: seat 0 wins if both choose alike, seat 1 if not."""

from typing import ClassVar

from social_dilemmas.games.matrix_game import MatrixGame, Table


class MatchingPennies(MatrixGame):
    """What one wins the other doesn't; von Neumann, Zur Theorie der Gesellschaftsspiele, 1928."""

    kind = "matching_pennies"
    title = "Matching pennies"
    table: ClassVar[Table] = {"A": {"A": [1, 0], "B": [0, 1]}, "B": {"A": [0, 1], "B": [1, 0]}}
