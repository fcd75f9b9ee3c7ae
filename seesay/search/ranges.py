"""From the scores of a video's moments to ranges: where what was asked for begins and ends.

Arrays in, numbers out; it knows no store and no model. Shape legend: N items, M moments.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seesay.search.rows import Moments

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A video's moments in the order of time, each with its best item: the whole frame or one of its tiles.

    Attributes:
        start_s, end_s: (M,) seconds.
        scores: (M,) of the best item.
        best: (M,) the row of that item in the `Moments` that this was made from.
    """

    start_s: Numbers
    end_s: Numbers
    scores: Numbers
    best: NDArray[np.int64]

    @classmethod
    def of(cls, moments: Moments, scores: NDArray[np.float32]) -> "Timeline":
        """Put items of the same time together.

        Args:
            moments: N items in the order of time.
            scores: (N,) theirs.
        """
        begins = np.flatnonzero(np.diff(moments.start_s, prepend=-1.0))
        of_moment = np.searchsorted(begins, np.arange(len(scores)), side="right") - 1
        order = np.lexsort((-scores, of_moment))
        best = order[begins]  # each moment's items stay in its own places, the best one first
        return cls(
            start_s=moments.start_s[best], end_s=moments.end_s[best], scores=scores[best].astype(np.float64), best=best
        )


def grow(scores: Numbers, peak: int, *, spread: float, free: NDArray[np.bool_]) -> tuple[int, int]:
    """The run of moments around a peak that belong to it: (first, last).

    Moments belong as long as their score is nearer to the peak's than to what is usual in this video (half-way,
    as a peak's width is measured everywhere), or differs from the peak's by less than scores usually differ over the
    whole library: a video that shows the same thing from beginning to end is one hit, not twenty. One moment that
    falls out between two that belong is a blink, and is passed over.

    Args:
        scores: (M,) of a video.
        peak: the moment to begin with.
        spread: standard deviation of the query's scores over the library.
        free: (M,) moments that no other hit has taken.
    """
    usual = float(np.median(scores))
    drop = max((float(scores[peak]) - usual) / 2, spread)
    taken = np.flatnonzero(~free)
    low = int(taken[taken < peak].max(initial=-1)) + 1
    high = int(taken[taken > peak].min(initial=len(scores)))
    belongs = scores >= scores[peak] - drop
    return peak - _length(belongs[low:peak][::-1]), peak + _length(belongs[peak + 1 : high])


def slopes(scores: Numbers, first: int, last: int) -> tuple[int, int]:
    """A run and what falls away from it on both sides: a moment there is no find of its own."""
    while first > 0 and scores[first - 1] <= scores[first]:
        first -= 1
    while last + 1 < len(scores) and scores[last + 1] <= scores[last]:
        last += 1
    return first, last


def _length(belongs: NDArray[np.bool_]) -> int:
    """How far a run goes, with gaps of one passed over; it ends with a moment that belongs."""
    gaps = np.flatnonzero(~belongs[:-1] & ~belongs[1:])
    end = int(gaps[0]) if len(gaps) else len(belongs)
    inside = np.flatnonzero(belongs[:end])
    return int(inside[-1]) + 1 if len(inside) else 0
