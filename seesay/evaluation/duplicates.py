"""Near-duplicates between two sets of pictures: the same photograph, scaled, recompressed, cropped a little, mirrored.

What could be a copy is named by an encoder's vectors and by a perceptual hash, each on its own; what is one, the hash
decides. So any encoder will do, also one that finds two dogs on grass alike. The hash names candidates too because the
encoder is often the one that is being tested: copies that it alone would miss are those that it sees badly, and leaving
these among the clean pictures would make the overlap seem to help.

Shape legend: N test pictures, T training pictures, K neighbours, E embedding.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seesay.base.errors import InputError, UsageError
from seesay.evaluation.dataset import Pictures
from seesay.inputs.pictures import open_picture

_BLOCK = 2048  # rows and columns of the similarity matrix at a time
_SIDE, _WAVES = 64, 16  # pixels that a picture is shrunk to, and how many frequencies each way are looked at


@dataclass(frozen=True, kw_only=True, slots=True)
class DuplicateConfig:
    """When two pictures count as the same.

    The defaults were set on 1,000 ImageNet photographs and copies of them, with the starter's vectors: of scaled,
    recompressed, brightened, grey and mirrored copies 99 in 100 differ in less than 12 % of the bits, of copies cropped
    to 90 % nine in ten in less than 37 %, and no two different photographs in less than 32 %, or less than 40 % if they
    are nearest neighbours. Pictures with little in them are more alike; look at the pairs before you believe.
    """

    neighbours: int = 3
    """How many of the nearest training pictures are looked at; of altered copies the original was among 3 in 99.9 %."""
    sure_bits: float = 0.2
    """Share of the bits in which two pictures may differ to be the same whatever the encoder says."""
    cosine: float = 0.85
    """From this on, the encoder's word allows for more:"""
    close_bits: float = 0.38
    """Share of the bits then."""


class Pair(NamedTuple):
    """Two pictures that are the same."""

    test: int
    train: int
    cosine: float
    bits: float
    """Share of the hash's bits that differ."""


def find_duplicates(
    test: tuple[Pictures, NDArray[np.float32]],
    train: tuple[Pictures, NDArray[np.float32]],
    config: DuplicateConfig | None = None,
) -> list[Pair]:
    """Of each test picture the training picture that it is a copy of, if there is one.

    Args:
        test: N pictures and their (N, E) unit rows.
        train: T pictures and their (T, E) unit rows.
        config: when two pictures are the same.

    Returns:
        At most one pair a test picture, the one that differs in the fewest bits, in their order. A picture that cannot
        be read is no copy. Every picture is opened once, at a reduced size; memory takes some 2 KB a picture.

    Raises:
        UsageError: the vectors do not fit the pictures or each other.
    """
    config = config or DuplicateConfig()
    for pictures, vectors in (test, train):
        if len(pictures) != len(vectors):
            raise UsageError(f"there are {len(vectors)} vectors for {len(pictures)} pictures")
    test_numbers, test_bits = _hash_all(test[0])
    train_numbers, train_bits = _hash_all(train[0])
    if not len(test_numbers) or not len(train_numbers):
        return []
    by_vector = nearest(test[1][test_numbers], train[1][train_numbers], config.neighbours)[1]
    signs = _signs(train_bits[:, 0])
    by_hash = [nearest(_signs(test_bits[:, side]), signs, 1)[1] for side in (0, 1)]
    found = []
    for row, candidates in enumerate(np.concatenate([by_vector, *by_hash], axis=1)):
        number = int(test_numbers[row])
        pairs = []
        for place in dict.fromkeys(map(int, candidates)):
            other = int(train_numbers[place])
            cosine = float(test[1][number] @ train[1][other])
            pairs.append(Pair(number, other, cosine, differing_bits(test_bits[row], train_bits[place])))
        pair = min(pairs, key=lambda pair: (pair.bits, -pair.cosine))
        if pair.bits <= (config.close_bits if pair.cosine >= config.cosine else config.sure_bits):
            found.append(pair)
    return found


