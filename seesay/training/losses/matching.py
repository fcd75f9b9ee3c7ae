"""Softmax loss where several texts may be right for an image: same caption, same class, same picture.

Shape legend: N images and M texts of this process, G groups, E embedding, K relations.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from seesay.base.errors import UsageError
from seesay.training.losses.check import check_vectors
from seesay.training.losses.logsumexps import logsumexps
from seesay.training.losses.world import ALONE, World


def matching_loss(
    images: Tensor,
    texts: Tensor,
    *,
    scale: Tensor,
    image_groups: Tensor,
    text_groups: Tensor,
    weights: Sequence[float] = (1.0,),
    world: World = ALONE,
) -> Tensor:
    """Symmetric KL divergence from what should match to what the model says matches.

        p_ij = 1 / (number of texts in image i's group) where image i and text j share a group, else 0
        q_ij = the same, over the images of text j
        loss = 1/2 mean_i KL(p_i || softmax_j logits_ij) + 1/2 mean_j KL(q_j || softmax_i logits_ij)

    With one text for each image it is `softmax_loss`. N and M may differ: all captions of an image count when
    the batch brings them all. Soft targets are several relations at once, each with its weight: with columns
    (pair, class) and weights (0.9, 0.1) the loss is 0.9 times that of the pairs plus 0.1 times that of the classes.

    Args:
        images: (N, E) unit rows, of this process.
        texts: (M, E) unit rows.
        scale: () positive.
        image_groups: (N,) or (N, K) int64; image i and text j match where their numbers are equal.
        text_groups: (M,) or (M, K) int64.
        weights: K shares that sum to 1.
        world: the processes that share the batch; a group may reach over all of them.

    Returns:
        () float32 or float64, in nats; 0 when the model's distribution is the target's.

    Raises:
        UsageError: shapes or weights do not fit, or a group has images but no text, or texts but no image.

    Source: ActionCLIP, arXiv:2109.08472. Its code sends 0/1 labels through a softmax of 10 * label, which
    leaves a little mass on every negative; here negatives are exactly 0, and the mean is over rows, not times B.
    """
    images, texts = check_vectors(images, texts, world, is_paired=False)
    groups = _relations(image_groups, len(images), "image"), _relations(text_groups, len(texts), "text")
    if not groups[0].shape[1] == groups[1].shape[1] == len(weights) or abs(sum(weights) - 1) > 1e-6:
        got = f"{groups[0].shape[1]}, {groups[1].shape[1]} and {tuple(weights)}"
        raise UsageError(f"image_groups, text_groups and weights must have K columns, weights summing to 1; got {got}")
    all_texts = world.gather(texts)
    rows, columns = logsumexps(images, all_texts, scale)
    columns = world.logsumexp(columns)
    loss = (rows.mean() + columns.mean()) / 2
    every = world.gather(groups[0]), world.gather(groups[1])
    for relation, weight in enumerate(weights):
        own = groups[0][:, relation]
        matched, entropy = _targets(images, all_texts, own, every[0][:, relation], every[1][:, relation], world.size)
        loss = loss - weight * (scale * matched + entropy)
    return world.mean(loss)


def _relations(groups: Tensor, count: int, side: str) -> Tensor:
    """(count,) or (count, K) -> (count, K)."""
    if groups.ndim not in (1, 2) or len(groups) != count or groups.is_floating_point():
        got = f"{groups.dtype} {tuple(groups.shape)}"
        raise UsageError(f"{side}_groups must be whole numbers of shape ({count},) or ({count}, K); got {got}")
    return groups.reshape(count, -1)


def _targets(
    images: Tensor, all_texts: Tensor, own: Tensor, image_groups: Tensor, text_groups: Tensor, num_parts: int
) -> tuple[Tensor, Tensor]:
    """What the targets put on this process's cosines, and the targets' entropy, both as the loss weighs them.

    The targets are constant within a group, so their product with the cosines is one of group sums: linear
    in N + M, however many pairs match.

    Args:
        images: (N, E) of this process.
        all_texts: (M, E) of all processes.
        own: (N,) groups of this process's images.
        image_groups: groups of all processes' images.
        text_groups: (M,) groups of all processes' texts.
        num_parts: how many processes.
    """
    names, places = torch.cat([image_groups, text_groups]).unique(return_inverse=True)  # type: ignore[no-untyped-call]
    of_image, of_text = places[: len(image_groups)], places[len(image_groups) :]
    num_images_G, num_texts_G = of_image.bincount(minlength=len(names)), of_text.bincount(minlength=len(names))
    for count_G, has, lacks in ((num_texts_G, "images", "text"), (num_images_G, "texts", "image")):
        if not count_G.all():
            group = names[count_G == 0][0].item()
            raise UsageError(f"group {group} has {has} but no {lacks}; leave it out or give every group both")
    num_images_G, num_texts_G = num_images_G.to(images), num_texts_G.to(images)
    of_own = torch.searchsorted(names, own.contiguous())
    sums_GE = all_texts.new_zeros(len(names), all_texts.shape[1]).index_add(0, of_text, all_texts)
    # a text's distribution over all images is met in as many parts as there are processes
    share_G = 0.5 / (len(own) * num_texts_G) + 0.5 * num_parts / (len(all_texts) * num_images_G)
    matched = torch.linalg.vecdot(images, sums_GE[of_own]) @ share_G[of_own]
    entropy_G = num_texts_G.log(), num_images_G.log()
    return matched, (entropy_G[0][of_own].mean() + entropy_G[1][of_text].mean()) / 2
