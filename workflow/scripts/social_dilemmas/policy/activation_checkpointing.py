"""Gradient checkpointing: what a layer computes is computed again in the backward pass, instead of being kept."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch.nn import Module
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from social_dilemmas.errors import UserError


def enable_activation_checkpointing(model: PreTrainedModel) -> None:
    """Keep only the inputs of every layer for the backward pass, wherever `activation_checkpointing` is in force.

    Raises:
        UserError: the model can't do that.
    """
    if not _layers(model):
        raise UserError(
            f"training.gradient_checkpointing: models of type {model.config.model_type} can't do that; set it to false"
        )
    model.gradient_checkpointing_enable({"use_reentrant": False, "preserve_rng_state": False})
    model.disable_input_require_grads()  # of use to the reentrant kind only


@contextmanager
def activation_checkpointing(model: Module, enabled: bool = True) -> Iterator[None]:
    """Compute with gradient checkpointing; forward and backward pass both belong inside.

    Layers of transformers only do it in training mode, in which PEFT refuses to mix adapters in a batch, and dropout
    would be on. So no more than the layers themselves are told that they are in training; what they are made of
    isn't.
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