def nearest(
    queries: NDArray[np.float32], rows: NDArray[np.float32], num: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The nearest rows of each query, block by block: memory grows with N, not with N times T.

    Args:
        queries: (N, E) unit rows.
        rows: (T, E) unit rows; may be mapped from a file.
        num: K, at most T are found.

    Returns:
        (N, K) cosines, the highest first, and (N, K) numbers of the rows.

    Raises:
        UsageError: shapes do not fit, or a vector holds something that is no number.
    """
    if queries.ndim != 2 or rows.ndim != 2 or queries.shape[1] != rows.shape[1] or not len(rows) or num < 1:
        raise UsageError(
            f"vectors are (N, E) and (T, E), and of {num} neighbours; got {queries.shape} and {rows.shape}"
        )
    num = min(num, len(rows))
    cosines_NK = np.full((len(queries), num), -np.inf, np.float32)
    numbers_NK = np.zeros((len(queries), num), np.int64)
    for row in range(0, len(rows), _BLOCK):
        block = rows[row : row + _BLOCK]
        for query in range(0, len(queries), _BLOCK):
            kept_cosines, kept_numbers = cosines_NK[query : query + _BLOCK], numbers_NK[query : query + _BLOCK]
            cosines = queries[query : query + _BLOCK] @ block.T
            if not np.isfinite(cosines).all():
                raise UsageError("vectors must be numbers; the model made some that are not")
            better = np.flatnonzero(cosines.max(axis=1) > kept_cosines[:, -1])  # few, after the first blocks
            of_both = np.concatenate([kept_cosines[better], cosines[better]], axis=1)
            best = np.argsort(-of_both, axis=1, kind="stable")[:, :num]
            numbers = np.concatenate(
                [kept_numbers[better], np.broadcast_to(np.arange(row, row + len(block)), (len(better), len(block)))],
                axis=1,
            )
            kept_cosines[better] = np.take_along_axis(of_both, best, axis=1)
            kept_numbers[better] = np.take_along_axis(numbers, best, axis=1)
    return cosines_NK, numbers_NK


def perceptual_hash(picture: Image.Image) -> NDArray[np.bool_]:
    """What a picture looks like from afar, and in a mirror.

    It is made grey and 64 pixels wide and high, whatever its shape; of its cosine transform the lowest 16 frequencies
    each way are kept, and a bit says which of them are above the median. The constant one is left out, so that
    brightness and contrast change nothing.

    Returns:
        (2, 255) bits: of the picture and of its mirror image.
    """
    grey = np.asarray(picture.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX), np.float64)
    waves = np.cos(np.pi * np.arange(_WAVES)[:, None] * (2 * np.arange(_SIDE) + 1) / (2 * _SIDE))
    parts = waves @ grey @ waves.T
    mirrored = parts * np.where(np.arange(_WAVES) % 2, -1, 1)  # odd waves turn round in a mirror
    both = np.stack([parts.ravel()[1:], mirrored.ravel()[1:]])
    return both > np.median(both, axis=1, keepdims=True)


def differing_bits(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """The share of bits in which two hashes differ, the second picture as it is or mirrored, whichever is nearer."""
    return float((one[0] != other).mean(axis=1).min())


def _hash_all(pictures: Pictures) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Numbers of the n pictures that can be read, and their (n, 2, 255) bits."""

    def read(number: int) -> NDArray[np.bool_] | None:
        try:
            return perceptual_hash(open_picture(pictures[number], target_px=_SIDE))
        except InputError:
            return None

    with ThreadPoolExecutor() as pool:
        read_ones = [
            (number, bits) for number, bits in enumerate(pool.map(read, range(len(pictures)))) if bits is not None
        ]
    numbers = np.array([number for number, _ in read_ones], np.int64)
    return numbers, np.array([bits for _, bits in read_ones], np.bool_).reshape(-1, 2, _WAVES * _WAVES - 1)


def _signs(bits: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Unit rows whose cosine says how many bits agree."""
    return (bits.astype(np.float32) * 2 - 1) / np.float32(np.sqrt(bits.shape[1]))
