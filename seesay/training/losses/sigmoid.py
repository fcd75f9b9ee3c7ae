"""SigLIP's loss: each image-text pair is its own yes or no.

Shape legend: B pairs in this process, N pairs in all, E embedding.
"""

import torch
from torch import Tensor

from seesay.training.losses.check import check_vectors
from seesay.training.losses.softplus import softplus_sum
from seesay.training.losses.world import ALONE, World


def sigmoid_loss(images: Tensor, texts: Tensor, *, scale: Tensor, bias: Tensor, world: World = ALONE) -> Tensor:
    """Pairwise sigmoid loss over all N x N pairs of the global batch.

        loss = -1/N * sum_ij log sigmoid(y_ij * (scale * <image_i, text_j> + bias)), y_ij = 1 if i == j else -1

    As -log sigmoid(z) = softplus(z) - z, it is the softplus of every pair less the logits of the true ones. Texts
    go around in a ring: a process holds two blocks of them at a time, its own and the one that comes next.

    Args:
        images: (B, E) unit rows, of this process.
        texts: (B, E) unit rows; row i belongs to image i.
        scale: () positive; the paper starts at 10.
        bias: () the paper starts at -10, because N - 1 of N pairs are negatives.
        world: the processes that share the batch, each with as many pairs.

    Returns:
        () float32 (float64 for float64), mean over images, in nats; the same on every process.

    Raises:
        UsageError: the shapes do not fit, or the processes bring unequal batches.

    Source: SigLIP, arXiv:2303.15343, Algorithm 1 and section 3.3.
    """
    images, texts = check_vectors(images, texts, world)
    matched = scale * torch.linalg.vecdot(images, texts) + bias
    return world.mean((softplus_sum(images, texts, scale, bias, world) - matched.sum()) / len(images))
