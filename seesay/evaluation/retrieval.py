"""Retrieval: of all texts, is one of an image's own among the nearest, and the other way round.

Shape legend: N images, M texts, E embedding.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seesay.base.errors import UsageError

_ROWS = 1024  # of the similarity matrix at a time, so that memory grows with N + M


def recall(
    images: NDArray[np.float32],
    texts: NDArray[np.float32],
    image_of_text: NDArray[np.int64],
    *,
    at: Sequence[int] = (1, 5, 10),
) -> dict[str, float]:
    """Recall at k in both directions.

    Args:
        images: (N, E) unit rows.
        texts: (M, E) unit rows.
        image_of_text: (M,) the row of the image that each text belongs to; every image has at least one text.
        at: the k's.

    Returns:
        "text_to_image_recall@k", the share of texts whose image is among the k nearest, and
        "image_to_text_recall@k", the share of images that have one of their texts among the k nearest. A tie counts
        against the right one, so that a constant encoder scores 0 and not 1.

    Raises:
        UsageError: shapes do not fit, or an image has no text.
    """
    if len(image_of_text) != len(texts) or set(np.unique(image_of_text).tolist()) != set(range(len(images))):
        raise UsageError(f"each of the {len(images)} images needs a text, and each of the {len(texts)} texts an image")
    if not (np.isfinite(images).all() and np.isfinite(texts).all()):
        raise UsageError("vectors must be numbers; the model made some that are not")
    best_rank_N = np.full(len(images), len(texts))
    rank_M = np.empty(len(texts), np.int64)
    for start in range(0, len(texts), _ROWS):
        owners = image_of_text[start : start + _ROWS]
        cosines = texts[start : start + _ROWS] @ images.T
        own = cosines[np.arange(len(owners)), owners]
        rank_M[start : start + _ROWS] = (cosines >= own[:, None]).sum(axis=1) - 1
    for start in range(0, len(images), _ROWS):
        cosines = images[start : start + _ROWS] @ texts.T
        is_own = image_of_text[None] == np.arange(start, start + len(cosines))[:, None]
        best = np.where(is_own, cosines, -np.inf).max(axis=1)
        best_rank_N[start : start + _ROWS] = ((cosines >= best[:, None]) & ~is_own).sum(axis=1)
    return {
        **{f"text_to_image_recall@{k}": float((rank_M < k).mean()) for k in at},
        **{f"image_to_text_recall@{k}": float((best_rank_N < k).mean()) for k in at},
    }
