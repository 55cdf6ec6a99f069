"""What scripted players say to each other, as trajectories of a language model."""

from collections.abc import Sequence

from social_dilemmas.agents.play import play
from social_dilemmas.agents.scripted.player import scripted_player
from social_dilemmas.games import build_game
from social_dilemmas.games.game import SEATS, Turn
from social_dilemmas.policy.model import LanguageModel
from social_dilemmas.policy.trajectory import Trajectory


def scripted_trajectories(
    language_model: LanguageModel,
    game: str,
    rounds: Sequence[int] = (1, 2, 3),
    name: str = "random",
    seed: int = 0,
) -> list[Trajectory]:
    """Both seats of matches of these lengths, by a player of that name and a random one."""
    masks = language_model.masks(build_game(game, 10))
    matches = [
        build_game(game, length).start(number) for number, length in enumerate(rounds, start=seed)
    ]
    found = {(match, seat): Trajectory() for seat in SEATS for match in matches}

    def write_down(turn: Turn, reply: str) -> None:
        trajectory = found[turn.match, turn.seat]
        trajectory.ask(turn, language_model.chat, masks)
        trajectory.answer(turn, reply, masks)

    players = scripted_player(game, name), scripted_player(game, "random")
    play(matches, [players] * len(matches), write_down)
    return list(found.values())
