"""A clone: an adapter that learns one scripted player's replies by supervision, from the warm-started model on.

It is a baseline: what imitating a reciprocal player gives, beside what reinforcement learning finds.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from social_dilemmas.agents.scripted.player import scripted_player
from social_dilemmas.config.settings import CloneSettings
from social_dilemmas.games import game_of
from social_dilemmas.method.warm_start import drawn_pairs, imitate, lessons, recorded
from social_dilemmas.policy.adapters import save_adapter
from social_dilemmas.policy.model import load_model
from social_dilemmas.policy.policy import Policy
from social_dilemmas.policy.trajectory import Trajectory


def run_clone(
    *, model: Path, game: Mapping[str, Any], settings: CloneSettings, output: Path, metrics: Path
) -> None:
    """Train a clone of a player and write its adapter as a PEFT directory; `metrics` takes the losses.

    Raises:
        UserError: the model isn't there, or the game has no such player.
    """
    policy = Policy(load_model(model), game_of(game))
    label = f"clone of {settings.player}"
    imitate(policy, lessons(game, settings), metrics, label, replies_of_player)
    save_adapter(policy.model, model, output)


def replies_of_player(
    policy: Policy, settings: CloneSettings, count: int, *purpose: object
) -> list[Trajectory]:
    """The player's trajectories in new matches with the population, one each; it sits in both seats by turns.

    The others slip now and then; the player doesn't, so that there are no slips to imitate.
    """
    player = scripted_player(policy.game.kind, settings.player)
    others = [other for other, _ in drawn_pairs(policy.game.kind, settings, count, *purpose)]
    pairs = [(player, other) if i % 2 == 0 else (other, player) for i, other in enumerate(others)]
    return [both[i % 2] for i, both in enumerate(recorded(policy, pairs, *purpose))]
