"""Softmax loss where an image or video shows several classes and each text says one of them.

Shape legend: N images and M texts of this process, K labels an image at most, E embedding.
"""

import torch
from torch import Tensor

from seesay.base.errors import UsageError
from seesay.training.losses.check import check_vectors
from seesay.training.losses.logsumexps import logsumexps
from seesay.training.losses.world import ALONE, World

NONE = -1
"""Stands where an image has fewer labels than another."""


def labels_loss(
    images: Tensor,
    texts: Tensor,
    *,
    scale: Tensor,
    image_labels: Tensor,
    text_labels: Tensor,
    world: World = ALONE,
) -> Tensor:
    """Symmetric KL divergence from what should match to what the model says matches, with several labels an image.

        m_ij = 1 if the label of text j is one of image i's, else 0
        p_ij = m_ij / sum_j m_ij,  q_ij = m_ij / sum_i m_ij
        loss = 1/2 mean_i KL(p_i || softmax_j logits_ij) + 1/2 mean_j KL(q_j || softmax_i logits_ij)

    With one label an image it is `matching_loss`, whose groups cannot overlap as these do; N x M numbers are held.

    Args:
        images: (N, E) unit rows, of this process.
        texts: (M, E) unit rows.
        scale: () positive.
        image_labels: (N, K) int64, `NONE` where there are fewer.
        text_labels: (M,) int64.
        world: the processes that share the batch.

    Returns:
        () float32 or float64, in nats.

    Raises:
        UsageError: shapes do not fit, or an image has no text of any of its labels, or a text no image.

    Source: ActionCLIP, arXiv:2109.08472, whose groups of labels do not overlap.
    """
    images, texts = check_vectors(images, texts, world, is_paired=False)
    if image_labels.ndim != 2 or len(image_labels) != len(images) or text_labels.shape != texts.shape[:1]:
        got = f"{tuple(image_labels.shape)} and {tuple(text_labels.shape)}"
        raise UsageError(f"labels must be ({len(images)}, K) of images and ({len(texts)},) of texts; got {got}")
    all_texts = world.gather(texts)
    match_NM, of_image_N, of_text_M = _matches(images, image_labels, text_labels, world)
    rows, columns = logsumexps(images, all_texts, scale)
    columns = world.logsumexp(columns)
    # a text's distribution over all images is met in as many parts as there are processes
    share_NM = match_NM * (0.5 / (len(images) * of_image_N[:, None]) + 0.5 * world.size / (len(all_texts) * of_text_M))
    matched = torch.sum(share_NM * (images @ all_texts.T))
    entropy = (of_image_N.log().mean() + of_text_M.log().mean()) / 2
    return world.mean((rows.mean() + columns.mean()) / 2 - scale * matched - entropy)


def _matches(images: Tensor, image_labels: Tensor, text_labels: Tensor, world: World) -> tuple[Tensor, Tensor, Tensor]:
    """(N, M) what matches, (N,) texts of each image, and (M,) images of each text, of all processes' texts."""
    match_NM = (image_labels[:, :, None] == world.gather(text_labels)).any(dim=1).to(images)
    of_image_N, of_text_M = match_NM.sum(dim=1), match_NM.sum(dim=0)
    if world.group:
        world.sum_(of_text_M)
    for count, has, lacks in ((of_image_N, "an image", "text"), (of_text_M, "a text", "image")):
        if not count.all():
            raise UsageError(f"{has} has no {lacks} of its labels in the batch; give every one its own")
    return match_NM, of_image_N, of_text_M
