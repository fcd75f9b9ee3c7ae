"""Temporal localisation: average precision of segments that overlap enough with what really happens.

Pure functions of segments; no video and no encoder is known here.

Shape legend: C labels, K thresholds.

Source: ActivityNet's evaluation (eval_detection.py): predictions by falling score, each matched to the unmatched truth
of its label in its video that it overlaps most; precision made falling, averaged over recall; mean over labels.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seesay.base.errors import UsageError

THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)
"""Overlaps (intersection over union) from which a segment counts as found."""


class Happening(NamedTuple):
    """What happens when in which video."""

    video: str
    label: str
    start_s: float
    end_s: float


class Predicted(NamedTuple):
    """What was said to happen, and how surely."""

    video: str
    label: str
    start_s: float
    end_s: float
    score: float


class Localization(NamedTuple):
    """How well segments were found."""

    mean_average_precision: Mapping[float, float]
    """By threshold, the mean over labels."""
    average: float
    """The mean over thresholds."""
    by_label: Mapping[str, Mapping[float, float]]
    """Label -> threshold -> average precision."""


def localization(
    truth: Sequence[Happening], predicted: Sequence[Predicted], *, thresholds: Sequence[float] = THRESHOLDS
) -> Localization:
    """Average precision at several overlaps.

    Args:
        truth: everything that happens; its labels are those that are averaged over.
        predicted: segments in any order; of labels that never happen they are left out.
        thresholds: K overlaps above 0.

    Raises:
        UsageError: nothing happens, a segment ends before it begins, or a threshold is none.
    """
    if not truth:
        raise UsageError("average precision needs one true segment at least")
    if not thresholds or min(thresholds) <= 0 or max(thresholds) > 1:
        raise UsageError(f"thresholds of overlap are above 0 and at most 1; got {tuple(thresholds)}")
    spans = [(one.start_s, one.end_s) for one in truth] + [(one.start_s, one.end_s) for one in predicted]
    if wrong := next((span for span in spans if not span[1] >= span[0]), None):
        raise UsageError(f"a segment ends before it begins: {wrong[0]} to {wrong[1]} s")
    labels = list(dict.fromkeys(one.label for one in truth))
    by_label = {
        label: _of_label(
            [one for one in truth if one.label == label], [one for one in predicted if one.label == label], thresholds
        )
        for label in labels
    }
    means = {each: float(np.mean([found[each] for found in by_label.values()])) for each in thresholds}
    return Localization(means, float(np.mean(list(means.values()))), by_label)


def overlaps(
    first: tuple[float, float], others: Sequence[tuple[float, float]] | NDArray[np.float64]
) -> NDArray[np.float64]:
    """Intersection over union of a span with others.

    Args:
        first: start and end.
        others: (n, 2) starts and ends.

    Returns:
        (n,) 0 to 1.
    """
    rows = np.asarray(others, np.float64).reshape(-1, 2)
    shared = np.minimum(first[1], rows[:, 1]) - np.maximum(first[0], rows[:, 0])
    covered = np.maximum(first[1], rows[:, 1]) - np.minimum(first[0], rows[:, 0])
    return np.asarray(np.clip(shared, 0, None) / np.where(covered > 0, covered, 1.0), np.float64)


def _of_label(
    truth: Sequence[Happening], predicted: Sequence[Predicted], thresholds: Sequence[float]
) -> dict[float, float]:
    order = sorted(predicted, key=lambda one: -one.score)
    spans: dict[str, list[tuple[float, float]]] = {}
    for one in truth:
        spans.setdefault(one.video, []).append((one.start_s, one.end_s))
    return {each: _precision(_hits(order, spans, each), len(truth)) for each in thresholds}


def _hits(
    order: Sequence[Predicted], spans: Mapping[str, list[tuple[float, float]]], threshold: float
) -> NDArray[np.bool_]:
    """Of each prediction whether it finds a truth that none before it has found."""
    is_left = {video: np.ones(len(some), np.bool_) for video, some in spans.items()}
    hits = np.zeros(len(order), np.bool_)
    for place, one in enumerate(order):
        if one.video not in spans:
            continue
        found = overlaps((one.start_s, one.end_s), spans[one.video])
        found[~is_left[one.video]] = -1.0
        best = int(found.argmax())
        if found[best] >= threshold:
            is_left[one.video][best] = False
            hits[place] = True
    return hits


def _precision(hits: NDArray[np.bool_], num_true: int) -> float:
    """Area under the curve of precision over recall, the precision at a recall being the best from there on."""
    right = np.cumsum(hits)
    precision = right / np.arange(1, len(hits) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    return float(falling[hits].sum() / num_true)
