"""Conditions under which the same agents play the same matches."""

from enum import StrEnum

from social_dilemmas.games.game import Game
from social_dilemmas.games.talk import TalkingGame


class Condition(StrEnum):
    """What disturbs a match."""

    NONE = "none"
    ONE_SLIP = "one_slip"  # in one round seat 0 does what is greedy
    TREMBLES = "trembles"  # now and then an action of either seat is replaced by any valid one
    SHUFFLED = "shuffled"  # messages are read that the same agent sent in other matches
    NO_MESSAGES = "no_messages"  # whatever is sent, what is read says nothing


NOISE = (Condition.NONE, Condition.ONE_SLIP, Condition.TREMBLES)


def conditions_in(game: type[Game]) -> tuple[Condition, ...]:
    """The conditions that mean something in a game of this class."""
    return tuple(Condition) if issubclass(game, TalkingGame) else NOISE
