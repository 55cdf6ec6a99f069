"""Activation checkpointing: of each layer only inputs are kept; it is computed again in the backward pass."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch.nn import Module
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from social_dilemmas.errors import UserError


def enable_activation_checkpointing(model: PreTrainedModel) -> None:
    """Prepare a model for `activation_checkpointing`; raises UserError if its type doesn't support it."""
    if not _layers(model):
        kind = model.config.model_type
        raise UserError(
            f"training.activation_checkpointing: models of type {kind} can't do that; set it to false"
        )
    model.gradient_checkpointing_enable({"use_reentrant": False, "preserve_rng_state": False})
    model.disable_input_require_grads()  # only needed by the reentrant kind


@contextmanager
def activation_checkpointing(model: Module, enabled: bool = True) -> Iterator[None]:
    """Compute with activation checkpointing; the forward and the backward pass both belong inside.

    Transformers checkpoints layers in training mode only, in which dropout would be on. So only the layers themselves
    are put into training mode, not the modules that they consist of.
    """
    layers = _layers(model) if enabled else []
    for layer in layers:
        layer.training = True
    try:
        yield
    finally:
        for layer in layers:
            layer.training = False


def _layers(model: Module) -> list[GradientCheckpointingLayer]:
    return [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
