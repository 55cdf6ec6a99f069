"""Matches on a vLLM server between the learner and another adapter, and the gradient that they give."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tests.unit.mixed_adapters import random_weights
from tests.unit.training_run import training_settings
from torch import Tensor

from social_dilemmas.agents.play import play
from social_dilemmas.backends.vllm.sampler import VllmSampler
from social_dilemmas.config.schema.training import Vllm
from social_dilemmas.games import game_of
from social_dilemmas.games.game import Match
from social_dilemmas.method.loss import add_gradients
from social_dilemmas.policy.adapters import LEARNER
from social_dilemmas.policy.model import LanguageModel
from social_dilemmas.policy.policy import Policy
from social_dilemmas.policy.trajectory import Trajectory

OPPONENT = "opponent"


@dataclass
class Played:
    """Matches in which the learner sits in the first seat, and its trajectories."""

    policy: Policy
    matches: list[Match]
    trajectories: list[Trajectory]

    @property
    def action_tokens(self) -> int:
        return sum(len(each.positions) for each in self.trajectories)


def play_on_server(
    language_model: LanguageModel, game: Mapping[str, Any], vllm: Vllm, folder: Path
) -> Played:
    """Play some matches with a server of their own."""
    policy = Policy(language_model, game_of(game))
    policy.add_learner(rank=2, alpha=4.0, seed=0)
    policy.put(OPPONENT, random_weights(policy, seed=1, scale=0.2))
    matches = [policy.game.start(seed) for seed in range(8)]
    seats = {
        (match, seat): adapter
        for match in matches
        for seat, adapter in enumerate((LEARNER, OPPONENT))
    }
    settings = training_settings(sampler="vllm", vllm=vllm)
    with VllmSampler(policy, settings, game=game, folder=folder / "vllm") as server:
        sampler = server.at(0, lambda turn: (turn.match.seed, turn.seat))
        with sampler.seated(seats) as player:
            play(matches, [(player, player)] * len(matches))
    return Played(policy, matches, [player.trajectory(match, 0) for match in matches])


def gradient(played: Played, sampler: str) -> tuple[Tensor, dict[str, float]]:
    """The gradient for some credit, as if that sampler had drawn the tokens, and the sums that come with it."""
    played.policy.model.zero_grad()
    rounds = max(len(match.history) for match in played.matches)
    sums = add_gradients(
        played.policy,
        played.trajectories,
        torch.randn(len(played.matches), rounds, generator=torch.Generator().manual_seed(0)),
        training_settings(sampler=sampler),
        total=played.action_tokens,
        measured=0,
    )
    parts = [each.grad for each in played.policy.model.parameters() if each.grad is not None]
    return torch.cat([part.flatten() for part in parts]), sums
