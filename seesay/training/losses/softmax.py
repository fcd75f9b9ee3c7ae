"""The paper's loss: of all texts in the batch, which belongs to this image, and the other way round.

Shape legend: B pairs in this process, N pairs in all, E embedding.
"""

import torch
from torch import Tensor

from seesay.training.losses.check import check_vectors
from seesay.training.losses.logsumexps import logsumexps
from seesay.training.losses.world import ALONE, World


def softmax_loss(images: Tensor, texts: Tensor, *, scale: Tensor, world: World = ALONE) -> Tensor:
    """Symmetric cross-entropy over all N x N pairs of the global batch.

        logits_ij = scale * <image_i, text_j>
        loss = -1/2N * sum_i (log softmax_j logits_ij + log softmax_j logits_ji) at j = i

    Each process compares its own images with everybody's texts: together that is every pair once. Memory
    grows with N, because the logits are made and used tile by tile, twice.

    Args:
        images: (B, E) unit rows, of this process.
        texts: (B, E) unit rows; row i belongs to image i.
        scale: () positive; the paper starts at 1 / 0.07 and clamps at 100 (`clamp_scale`).
        world: the processes that share the batch, each with as many pairs.

    Returns:
        () float32 (float64 for float64), mean over pairs and directions, in nats; ln(N) where nothing is learned.
        The same on every process; for its gradients see `world.py`.

    Raises:
        UsageError: the shapes do not fit, or the processes bring unequal batches.

    Source: CLIP, arXiv:2103.00020, figure 3. There the logits are one matrix; the numbers are the same.
    """
    images, texts = check_vectors(images, texts, world)
    rows, columns = logsumexps(images, world.gather(texts), scale)
    columns = world.logsumexp(columns)
    matched = scale * torch.linalg.vecdot(images, texts)
    return world.mean((rows.mean() + columns.mean()) / 2 - matched.mean())
