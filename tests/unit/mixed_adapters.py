"""A model with two adapters that change what it says, and what each of them says next."""

import torch
from peft import PeftModel
from torch import Tensor

from social_dilemmas.games.game import Turn
from social_dilemmas.policy.adapters import (
    LEARNER,
    NO_ADAPTER,
    adapter_weights,
    attach_learner,
    put_adapter,
)
from social_dilemmas.policy.model import LanguageModel

ADAPTERS = (LEARNER, "second", NO_ADAPTER)


def with_two_adapters(base: LanguageModel) -> LanguageModel:
    """The model with both, in double precision."""
    model = attach_learner(base, rank=2, alpha=8, seed=0)
    generator = torch.Generator().manual_seed(1)
    for name in ("second", LEARNER):
        weights = {
            key: torch.randn(value.shape, generator=generator) * 0.3
            for key, value in adapter_weights(model).items()
        }
        put_adapter(model, weights, name)
    return LanguageModel(model.double(), base.chat, base.path)


def adapter_by_place(turn: Turn) -> str:
    """Another one for each seat, and for the same seat of the next match."""
    return ADAPTERS[(turn.match.seed + turn.seat) % 3]


def logits_read_anew(model: PeftModel, adapter: str | None, tokens: list[int]) -> Tensor:
    """Logits after the last of these tokens, in a pass of their own; None: of whatever is active."""
    with torch.no_grad():
        if adapter == NO_ADAPTER:
            with model.disable_adapter():
                return model(torch.tensor([tokens])).logits[0, -1]
        if adapter is not None:
            model.set_adapter(adapter)
        logits: Tensor = model(torch.tensor([tokens])).logits[0, -1]
        if adapter is not None:
            model.set_adapter(LEARNER)
        return logits
