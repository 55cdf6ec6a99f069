"""The driver of all matches, whoever plays: asks, takes the replies, goes on until every match has
ended.
"""

from collections.abc import Sequence

from social_dilemmas.agents.player import Player
from social_dilemmas.games.game import Match, Turn


def play(matches: Sequence[Match], seats: Sequence[tuple[Player, Player]]) -> None:
    """Play all matches to their end, in lockstep.

    At every step each player object is called once, with all of its turns in all matches, ordered
    by match and then by seat. So a player that sits in many seats can answer them in one batch.

    Args:
        matches: new matches, or matches in progress, of any games and lengths.
        seats: the players of seats 0 and 1, for each match.
    """
    pairs = list(zip(matches, seats, strict=True))
    while True:
        pending: dict[int, tuple[Player, list[tuple[int, Turn]]]] = {}
        for index, (match, players) in enumerate(pairs):
            for turn in match.turns():
                player = players[turn.seat]
                pending.setdefault(id(player), (player, []))[1].append((index, turn))
        if not pending:
            return
        replies: dict[int, dict[int, str]] = {}
        for player, asked in pending.values():
            answers = player.reply([turn for _, turn in asked])
            for (index, turn), answer in zip(asked, answers, strict=True):
                replies.setdefault(index, {})[turn.seat] = answer
        for index, by_seat in replies.items():
            matches[index].take(by_seat)
