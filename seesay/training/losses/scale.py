"""The learned scale of the cosines: the paper keeps it from growing without end."""

import math

import torch
from torch import Tensor

HIGHEST = 100.0


@torch.no_grad()
def clamp_scale(log_scale: Tensor, highest: float = HIGHEST) -> Tensor:
    """Keep the scale at or below `highest`, in place; call it after every step of the optimiser.

    Args:
        log_scale: () the learned logarithm, as `Clip.log_scale`.
        highest: the paper's 100; above it their training became unstable.

    Returns:
        () bool, whether it had to be lowered; a tensor, so that nobody waits for the device to know.

    Source: CLIP, arXiv:2103.00020, section 2.5.
    """
    limit = math.log(highest)
    was_above = log_scale > limit
    log_scale.clamp_(max=limit)
    return was_above
