"""The one interface of everything that plays: turns in, replies out, as text."""

from collections.abc import Sequence
from typing import Protocol

from social_dilemmas.games.game import Turn


class Player(Protocol):
    """Anything that can take turns.

    The turns of one call belong to different matches or seats and are all wanted now.
    """

    def reply(self, turns: Sequence[Turn]) -> list[str]:
        """One reply for each turn, in order."""
        ...
