"""The log-sum-exps of the rows and columns of the logits, as one differentiable function of the vectors.

It is the only part of the softmax losses that needs all pairs; everything else in them is linear in N.
The forward keeps one number a row and a column, and the backward makes the logits again, tile by tile.
"""

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from seesay.training.losses import tiles


def logsumexps(images: Tensor, texts: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """`logits.logsumexp(1)` and `logits.logsumexp(0)` for `logits = scale * images @ texts.T`, never held.

    Args:
        images: (N, E).
        texts: (M, E), of the same dtype.
        scale: ().

    Returns:
        (N,) over the texts of each image, and (M,) over the images of each text.

    Source: the streaming normaliser of arXiv:1805.02867, for rows and columns at once; the backward by
    recomputation as in FlashAttention, arXiv:2205.14135.
    """
    return cast(tuple[Tensor, Tensor], _LogSumExps.apply(images, texts, scale.to(images)))  # type: ignore[no-untyped-call]


class _LogSumExps(Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, texts: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(images.device.type, enabled=False):
            rows, columns = tiles.logsumexps(images, texts, scale)
        ctx.save_for_backward(images, texts, scale, rows, columns)
        return rows, columns

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, on_rows: Tensor, on_columns: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        images, texts, scale, rows, columns = ctx.saved_tensors
        for_images, for_texts, for_scale = ctx.needs_input_grad
        # The gradient at the logits is the A of `pull`. The scale's is the sum of A * cosines, which is what A
        # pulls the images to, times the images: no pass of its own.
        for_images = for_images or (for_scale and not for_texts)
        with torch.autocast(images.device.type, enabled=False):
            on_images, on_texts = tiles.pull(
                images,
                texts,
                scale,
                (rows, on_rows),
                (columns, on_columns),
                left=images if for_texts else None,
                right=texts if for_images else None,
            )
            on_scale = None
            if for_scale:
                own, pulled = (images, on_images) if on_images is not None else (texts, on_texts)
                on_scale = torch.linalg.vecdot(own, pulled).sum()
            # in place: at 262,144 x 512 each copy would be half a gigabyte
            return (
                on_images.mul_(scale) if on_images is not None and ctx.needs_input_grad[0] else None,
                on_texts.mul_(scale) if on_texts is not None else None,
                on_scale,
            )
