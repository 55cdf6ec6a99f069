"""Players whose hand trembles now and then, so that transcripts show what follows a slip."""

from collections.abc import Sequence

from social_dilemmas.agents.scripted.player import ScriptedPlayer, turn_stream
from social_dilemmas.games.game import Turn
from social_dilemmas.games.grammar import Choice


class Noisy:
    """Another player, but each choice of a reply is replaced, with a probability, by any option (all
    alike likely; it may be the same one again). The trembling hand of Selten, Reexamination of the
    perfectness concept for equilibrium points in extensive games, International Journal of Game
    Theory 4, 1975.
    """

    def __init__(self, player: ScriptedPlayer, probability: float) -> None:
        self.player = player
        self.probability = probability

    def reply(self, turns: Sequence[Turn]) -> list[str]:
        """One reply for each turn, in order."""
        replies = self.player.reply(turns)
        return [self._disturb(turn, reply) for turn, reply in zip(turns, replies, strict=True)]

    def _disturb(self, turn: Turn, reply: str) -> str:
        values = turn.grammar.parse(reply)
        assert values is not None, f"{self.player.name} gave an invalid reply: {reply}"
        random = turn_stream(self.player.name, turn, "noise")
        for part in turn.grammar.parts:
            if isinstance(part, Choice) and random.random() < self.probability:
                values[part.name] = random.choice(part.options)
        return turn.grammar.write(values)
