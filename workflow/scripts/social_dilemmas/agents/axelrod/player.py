"""Strategies of the Axelrod library, an optional dependency, as players of the iterated prisoner's dilemma.

Knight et al., An open framework for the reproducible study of the iterated prisoner's dilemma, Journal of Open
Research Software 4, 2016.
"""

from collections.abc import Sequence

from social_dilemmas.agents.agent import Agent
from social_dilemmas.agents.axelrod.library import axelrod
from social_dilemmas.agents.axelrod.names import STRATEGIES, unknown_strategy
from social_dilemmas.errors import UserError
from social_dilemmas.games.game import Game, Match, Turn
from social_dilemmas.games.prisoners_dilemma import PrisonersDilemma
from social_dilemmas.randomness import derive_seed

CLASSES = {strategy.name: strategy for strategy in axelrod.strategies}
LENGTH_UNKNOWN = -1
ACTIONS = (axelrod.Action.C, axelrod.Action.D)


class AxelrodPlayer:
    """Plays any number of seats with one strategy, each with an instance and randomness of its own.

    The strategy sees the actions that were really played, and the payoffs of the match's game.
    """

    def __init__(self, strategy: str) -> None:
        """Raises UserError if there is no suitable strategy of this name."""
        self._strategy = strategy_class(strategy)
        self._seats: dict[tuple[Match, int], tuple[axelrod.Player, axelrod.Player]] = {}

    def reply(self, turns: Sequence[Turn]) -> list[str]:
        """One reply for each turn, in order."""
        self._seats = {seat: pair for seat, pair in self._seats.items() if not seat[0].finished}
        return [self._decide(turn) for turn in turns]

    def _decide(self, turn: Turn) -> str:
        seat = (turn.match, turn.seat)
        if seat not in self._seats:
            assert isinstance(turn.match.game, PrisonersDilemma)
            player = self._strategy()
            prepare(player, library_game(turn.match.game), turn.match.seed, turn.seat)
            self._seats[seat] = player, axelrod.Player()  # the other one only carries its history
        player, other = self._seats[seat]
        names = turn.view.actions
        known = len(player.history)
        for pair in zip(turn.view.own[known:], turn.view.other[known:], strict=True):
            own_action, other_action = (ACTIONS[names.index(action)] for action in pair)
            player.update_history(own_action, other_action)
            other.update_history(other_action, own_action)
        return turn.grammar.write({"action": names[ACTIONS.index(player.strategy(other))]})


def player_of(agent: Agent, game: Game) -> AxelrodPlayer:
    """The player of an agent."""
    return AxelrodPlayer(agent.name)


def prepare(player: axelrod.Player, game: axelrod.Game, match_seed: int, seat: int) -> None:
    """Give a new player of the library the payoffs and a seed, within the 32 bits of its generator."""
    player.set_match_attributes(length=LENGTH_UNKNOWN, game=game)
    player.set_seed(derive_seed("axelrod", player.name, match_seed, seat) % 2**32)


def strategy_class(name: str) -> type[axelrod.Player]:
    """The library's class of a strategy; UserError if there is no suitable one of this name."""
    if name not in STRATEGIES:
        raise UserError(unknown_strategy(name))
    return CLASSES[name]


def library_game(game: PrisonersDilemma) -> axelrod.Game:
    """The payoffs of a game as the library writes them."""
    cooperate, defect = game.actions
    reward, _ = game.payoffs[cooperate, cooperate]
    sucker, temptation = game.payoffs[cooperate, defect]
    punishment, _ = game.payoffs[defect, defect]
    return axelrod.Game(r=reward, s=sucker, t=temptation, p=punishment)
