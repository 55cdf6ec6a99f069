"""What scripted players say to each other, as trajectories of a language model."""

from collections.abc import Sequence

from social_dilemmas.agents.play import play
from social_dilemmas.agents.scripted.player import scripted_player
from social_dilemmas.games import build_game
from social_dilemmas.games.game import Match, Turn
from social_dilemmas.policy.masks import TokenMasks
from social_dilemmas.policy.model import LanguageModel
from social_dilemmas.policy.trajectory import Trajectory


class Recorded:
    """A scripted player whose conversations are written down."""

    def __init__(self, game: str, name: str, language_model: LanguageModel) -> None:
        self.player = scripted_player(game, name)
        self.chat = language_model.chat
        self.masks: TokenMasks = language_model.masks(build_game(game, 10))
        self.trajectories: dict[tuple[Match, int], Trajectory] = {}

    def reply(self, turns: Sequence[Turn]) -> list[str]:
        replies = self.player.reply(turns)
        for turn, reply in zip(turns, replies, strict=True):
            trajectory = self.trajectories.setdefault((turn.match, turn.seat), Trajectory())
            trajectory.ask(turn, self.chat, self.masks)
            trajectory.answer(turn, reply, self.masks)
        return replies


def scripted_trajectories(
    language_model: LanguageModel,
    game: str,
    rounds: Sequence[int] = (1, 2, 3),
    name: str = "random",
    seed: int = 0,
) -> list[Trajectory]:
    """Both seats of matches of these lengths, by a player of that name and a random one."""
    players = [Recorded(game, each, language_model) for each in (name, "random")]
    matches = [
        build_game(game, length).start(number) for number, length in enumerate(rounds, start=seed)
    ]
    play(matches, [(players[0], players[1])] * len(matches))
    return [trajectory for player in players for trajectory in player.trajectories.values()]
