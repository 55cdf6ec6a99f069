"""An optimiser step, which is only taken where all numbers are finite."""

from collections.abc import Collection

from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from social_dilemmas.errors import UserError


def finite_step(
    optimizer: Optimizer,
    parameters: Collection[Tensor],
    max_norm: float,
    label: str,
    likely: str = "a learning rate is too high",
) -> float:
    """A step with the gradient's norm clipped to `max_norm`; gives the norm before clipping.

    Raises UserError where the norm or a parameter isn't finite, the former before the step: a sentence that begins with
    `label` and ends with the most `likely` cause.
    """
    norm = clip_grad_norm_(parameters, max_norm)
    wrong = "the gradient" if not norm.isfinite() else ""
    if not wrong:
        optimizer.step()
        if not all(parameter.isfinite().all() for parameter in parameters):
            wrong = "a weight"
    if wrong:
        raise UserError(f"{label}: {wrong} isn't finite any more; most likely {likely}")
    return norm.item()
