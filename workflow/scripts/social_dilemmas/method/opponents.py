"""Who sits opposite the learner: itself, past versions of itself, or somebody fixed.

An opponent is drawn per group of matches. Drawing it per match would put opponents of different strength into one
group baseline, an offset that Advantage Alignment multiplies into its shaping term.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from peft import PeftModel

from social_dilemmas.agents.player import Player
from social_dilemmas.agents.scripted.player import scripted_player
from social_dilemmas.games.game import Game
from social_dilemmas.policy.adapters import FILES, LEARNER, NO_ADAPTER, check_adapter
from social_dilemmas.randomness import stream
from social_dilemmas.run.checksum import checksum

Opponent = str | Player  # the name of an adapter, or a player of its own
OPPONENT = "opponent"  # name of a frozen opponent's adapter


class Opponents(Protocol):
    """A way to choose opponents."""

    def draw(self, iteration: int, group: int, match: int) -> Opponent:
        """The opponent of a match, fixed by the names of the draw."""
        ...

    def both_seats_learn(self) -> bool:
        """Whether the learner sits in both seats of every match and learns in both."""
        ...


class SelfPlay:
    """The learner plays itself and learns in both seats."""

    def draw(self, iteration: int, group: int, match: int) -> Opponent:
        return LEARNER

    def both_seats_learn(self) -> bool:
        return True


class FixedOpponent:
    """The same opponent always; the learner's seat alternates."""

    def __init__(self, opponent: Opponent) -> None:
        self._opponent = opponent

    def draw(self, iteration: int, group: int, match: int) -> Opponent:
        return self._opponent

    def both_seats_learn(self) -> bool:
        return False

    @property
    def usage(self) -> dict[str, Any] | None:
        """What an opponent behind an API used and cost; None for any other."""
        return getattr(self._opponent, "usage_record", None)


class PastAgents:
    """A buffer of the learner's past adapters.

    With some probability the opponent is one of them, else the live learner. One seat of every match learns.
    """

    def __init__(
        self, *, seed: int, probability: float, size: int, per_match: bool = False
    ) -> None:
        """An empty buffer.

        Args:
            seed: seed of the run.
            probability: probability that the opponent is a past agent, once there is one.
            size: the buffer's capacity; when it is full, the oldest goes.
            per_match: draw for every match instead of every group (an ablation).
        """
        self._seed = seed
        self._probability = probability
        self._size = size
        self._per_match = per_match
        self.iterations: list[int] = []  # when the agents in the buffer were taken

    def add(self, iteration: int) -> int | None:
        """Take in the learner of this iteration; gives back the iteration of the one that has to go, if any."""
        self.iterations.append(iteration)
        return self.iterations.pop(0) if len(self.iterations) > self._size else None

    def draw(self, iteration: int, group: int, match: int) -> Opponent:
        place = (match,) if self._per_match else ()
        random = stream(self._seed, iteration, group, *place, "opponent")
        if self.iterations and random.random() < self._probability:
            return past_agent(random.choice(self.iterations))
        return LEARNER

    def both_seats_learn(self) -> bool:
        return False


def past_agent(iteration: int) -> str:
    """Name of the adapter that holds the learner of an iteration."""
    return f"iteration-{iteration}"


def fixed_opponent(
    opponent: Mapping[str, Any], game: Game, model: PeftModel, base: Path
) -> Opponent:
    """An opponent that doesn't learn.

    Args:
        opponent: its `name`, and how it plays: `adapter` (a directory, or None for the model without one) or
            `api_player` (an entry of the config, with `cache`, a file). With neither it is the scripted player of
            that name.
        model: takes the opponent's adapter.
        base: directory of the model.

    Raises:
        UserError: there is no such player, or the adapter isn't there or belongs to another model.
    """
    if "api_player" in opponent:
        from social_dilemmas.agents.api.player import api_player  # needs packages that others don't

        player = api_player(opponent["api_player"], Path(opponent["cache"]))
        player.check_reachable()
        return player
    if "adapter" not in opponent:
        return scripted_player(game.kind, opponent["name"])
    if opponent["adapter"] is None:
        return NO_ADAPTER
    adapter = Path(opponent["adapter"])
    check_adapter(adapter, base)
    model.load_adapter(str(adapter), OPPONENT)  # with its own rank and scale
    model.set_adapter(LEARNER)  # loading has frozen it
    return OPPONENT


def write_usage(usages: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write what an opponent behind an API used, the sum over the processes that share a run, as JSON."""
    total = dict(usages[0])
    for usage in usages[1:]:
        for key, value in usage.items():
            if isinstance(value, (int, float)):
                total[key] += value
    path.write_text(json.dumps(total, indent=1) + "\n")


def adapter_checksum(opponent: Mapping[str, Any] | None) -> str:
    """Tells a frozen opponent's adapter from another one in the same place; empty where there is none."""
    if not opponent or not opponent.get("adapter"):
        return ""
    return checksum(Path(opponent["adapter"]) / FILES[-1])
