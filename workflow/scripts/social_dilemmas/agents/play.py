"""Playing matches, whoever sits in their seats: the one way for training, evaluation and people."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from importlib import import_module
from typing import Any, Protocol, TypeVar

from social_dilemmas.agents.agent import Agent
from social_dilemmas.games.game import Game, Match, Turn


class Player(Protocol):
    """Anything that can take turns: the one interface of everything that plays."""

    def reply(self, turns: Sequence[Turn]) -> list[str]:
        """One reply for each turn, in order; the turns are of different matches or seats, and all wanted now.

        A turn with a slip is played by the slip, whatever is replied; what the player remembers must hold it.
        """
        ...


Place = tuple[Match, int]  # a match and a seat
OnReply = Callable[[Turn, str], None]
Slips = Callable[[Turn], str | None]
"""The reply that a hand plays at a turn in place of its player's; None where it doesn't slip."""
Seats = Sequence[tuple[Player, Player]]
ModelPlayer = TypeVar("ModelPlayer", bound=Player, covariant=True)


class Sampler(Protocol[ModelPlayer]):
    """What plays for the agents that are the model under some adapter."""

    def seated(self, adapters: Mapping[Place, str | None]) -> AbstractContextManager[ModelPlayer]:
        """A player for these seats, each under its agent's adapter."""
        ...


class Players:
    """The players of agents that aren't the model, each made when it is first needed."""

    def __init__(self, game: Game, made: Mapping[Agent, Player] | None = None) -> None:
        """`made` are those that are there already, such as a person."""
        self._game = game
        self._made: dict[Agent, Player] = dict(made or {})

    def of(self, agent: Agent) -> Player:
        """The player of an agent; UserError if there is none, or its server can't be reached."""
        if agent not in self._made:
            # Found by name, so that code which isn't used isn't part of a job's fingerprint.
            module = import_module(f"social_dilemmas.agents.{agent.kind}.player")
            self._made[agent] = module.player_of(agent, self._game)
        return self._made[agent]

    def usage(self) -> dict[str, Any] | None:
        """What the one that is behind an API used so far; None if there is none."""
        found = (getattr(player, "usage_record", None) for player in self._made.values())
        return next(filter(None, found), None)


def play_batch(
    matches: Sequence[Match],
    seats: Sequence[tuple[Agent, Agent]],
    players: Players,
    sampler: Sampler[ModelPlayer] | None = None,
    on_reply: OnReply | None = None,
    slips: Slips | None = None,
) -> ModelPlayer | None:
    """Play new matches to their end; all seats of the model are sampled together.

    Args:
        matches: see `play`, which also explains `on_reply` and `slips`.
        seats: the agents of seats 0 and 1 of each match.
        players: for the agents that aren't the model.
        sampler: for those that are.

    Returns:
        The player of the model's seats, which has their trajectories; None without such seats.
    """
    adapters = {
        (match, seat): agent.adapter
        for match, pair in zip(matches, seats, strict=True)
        for seat, agent in enumerate(pair)
        if agent.on_model
    }
    if not adapters:
        seated = [(players.of(first), players.of(second)) for first, second in seats]
        play(matches, seated, on_reply, slips)
        return None
    assert sampler is not None, "agents of the model need a sampler"
    with sampler.seated(adapters) as model_player:

        def of(agent: Agent) -> Player:
            return model_player if agent.on_model else players.of(agent)

        play(matches, [(of(first), of(second)) for first, second in seats], on_reply, slips)
    return model_player


def play(
    matches: Sequence[Match],
    seats: Seats,
    on_reply: OnReply | None = None,
    slips: Slips | None = None,
) -> None:
    """Play all matches to their end, in lockstep.

    At every step each player object is called once, with all of its turns in all matches, ordered by match and seat.
    So a player that sits in many seats can answer them in one batch.

    Args:
        matches: new matches, or matches in progress, of any games and lengths.
        seats: the players of seats 0 and 1, for each match.
        on_reply: called with each turn and its reply, once all players of a step have replied and before the matches
            take the replies.
        slips: whose hands slip; by default nobody's.
    """
    for turns, replies in batches(matches, seats, slips):
        if on_reply is not None:
            for turn, reply in zip(turns, replies, strict=True):
                on_reply(turn, reply)


def batches(
    matches: Sequence[Match], seats: Seats, slips: Slips | None = None
) -> Iterator[tuple[list[Turn], list[str]]]:
    """`play`, giving the turns and replies of each call of a player when `on_reply` would hear of them."""
    while True:
        asked: dict[int, tuple[Player, list[Turn]]] = {}
        for match, players in zip(matches, seats, strict=True):
            for turn in match.turns():
                if slips is not None:
                    turn = replace(turn, slip=slips(turn))
                player = players[turn.seat]
                asked.setdefault(id(player), (player, []))[1].append(turn)
        if not asked:
            return
        answered = [
            (turns, _played(turns, player.reply(turns))) for player, turns in asked.values()
        ]
        taken: dict[Match, dict[int, str]] = {}
        for turns, replies in answered:
            for turn, reply in zip(turns, replies, strict=True):
                taken.setdefault(turn.match, {})[turn.seat] = reply
        yield from answered
        for match, by_seat in taken.items():
            match.take(by_seat)


def _played(turns: Sequence[Turn], replies: Sequence[str]) -> list[str]:
    """The replies that count: the slips, where hands slipped."""
    return [
        reply if turn.slip is None else turn.slip
        for turn, reply in zip(turns, replies, strict=True)
    ]
