"""Matrix games of the tests, and players that meet in them."""

from social_dilemmas.games import build_game, game_names
from social_dilemmas.games.game import SEATS, Match
from social_dilemmas.games.matrix_game import MatrixGame, Table

KINDS = [name for name in game_names() if isinstance(build_game(name, 1), MatrixGame)]

UNEQUAL: Table = {"A": {"A": [0, 1.5], "B": [2, -3]}, "B": {"A": [4, 7], "B": [-1, 0]}}

ROCK_PAPER_SCISSORS = {
    "A": {"A": [0, 0], "B": [-1, 1], "C": [1, -1]},
    "B": {"A": [1, -1], "B": [0, 0], "C": [-1, 1]},
    "C": {"A": [-1, 1], "B": [1, -1], "C": [0, 0]},
}

OTHER_NAMES = [{"actions": ["B", "A"]}, {"actions": ["X", "Y"], "order": ["Y", "X"]}]


def play_all(match: Match, *rounds: str) -> None:
    """Play these actions of both seats, such as `AB`."""
    for actions in rounds:
        match.take({seat: f"<{actions[seat]}>" for seat in SEATS})
