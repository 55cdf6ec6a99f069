"""Matches on a vLLM server between the learner and another adapter, and the gradient that they give."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from peft import PeftModel
from tests.unit.training_run import SETTINGS
from torch import Tensor

from social_dilemmas.agents.play import play
from social_dilemmas.backends.vllm.sampler import VllmSampler
from social_dilemmas.backends.vllm.server import ServerSettings
from social_dilemmas.games import game_of
from social_dilemmas.games.game import Match
from social_dilemmas.method.update import add_gradients
from social_dilemmas.policy.adapters import LEARNER, attach_learner, put_adapter
from social_dilemmas.policy.masks import TokenMasks
from social_dilemmas.policy.model import LanguageModel
from social_dilemmas.policy.trajectory import Trajectory

OPPONENT = "opponent"


@dataclass
class Played:
    """Matches in which the learner sits in the first seat, and its trajectories."""

    model: PeftModel
    language_model: LanguageModel
    masks: TokenMasks
    matches: list[Match]
    trajectories: list[Trajectory]

    @property
    def chosen(self) -> int:
        """Number of action tokens."""
        return sum(len(each.positions) for each in self.trajectories)


def play_on_server(
    language_model: LanguageModel, game: Mapping[str, Any], vllm: Mapping[str, Any], folder: Path
) -> Played:
    """Play some matches with a server of their own."""
    model = attach_learner(language_model, rank=2, alpha=4, seed=0)
    put_adapter(model, {}, OPPONENT)
    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        if f".{OPPONENT}." in name:
            parameter.data = 0.2 * torch.randn(parameter.shape, generator=generator)
    rules = game_of(game)
    masks = language_model.masks(rules)
    changes = {"vllm": ServerSettings(**vllm), "buffer": SimpleNamespace(size=0)}
    policy = SimpleNamespace(model=model, language_model=language_model, masks=masks)
    settings = SimpleNamespace(**{**SETTINGS, **changes})
    matches = [rules.start(seed) for seed in range(8)]
    with VllmSampler(policy, settings, game=game, seed=0, folder=folder / "vllm") as sampler:
        player = sampler.player(
            0,
            [LEARNER, OPPONENT],
            adapter_of=lambda turn: (LEARNER, OPPONENT)[turn.seat],
            number_of=lambda turn: turn.match.seed,
        )
        play(matches, [(player, player)] * len(matches))
    learners = [player.trajectory(match, 0) for match in matches]
    return Played(model, language_model, masks, matches, learners)


def gradient(played: Played, sampler: str) -> tuple[Tensor, dict[str, float]]:
    """The gradient of all trained weights for some credit, as if that sampler had played, and the sums with it."""
    played.model.zero_grad()
    rounds = max(len(match.history) for match in played.matches)
    shape = (len(played.matches), rounds)
    sums = add_gradients(
        played.model,
        played.trajectories,
        torch.randn(shape, generator=torch.Generator().manual_seed(0)),
        total=played.chosen,
        measure_kl=False,
        allowed=played.masks.allowed,
        padding=played.language_model.padding,
        settings={**SETTINGS, "sampler": sampler},
    )
    parts = [each.grad for each in played.model.parameters() if each.grad is not None]
    return torch.cat([part.flatten() for part in parts]), sums
