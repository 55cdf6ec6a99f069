"""Stag hunt: both A pays most, but A is only worth choosing if the other chooses it too."""

from typing import ClassVar

from social_dilemmas.games.matrix_game import MatrixGame, Table


class StagHunt(MatrixGame):
    """A is the stag, B the safe hare; Skyrms, The Stag Hunt and the Evolution of Social Structure, 2004."""

    kind = "stag_hunt"
    title = "Stag hunt"
    table: ClassVar[Table] = {"A": {"A": [4, 4], "B": [0, 3]}, "B": {"A": [3, 0], "B": [2, 2]}}
