"""Retrieval: of all texts, is one of an image's own among the nearest, and the other way round.

One pass over blocks of the similarity matrix counts both directions, so that memory grows with N + M and a million
images against a million texts need little more than their vectors. Knows no encoder and no dataset format.

Shape legend: N images, M texts, E embedding, B entries looked at again.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seesay.base.errors import UsageError
from seesay.evaluation.measure import Result, mean_of
from seesay.evaluation.view import View

_BLOCK = 2048  # rows and columns of the similarity matrix at a time: 16 MB in float32
_TIE = 1e-12  # float64 cosines of equal vectors differ by less, of different float32 vectors hardly ever
_CROWDED = 64  # a block where one entry in so many is too close to tell is multiplied again in float64

Counts: TypeAlias = NDArray[np.int64]


def retrieval(view: View, *, at: Sequence[int] = (1, 5, 10)) -> Result:
    """Recall at k in both directions, of a dataset with captions.

    Ties are shared out as a fair draw would, so that a constant encoder gets chance. The intervals draw texts (or
    images) one by one; that several captions of one image go together makes those of the texts a little narrow.

    Args:
        view: its dataset has captions.
        at: the k's.

    Returns:
        "text_to_image_recall@k" with a score for each text, then "image_to_text_recall@k" with a score for each image.
        Details: "text_rank" (M,) and "image_rank" (N,), how many wrong ones are at least as near as the right one.

    Raises:
        UsageError: the dataset has no captions, or the vectors do not fit them.
    """
    captions = view.dataset.captions
    if captions is None:
        raise UsageError(f"{view.dataset.name} has no captions, and retrieval needs them")
    images, owners = view.images(), captions.image_of_text
    found = ranks(images, view.texts(captions.texts), owners)
    readable = np.asarray(images.any(axis=1))  # a picture that could not be read is never found
    nothing = Places(np.zeros_like(owners), np.full(len(owners), len(images) - 1), np.ones_like(owners))
    own = np.bincount(owners)
    nothing_N = Places(np.zeros_like(own), len(owners) - own, own)
    measures = [
        mean_of(
            f"text_to_image_recall@{k}", hits(found.text, k) * readable[owners], chance=float(hits(nothing, k).mean())
        )
        for k in at
    ]
    measures += [
        mean_of(f"image_to_text_recall@{k}", hits(found.image, k) * readable, chance=float(hits(nothing_N, k).mean()))
        for k in at
    ]
    return Result(
        task="retrieval",
        dataset=view.dataset.name,
        encoder=view.encoder,
        measures=tuple(measures),
        details={"text_rank": found.text.worst, "image_rank": found.image.worst},
    )


def recall(
    images: NDArray[np.float32],
    texts: NDArray[np.float32],
    image_of_text: Counts,
    *,
    at: Sequence[int] = (1, 5, 10),
) -> dict[str, float]:
    """Recall at k in both directions.

    CLIP_benchmark counts the same two shares (its `image_retrieval_recall@k` is text to image, over texts; its
    `text_retrieval_recall@k` is image to text, over images, a hit where any of an image's texts is among the k). It
    differs in two cases only: of equal cosines it keeps whichever `torch.topk` puts first, so that a constant encoder
    may score 1; and it fails where k is larger than the number of candidates, for which the share here is 1.

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
        UsageError: shapes do not fit, an image has no text, or a vector holds something that is no number.
    """
    found = ranks(images, texts, image_of_text)
    return {
        **{f"text_to_image_recall@{k}": float((found.text.worst < k).mean()) for k in at},
        **{f"image_to_text_recall@{k}": float((found.image.worst < k).mean()) for k in at},
    }


class Places(NamedTuple):
    """Of each query, what stands before and beside the nearest of its right ones."""

    before: Counts
    """Wrong ones that are nearer."""
    tied: Counts
    """Wrong ones that are as near."""
    own: Counts
    """Right ones there, 1 at least: an image may have the same caption twice."""

    @property
    def worst(self) -> Counts:
        """Wrong ones at least as near: 0 is a hit at 1, however ties fall."""
        return self.before + self.tied


class Ranks(NamedTuple):
    """Both directions."""

    text: Places
    """(M,) of each text among all images."""
    image: Places
    """(N,) of each image among all texts."""


def hits(places: Places, k: int) -> NDArray[np.float64]:
    """Of each query, how likely one of its right ones is among the k nearest if ties are drawn in any order."""
    left = k - places.before
    missed = np.ones(len(left))
    wrong, all_tied = places.tied.astype(np.float64), (places.tied + places.own).astype(np.float64)
    for drawn in range(min(k, int(all_tied.max()))):  # one after the other, without putting back
        share = np.maximum(wrong - drawn, 0) / np.maximum(all_tied - drawn, 1)
        missed = np.where(drawn < left, missed * share, missed)
    return 1 - missed


def ranks(
    images: NDArray[np.float32], texts: NDArray[np.float32], image_of_text: Counts, *, block: int = _BLOCK
) -> Ranks:
    """Where the right ones stand.

    Blocks are multiplied in float32. An entry that rounding could put on either side of the right one's cosine is
    looked at again in float64, so that the answer depends neither on the blocks nor on the BLAS.

    Args:
        images: (N, E) unit rows; may be mapped from a file.
        texts: (M, E) unit rows; likewise.
        image_of_text: (M,) the row of the image that each text belongs to; every image has at least one text.
        block: rows and columns at a time. Memory beyond the arguments: at most about 20 * block * (block + E) +
            100 * (N + M) bytes.

    Raises:
        UsageError: shapes do not fit, an image has no text, or a vector holds something that is no number.
    """
    _check(images, texts, image_of_text, block)
    own_M = np.concatenate([_cosines(texts[part], images[image_of_text[part]]) for part in _parts(len(texts), block)])
    best_N = np.full(len(images), -np.inf)
    np.maximum.at(best_N, image_of_text, own_M)
    num_own_N = np.bincount(image_of_text[own_M >= best_N[image_of_text] - _TIE], minlength=len(images))
    text_2M, image_2N = np.zeros((2, len(texts)), np.int64), np.zeros((2, len(images)), np.int64)
    for rows in _parts(len(texts), block):
        for columns in _parts(len(images), block):
            by_text, by_image = _count(texts[rows], images[columns], own_M[rows], best_N[columns])
            text_2M[:, rows] += by_text
            image_2N[:, columns] += by_image
    num_own_M = np.ones(len(texts), np.int64)
    return Ranks(
        Places(text_2M[0], text_2M[1] - text_2M[0] - num_own_M, num_own_M),
        Places(image_2N[0], image_2N[1] - image_2N[0] - num_own_N, num_own_N),
    )


def _count(
    texts: NDArray[np.float32], images: NDArray[np.float32], own_M: NDArray[np.float64], best_N: NDArray[np.float64]
) -> tuple[Counts, Counts]:
    """Of each text (2, M) images above its own cosine, and at or above; of each image (2, N) texts likewise."""
    cosines = texts @ images.T
    # the classic bound of a float32 dot product of unit rows, and the rounding of the two ends themselves
    margin = (texts.shape[1] + 4) * 2.0**-24
    low_M, high_M = (own_M - margin).astype(np.float32), (own_M + margin).astype(np.float32)
    low_N, high_N = (best_N - margin).astype(np.float32), (best_N + margin).astype(np.float32)
    close_text = (cosines >= low_M[:, None]) & (cosines <= high_M[:, None])
    close_image = (cosines >= low_N) & (cosines <= high_N)
    if (np.count_nonzero(close_text) + np.count_nonzero(close_image)) * _CROWDED > cosines.size:
        exact = texts.astype(np.float64) @ images.astype(np.float64).T
        rows = [_in_rows(exact > own_M[:, None] + _TIE), _in_rows(exact >= own_M[:, None] - _TIE)]
        return np.stack(rows), np.stack([_in_columns(exact > best_N + _TIE), _in_columns(exact >= best_N - _TIE)])
    by_text = np.tile(_in_rows(cosines > high_M[:, None]), (2, 1))
    by_image = np.tile(_in_columns(cosines > high_N), (2, 1))
    for rows_B, columns_B in _entries(close_text):
        _add(by_text, rows_B, _cosines(texts[rows_B], images[columns_B]), own_M)
    for rows_B, columns_B in _entries(close_image):
        _add(by_image, columns_B, _cosines(texts[rows_B], images[columns_B]), best_N)
    return by_text, by_image


def _entries(mask: NDArray[np.bool_]) -> Iterator[tuple[Counts, Counts]]:
    flat = np.flatnonzero(mask)  # far faster than nonzero of two dimensions
    return (np.divmod(flat[part], mask.shape[1]) for part in _parts(len(flat), len(mask)))


def _add(counts: Counts, places: Counts, exact: NDArray[np.float64], bars: NDArray[np.float64]) -> None:
    counts[0] += np.bincount(places[exact > bars[places] + _TIE], minlength=len(bars))
    counts[1] += np.bincount(places[exact >= bars[places] - _TIE], minlength=len(bars))


def _in_rows(mask: NDArray[np.bool_]) -> Counts:
    # five times as fast as mask.sum(axis=1), which converts every entry to an integer first
    return np.array([np.count_nonzero(row) for row in mask], np.int64)


def _in_columns(mask: NDArray[np.bool_]) -> Counts:
    # likewise: bytes are added up many at a time, and 65535 rows fit into two of them
    counts: Counts = mask.view(np.uint8).sum(axis=0, dtype=np.uint16).astype(np.int64)
    return counts


def _cosines(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Row by row."""
    found: NDArray[np.float64] = np.einsum("be,be->b", one.astype(np.float64), other.astype(np.float64))
    return found


def _parts(num: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, num)) for start in range(0, num, size))


def _check(images: NDArray[np.float32], texts: NDArray[np.float32], image_of_text: Counts, block: int) -> None:
    if not 0 < block < 1 << 16:
        raise UsageError(f"a block has 1 to 65535 rows, not {block}")
    if images.ndim != 2 or texts.ndim != 2 or images.shape[1] != texts.shape[1]:
        raise UsageError(f"images are (N, E) and texts (M, E), not {images.shape} and {texts.shape}")
    fits = len(image_of_text) == len(texts) > 0 and 0 <= image_of_text.min() <= image_of_text.max() < len(images)
    if not fits or not np.bincount(image_of_text, minlength=len(images)).all():
        raise UsageError(f"each of the {len(images)} images needs a text, and each of the {len(texts)} texts an image")
    for rows in (images, texts):
        if not all(np.isfinite(rows[part]).all() for part in _parts(len(rows), block)):
            raise UsageError("vectors must be numbers; the model made some that are not")
