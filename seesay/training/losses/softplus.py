"""The sum of softplus over all logits of this process's images, as one differentiable function.

A sum over pairs knows its gradient, sigmoid(logit), the moment it sees a logit. So the forward computes value and
gradient in one pass over the tiles, and the backward only multiplies: three products instead of four.
"""

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from seesay.training.losses import tiles
from seesay.training.losses.world import World


def softplus_sum(images: Tensor, texts: Tensor, scale: Tensor, bias: Tensor, world: World) -> Tensor:
    """`softplus(scale * images @ all_texts.T + bias).sum()`, with the texts of all processes, never held.

    Args:
        images: (N, E) of this process.
        texts: (M, E) of this process; they visit every other one.
        scale: ().
        bias: ().
        world: the processes.

    Returns:
        () this process's part. Its gradient assumes that every process weighs its part alike, as `World.mean` does.
    """
    arguments = images, texts, scale.to(images), bias.to(images)
    has_gradient = torch.is_grad_enabled() and any(argument.requires_grad for argument in arguments)
    return cast(Tensor, _SoftplusSum.apply(*arguments, world, has_gradient))  # type: ignore[no-untyped-call]


class _SoftplusSum(Function):
    @staticmethod
    def forward(
        ctx: Any, images: Tensor, texts: Tensor, scale: Tensor, bias: Tensor, world: World, has_gradient: bool
    ) -> Tensor:
        sums = images.new_zeros(2)
        on_images = torch.zeros_like(images)

        def visit(block: Tensor, on_block: Tensor) -> None:
            sums.add_(tiles.add_softplus(images, block, scale, bias, (on_images, on_block) if has_gradient else None))

        with torch.autocast(images.device.type, enabled=False):
            on_texts = world.ring(texts, visit)
            if has_gradient:
                on_scale = torch.linalg.vecdot(images, on_images).sum()
                ctx.save_for_backward(on_images.mul_(scale), on_texts.mul_(scale), on_scale, sums[1])
        return sums[0].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        saved = zip(ctx.saved_tensors, ctx.needs_input_grad, strict=False)
        return *(part * gradient if needed else None for part, needed in saved), None, None
