"""What every loss asks of its vectors."""

import torch
from torch import Tensor

from seesay.base.errors import UsageError
from seesay.training.losses.world import World


def check_vectors(images: Tensor, texts: Tensor, world: World, *, is_paired: bool = True) -> tuple[Tensor, Tensor]:
    """The two blocks in one dtype of at least float32.

    Args:
        images: (N, E).
        texts: (M, E).
        world: each of its processes must bring as many.
        is_paired: whether text i belongs to image i, so that N must equal M.

    Raises:
        UsageError: not two matrices of one width with at least one row each, or N and M differ where they may not.
    """
    fits = images.ndim == texts.ndim == 2 and images.shape[1] == texts.shape[1] and len(images) and len(texts)
    if not fits or (is_paired and len(images) != len(texts)):
        expected = "(N, E) and (N, E)" if is_paired else "(N, E) and (M, E)"
        got = f"{tuple(images.shape)} and {tuple(texts.shape)}"
        raise UsageError(f"images and texts must have shapes {expected}, at least one row each; got {got}")
    world.check_equal("images and texts", (len(images), len(texts)), images.device)
    # bfloat16 has 8 bits for a logit of up to 100: steps of 0.5, too coarse for a softmax
    dtype = torch.promote_types(torch.promote_types(images.dtype, texts.dtype), torch.float32)
    return images.to(dtype), texts.to(dtype)
