"""The gradient of one update."""

import torch
from torch import Tensor

from social_dilemmas.method.rollout import Experience
from social_dilemmas.method.train import Trainer
from social_dilemmas.method.update import add_gradients


def gradient(
    trainer: Trainer, experience: Experience, sampler: str
) -> tuple[Tensor, dict[str, float]]:
    """The gradient of all trained weights, as if that sampler had played, and the sums that come with it."""
    trainer.model.zero_grad()
    sums = add_gradients(
        trainer.model,
        experience.trajectories,
        trainer._credit_of(experience),
        total=experience.chosen,
        measure_kl=False,
        allowed=trainer._masks.allowed,
        padding=trainer._language_model.padding,
        settings={**trainer._settings, "sampler": sampler},
    )
    parts = [p.grad for p in trainer.model.parameters() if p.grad is not None]
    return torch.cat([part.flatten() for part in parts]), sums
