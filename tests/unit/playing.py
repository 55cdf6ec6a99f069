"""What tests of scripted players share: one reply, and the points of a whole match."""

from social_dilemmas.agents.play import play
from social_dilemmas.agents.scripted.player import scripted_player
from social_dilemmas.games.game import SEATS, Match


def reply_of(player: str, match: Match, seat: int = 0) -> str:
    """What a scripted player replies to the current turn of a seat."""
    (turn,) = (turn for turn in match.turns() if turn.seat == seat)
    return scripted_player(match.game.kind, player).reply([turn])[0]


def points_of(match: Match, first: str, second: str) -> tuple[float, float]:
    """Points of both seats at the end of a match between two scripted players."""
    kind = match.game.kind
    play([match], [(scripted_player(kind, first), scripted_player(kind, second))])
    return sum(match.rewards(0)), sum(match.rewards(1))


def say(text: str) -> str:
    """The reply that sends a message."""
    return f"<message>{text}</message>"


def talk(match: Match, message: str, other: str | None = None) -> None:
    """Send all messages of a round, seat 1 the other one if there is one."""
    while len(turns := match.turns()) == 1:
        seat = turns[0].seat
        match.take({seat: say(message if seat == 0 or other is None else other)})


def take_all(match: Match, message: str, replies: tuple[str, str]) -> None:
    """Play a round with the same message in all of its message turns, and these replies."""
    talk(match, message)
    match.take(dict(zip(SEATS, replies, strict=True)))
