"""Adapters of random weights, several in a policy or one in a directory, and what a model says under each."""

from pathlib import Path

import torch
from peft import PeftModel
from torch import Tensor

from social_dilemmas.games import build_game
from social_dilemmas.games.game import Game
from social_dilemmas.policy.adapters import LEARNER, NO_ADAPTER, save_adapter
from social_dilemmas.policy.model import LanguageModel, load_model
from social_dilemmas.policy.policy import Policy

ADAPTERS = (LEARNER, "second", NO_ADAPTER)
DILEMMA = build_game("prisoners_dilemma", 3)


def random_weights(policy: Policy, seed: int = 0, scale: float = 0.3) -> dict[str, Tensor]:
    """Weights of an adapter of the learner's shape."""
    generator = torch.Generator().manual_seed(seed)
    return {
        key: torch.randn(value.shape, generator=generator) * scale
        for key, value in policy.weights().items()
    }


def copied_weights(policy: Policy) -> dict[str, Tensor]:
    """The learner's, as they are now."""
    return {key: value.clone() for key, value in policy.weights().items()}


def random_policy(
    base: Path, game: Game = DILEMMA, *, rank: int = 2, seed: int = 0, scale: float = 0.3
) -> Policy:
    """A policy whose learner has such weights."""
    policy = Policy(load_model(base, "cpu"), game)
    policy.add_learner(rank=rank, alpha=8.0, seed=0)
    policy.put(LEARNER, random_weights(policy, seed, scale))
    return policy


def saved_adapter(base: Path, output: Path, scale: float = 0.3, *, rank: int = 2) -> Path:
    """The directory of such an adapter."""
    save_adapter(random_policy(base, rank=rank, scale=scale).model, base, output)
    return output


def foreign_model(base: Path, output: Path) -> Path:
    """The directory of the model with one of its weights changed a little."""
    language_model = load_model(base, "cpu")
    with torch.no_grad():
        next(language_model.model.parameters()).mul_(1.01)
    language_model.save(output)
    return output


def with_two_adapters(base: LanguageModel, game: Game = DILEMMA) -> Policy:
    """A policy with a learner and a second adapter, in double precision."""
    policy = Policy(base, game)
    policy.add_learner(rank=2, alpha=8.0, seed=0)
    policy.put("second", random_weights(policy, seed=1))
    policy.put(LEARNER, random_weights(policy, seed=2))
    policy.model.double()
    return policy


@torch.no_grad()
def logits_of(model: PeftModel, adapter: str | None, tokens: list[int]) -> Tensor:
    """(tokens, vocabulary) logits in a forward pass of their own; None: under the active adapter."""
    if adapter == NO_ADAPTER:
        with model.disable_adapter():
            return logits_of(model, None, tokens)
    if adapter is not None:
        model.set_adapter(adapter)
    logits: Tensor = model(torch.tensor([tokens])).logits[0]
    if adapter is not None:
        model.set_adapter(LEARNER)
    return logits
