"""Players that follow a fixed rule, and how to find them by name.

The module of this package that has the name of a kind of game lists its players in `PLAYERS`. A kind
without one has the players of the kind that it is derived from. Every game has a player `random`.
"""

import importlib
import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from random import Random
from typing import Any

from social_dilemmas.agents.agent import Agent
from social_dilemmas.errors import UserError
from social_dilemmas.games import game_class, kind_named
from social_dilemmas.games.game import Game, Turn
from social_dilemmas.games.grammar import Choice, Text
from social_dilemmas.randomness import stream


class ScriptedPlayer(ABC):
    """Keeps no state: what it does depends only on the turn and on the random stream of that turn."""

    name: str

    @abstractmethod
    def decide(self, turn: Turn, random: Random) -> Mapping[str, object]:
        """The values of the named parts of `turn.grammar`. All chance comes from `random`."""

    def reply(self, turns: Sequence[Turn]) -> list[str]:
        """One reply for each turn, in order."""
        return [
            turn.grammar.write(self.decide(turn, turn_stream(self.name, turn))) for turn in turns
        ]


class RulePlayer(ScriptedPlayer):
    """Decides by a rule, whose name it has unless it is given another: a function of what it sees,
    which gives the option that is chosen, or a tuple of those for all choices in a reply.
    """

    def __init__(self, rule: Callable[..., Any], name: str | None = None) -> None:
        self.rule = rule
        self.name = name or rule.__name__

    def decide(self, turn: Turn, random: Random) -> dict[str, object]:
        chosen = self.rule(turn.view)
        options = chosen if isinstance(chosen, tuple) else (chosen,)
        names = [part.name for part in turn.grammar.parts if isinstance(part, Choice)]
        return dict(zip(names, options, strict=True))


class RandomPlayer(ScriptedPlayer):
    """Every option with the same probability, whatever happened; `RANDOM` of Axelrod's tournaments
    (The Evolution of Cooperation, 1984), for any game. Where free text is wanted it says
    hello; in games with hands it is played under `Truthful`, which names the true one.
    """

    name = "random"

    def decide(self, turn: Turn, random: Random) -> dict[str, object]:
        values: dict[str, object] = {}
        for part in turn.grammar.parts:
            match part:
                case Choice(name, options):
                    values[name] = random.choice(options)
                case Text(name, limit):
                    values[name] = "hello"[:limit]
        return values


def turn_stream(player_name: str, turn: Turn, *purpose: str) -> Random:
    """The random stream of one decision of a player."""
    place = (turn.match.seed, turn.seat, len(turn.match.history), turn.step)
    return stream(player_name, *place, *purpose)


def scripted_player_names(game_name: str) -> list[str]:
    """Those of a game, by its kind or declared name; raises UserError if there is no such game."""
    return list(_players(kind_named(game_name)))


def scripted_player(game_name: str, player_name: str) -> ScriptedPlayer:
    """A player of a game, by the game's kind or declared name: the same object every time. Raises
    UserError if there is no such game or player.
    """
    players = _players(kind_named(game_name))
    if player_name not in players:
        known = ", ".join(players)
        raise UserError(f"{game_name}: unknown player {player_name!r}; known players: {known}")
    return players[player_name]


def player_of(agent: Agent, game: Game) -> ScriptedPlayer:
    """The player of a scripted agent; raises as `scripted_player`."""
    return scripted_player(game.kind, agent.name)


def players_module(kind: str) -> str | None:
    """Which module of this package lists the players of a kind of game, if one does; raises
    UserError if there is no such kind.
    """
    for ancestor in game_class(kind).__mro__:
        name = vars(ancestor).get("kind")
        if name and importlib.util.find_spec(f"social_dilemmas.agents.scripted.{name}") is not None:
            return str(name)
    return None


@cache
def _players(kind: str) -> dict[str, ScriptedPlayer]:
    module = players_module(kind)
    own: Sequence[ScriptedPlayer] = ()
    if module is not None:
        own = importlib.import_module(f"social_dilemmas.agents.scripted.{module}").PLAYERS
    players = {player.name: player for player in own}
    return players if "random" in players else {**players, "random": RandomPlayer()}
