"""An optimiser step, which is only taken where all numbers are finite."""

from collections.abc import Collection

from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from social_dilemmas.errors import UserError


def finite_step(
    optimizer: Optimizer, parameters: Collection[Tensor], max_norm: float, label: str
) -> float:
    """A step with the gradient's norm clipped to `max_norm`; gives the norm before clipping.

    Raises UserError, which begins with `label`, where the norm or a parameter isn't finite; the former before the step.
    """
    norm = clip_grad_norm_(parameters, max_norm)
    wrong = "the gradient" if not norm.isfinite() else ""
    if not wrong:
        optimizer.step()
        if not all(parameter.isfinite().all() for parameter in parameters):
            wrong = "a weight"
    if wrong:
        raise UserError(
            f"{label}: {wrong} isn't finite any more; most likely a learning rate is too high or reward_scale too low"
        )
    return norm.item()
