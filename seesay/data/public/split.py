"""Which pairs are kept for measuring, so that none of their titles and none of their pictures is trained on.

A title's side hangs on the title alone (`titles.is_held_out`), so it is the same in every set, and sets can be trained
on together. Pictures that look alike under titles of both sides would be seen all the same: those of the held-out side
are dropped.

Shape legend: N pictures, K numbers of a look.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seesay.data.public.titles import is_held_out, title_key

_LOOK_PX = 12
_ALIKE = 5.0  # root mean square difference, of 255, below which two small pictures are one drawing; found by eye
_ROWS = 1024


class Pair(NamedTuple):
    """One picture of a set, as the manifests have it."""

    image: str
    captions: tuple[str, ...]
    group: str
    """The key of its title; all pictures of one title match its captions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """Pairs on their sides."""

    train: list[Pair]
    held_out: list[Pair]
    """One picture of each title, with the title as its only caption, so that recall means what it says."""
    num_dropped: int
    """On neither side: further pictures of a held-out title, and those that look like one that is trained on."""


def look_of(picture: Image.Image) -> NDArray[np.float32]:
    """(K,) what a picture looks like from far away."""
    small = picture.convert("RGB").resize((_LOOK_PX, _LOOK_PX), Image.Resampling.BOX, reducing_gap=2.0)
    return np.asarray(small, dtype=np.float32).ravel()


def split(pairs: Sequence[Pair], subjects: Sequence[str], looks: NDArray[np.float32], *, share: float) -> Split:
    """Put every pair on its side.

    Args:
        pairs: N, each with its title first among the captions.
        subjects: N, what each shows: those of one subject are on one side.
        looks: (N, K) from `look_of`.
        share: of the titles to hold out.
    """
    is_out = np.array([is_held_out(title_key(subject), share) for subject in subjects], dtype=bool)
    seen = _is_near(looks[is_out], looks[~is_out])
    train = [_without_held_out(pair, share) for pair, out in zip(pairs, is_out, strict=True) if not out]
    candidates = [pair for pair, out in zip(pairs, is_out, strict=True) if out]
    held_out: dict[str, Pair] = {}
    for pair, is_seen in zip(candidates, seen.tolist(), strict=True):
        # a title's own key may be trained on, as that of another subject
        if not is_seen and is_held_out(pair.group, share):
            held_out.setdefault(pair.group, pair._replace(captions=pair.captions[:1]))
    kept = list(held_out.values())
    train = [pair for pair in train if pair.captions]
    return Split(train=train, held_out=kept, num_dropped=len(pairs) - len(train) - len(kept))


def find_duplicates(looks: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(N,) whether an earlier picture has the very same look."""
    _, first = np.unique(looks, axis=0, return_index=True)
    is_duplicate = np.ones(len(looks), dtype=bool)
    is_duplicate[first] = False
    return is_duplicate


def _without_held_out(pair: Pair, share: float) -> Pair:
    """A training pair without captions that say what a held-out title says."""
    captions = tuple(caption for caption in pair.captions if not is_held_out(title_key(caption), share))
    return pair._replace(captions=captions)


def _is_near(looks: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(N,) whether a look is nearly that of any of the others."""
    near = np.zeros(len(looks), dtype=bool)
    if not len(others):
        return near
    squares = (others**2).sum(axis=1)
    limit = _ALIKE**2 * looks.shape[1]
    for start in range(0, len(looks), _ROWS):
        rows = looks[start : start + _ROWS]
        distances = (rows**2).sum(axis=1)[:, None] - 2 * rows @ others.T + squares
        near[start : start + _ROWS] = distances.min(axis=1) < limit
    return near
