"""Strategies of the Axelrod library as players of the iterated prisoner's dilemma.

The library (Knight et al., An open framework for the reproducible study of the iterated prisoner's
dilemma, Journal of Open Research Software 4, 2016) is an optional dependency; only this module and
`social_dilemmas.evaluation.strategies` import it.
"""

from collections.abc import Sequence
from functools import cache

import axelrod

from social_dilemmas.agents.agent import Agent
from social_dilemmas.agents.axelrod.names import STRATEGIES, unknown_strategy
from social_dilemmas.errors import UserError
from social_dilemmas.games.game import Game, Match, Turn
from social_dilemmas.games.matrix_game import ActionView
from social_dilemmas.games.prisoners_dilemma import COOPERATE, DEFECT, PrisonersDilemma
from social_dilemmas.randomness import derive_seed

LENGTH_UNKNOWN = -1
ACTION_OF = {COOPERATE: axelrod.Action.C, DEFECT: axelrod.Action.D}
REPLY_TO = {action: reply for reply, action in ACTION_OF.items()}


def axelrod_strategy_names() -> list[str]:
    """Names of all suitable strategies, as the library spells them.

    Suitable are those that keep to the rules of Axelrod's tournaments (they neither read nor change
    the other player) and that the library doesn't class as slow to run. Some would like to know
    how many rounds there are; they take part, but are told that this is unknown, as everybody is.
    """
    return list(STRATEGIES)


class AxelrodPlayer:
    """Plays any number of seats by one strategy of the library, each seat with an object of its own.

    A seat's chance comes from the seed of its match. The strategy sees the actions that were really
    played, and the payoffs of the match's game.
    """

    def __init__(self, strategy: str) -> None:
        """Raises UserError if there is no suitable strategy of this name."""
        self.name = strategy
        self._strategy = strategy_class(strategy)
        self._seats: dict[tuple[Match, int], Seated] = {}

    def reply(self, turns: Sequence[Turn]) -> list[str]:
        """One reply for each turn, in order."""
        self._seats = {seat: it for seat, it in self._seats.items() if not seat[0].finished}
        return [self._decide(turn) for turn in turns]

    def _decide(self, turn: Turn) -> str:
        seat = (turn.match, turn.seat)
        if seat not in self._seats:
            assert isinstance(turn.match.game, PrisonersDilemma)
            seed = strategy_seed(self.name, turn.match.seed, turn.seat)
            self._seats[seat] = Seated(self._strategy, library_game(turn.match.game), seed)
        action = self._seats[seat].choose(turn.view)
        return turn.grammar.write({"action": REPLY_TO[action]})


def player_of(agent: Agent, game: Game) -> AxelrodPlayer:
    """The player of an agent."""
    return AxelrodPlayer(agent.name)


class Seated:
    """A strategy in a seat of one match, and a stand-in for the other player that only remembers."""

    def __init__(self, strategy: type[axelrod.Player], game: axelrod.Game, seed: int) -> None:
        self._player = strategy()
        self._other = axelrod.Player()
        prepare(self._player, game, seed)

    def choose(self, view: ActionView) -> axelrod.Action:
        """The action of this round."""
        known = len(self._player.history)
        for own, other in zip(view.own[known:], view.other[known:], strict=True):
            self._player.update_history(ACTION_OF[own], ACTION_OF[other])
            self._other.update_history(ACTION_OF[other], ACTION_OF[own])
        return self._player.strategy(self._other)


def prepare(player: axelrod.Player, game: axelrod.Game, seed: int) -> None:
    """Tell a new player of the library the payoffs, and where its chance comes from."""
    player.set_match_attributes(length=LENGTH_UNKNOWN, game=game)
    player.set_seed(seed)


def strategy_seed(name: str, match_seed: int, seat: int) -> int:
    """The seed of a strategy in a seat of a match, as small as the library's generator wants it."""
    return derive_seed("axelrod", name, match_seed, seat) % 2**32


def strategy_class(name: str) -> type[axelrod.Player]:
    """The library's class of a suitable strategy.

    Raises:
        UserError: there is none of this name.
    """
    if name not in STRATEGIES:
        raise UserError(unknown_strategy(name))
    return _classes()[name]


@cache
def _classes() -> dict[str, type[axelrod.Player]]:
    return {strategy.name: strategy for strategy in axelrod.strategies}


def library_game(game: PrisonersDilemma) -> axelrod.Game:
    """The payoffs of a game as the library writes them."""
    (reward, _), (sucker, temptation), (punishment, _) = (
        game.payoffs[pair]
        for pair in ((COOPERATE, COOPERATE), (COOPERATE, DEFECT), (DEFECT, DEFECT))
    )
    return axelrod.Game(r=reward, s=sucker, t=temptation, p=punishment)
