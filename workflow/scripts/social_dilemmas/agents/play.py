"""The driver of all matches, whoever plays: asks, takes the replies, goes on until every match has
ended.
"""

from collections.abc import Callable, Iterator, Sequence

from social_dilemmas.agents.player import Player
from social_dilemmas.games.game import Match, Turn

Seats = Sequence[tuple[Player, Player]]


def play(
    matches: Sequence[Match],
    seats: Seats,
    on_reply: Callable[[Turn, str], None] | None = None,
) -> None:
    """Play all matches to their end, in lockstep.

    At every step each player object is called once, with all of its turns in all matches, ordered
    by match and then by seat. So a player that sits in many seats can answer them in one batch.

    Args:
        matches: new matches, or matches in progress, of any games and lengths.
        seats: the players of seats 0 and 1, for each match.
        on_reply: called with each turn and its reply, once all players of a step have replied and
            before the matches take the replies.
    """
    for turns, replies in batches(matches, seats):
        if on_reply is not None:
            for turn, reply in zip(turns, replies, strict=True):
                on_reply(turn, reply)


def batches(matches: Sequence[Match], seats: Seats) -> Iterator[tuple[list[Turn], list[str]]]:
    """`play`, giving the turns and replies of each call of a player, once all players of the step
    have replied and before the matches take the replies.
    """
    while True:
        asked: dict[int, tuple[Player, list[Turn]]] = {}
        for match, players in zip(matches, seats, strict=True):
            for turn in match.turns():
                player = players[turn.seat]
                asked.setdefault(id(player), (player, []))[1].append(turn)
        if not asked:
            return
        answered = [(turns, player.reply(turns)) for player, turns in asked.values()]
        taken: dict[Match, dict[int, str]] = {}
        for turns, replies in answered:
            for turn, reply in zip(turns, replies, strict=True):
                taken.setdefault(turn.match, {})[turn.seat] = reply
        yield from answered
        for match, by_seat in taken.items():
            match.take(by_seat)
