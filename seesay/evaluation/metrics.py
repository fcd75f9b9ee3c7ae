"""The paper's metrics of a classifier, each with its interval: pure functions of scores and labels.

A tie is shared out: of the t classes that score the same, the right one gets what a fair draw among them would give
it. So an encoder that sees nothing gets exactly what chance gets, whatever the order of the classes.

Shape legend: N pictures, C classes.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seesay.base.errors import UsageError
from seesay.base.tables import resolve
from seesay.evaluation.measure import Measure, mean_of, statistic_of

Scores: TypeAlias = NDArray[np.floating]
Marks: TypeAlias = NDArray[np.bool_]

METRICS: dict[str, str] = {
    "accuracy": "seesay.evaluation.metrics:accuracy",
    "mean_per_class": "seesay.evaluation.metrics:mean_per_class",
    "mean_top1_top5": "seesay.evaluation.metrics:mean_top1_top5",
    "map_11_point": "seesay.evaluation.metrics:map_11_point",
    "mean_average_precision": "seesay.evaluation.metrics:mean_average_precision",
    "roc_auc": "seesay.evaluation.metrics:roc_auc",
}
"""Name -> function of `Judged`. `map_11_point` and `mean_average_precision` are of pictures with several labels."""


class Judged(NamedTuple):
    """What a metric looks at."""

    scores: Scores
    """(N, C) the higher, the more likely."""
    labels: NDArray[np.int64] | Marks
    """(N,) numbers of classes, or (N, C) marks."""
    unreadable: Marks
    """(N,) pictures that could not be read; each counts as wrong."""


def judge(scores: Scores, labels: NDArray[np.int64] | Marks, *, unreadable: Marks | None = None) -> Judged:
    """Check what every metric relies on.

    Args:
        scores: (N, C).
        labels: (N,) int or (N, C) bool.
        unreadable: (N,) pictures that could not be read; by default none.

    Raises:
        UsageError: shapes do not fit, a label is no class, a score is no number, or there is no picture.
    """
    if scores.ndim != 2 or not len(scores):
        raise UsageError(f"a metric needs one picture at least, as scores of shape (N, C); got {scores.shape}")
    if labels.dtype == np.bool_:
        if labels.shape != scores.shape:
            raise UsageError(f"labels of shape {labels.shape} do not fit scores of shape {scores.shape}")
    elif labels.shape != scores.shape[:1]:
        raise UsageError(f"there are {len(labels)} labels for {len(scores)} pictures")
    elif labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise UsageError(
            f"labels go from {labels.min()} to {labels.max()}, but there are {scores.shape[1]} classes, counted from 0"
        )
    if not np.isfinite(scores).all():
        raise UsageError("scores must be numbers; the model made some that are not")
    return Judged(scores, labels, np.zeros(len(scores), np.bool_) if unreadable is None else unreadable)


def measure_metric(name: str, judged: Judged) -> Measure:
    """The metric of that name.

    Raises:
        UnknownNameError: there is none.
        UsageError: it is of another kind of labels.
    """
    metric: Callable[[Judged], Measure] = resolve(METRICS, name, kind="metric")
    return metric(judged)


def top(judged: Judged, k: int) -> NDArray[np.float64]:
    """(N,) of each picture 1 if its class is among the k that score highest, 0 if not, a share if it is tied there.

    Raises:
        UsageError: pictures have several labels.
    """
    labels = _single(judged)
    own_N1 = judged.scores[np.arange(len(labels)), labels][:, None]
    num_above_N = (judged.scores > own_N1).sum(axis=1)
    num_tied_N = (judged.scores == own_N1).sum(axis=1)  # with itself
    return np.where(judged.unreadable, 0.0, np.clip((k - num_above_N) / num_tied_N, 0.0, 1.0))


def accuracy(judged: Judged, *, k: int = 1) -> Measure:
    """The share of pictures whose class scores highest, or is among the k highest."""
    num_classes = judged.scores.shape[1]
    name = "accuracy" if k == 1 else f"top{k}_accuracy"
    return mean_of(name, top(judged, k), chance=min(1.0, k / num_classes))


def mean_per_class(judged: Judged) -> Measure:
    """The mean over classes of each class's accuracy, so that a rare one counts as much as a common one.

    Raises:
        UsageError: a class has no picture.
    """
    labels, hits_N = _single(judged), top(judged, 1)
    num_classes = judged.scores.shape[1]
    present = np.unique(labels)
    if len(present) < num_classes:
        missing = np.setdiff1d(np.arange(num_classes), present)
        raise UsageError(
            f"the mean over classes needs a picture of each: {len(missing)} of {num_classes} have none, the first is "
            f"class {missing[0]}"
        )

    def statistic(drawn: NDArray[np.int64]) -> float:
        counts_C = np.bincount(labels[drawn], minlength=num_classes)
        hits_C = np.bincount(labels[drawn], weights=hits_N[drawn], minlength=num_classes)
        # a draw without one of the classes still has a mean over the others
        return float((hits_C[counts_C > 0] / counts_C[counts_C > 0]).mean())

    return statistic_of("mean_per_class", statistic, len(labels), chance=1 / num_classes)


def mean_top1_top5(judged: Judged) -> Measure:
    """The mean of top-1 and top-5 accuracy (Kinetics)."""
    num_classes = judged.scores.shape[1]
    scores_N = (top(judged, 1) + top(judged, 5)) / 2
    return mean_of("mean_top1_top5", scores_N, chance=(1 / num_classes + min(1.0, 5 / num_classes)) / 2)


def roc_auc(judged: Judged) -> Measure:
    """Area under the curve of the second of two classes (Hateful Memes); a tie counts half.

    Raises:
        UsageError: not two classes, or one has no picture.
    """
    labels = _single(judged)
    if judged.scores.shape[1] != 2:
        raise UsageError(f"ROC AUC is of two classes, there are {judged.scores.shape[1]}")
    is_second_N = labels == 1
    if is_second_N.all() or not is_second_N.any():
        raise UsageError("ROC AUC needs pictures of both classes; there are of one only")
    margin_N = judged.scores[:, 1].astype(np.float64) - judged.scores[:, 0]
    # what could not be read is below every other where it should be above, and the other way round
    margin_N[judged.unreadable] = np.where(is_second_N[judged.unreadable], -np.inf, np.inf)
    level_N = np.unique(margin_N, return_inverse=True)[1]

    def statistic(drawn: NDArray[np.int64]) -> float:
        num_levels = level_N.max() + 1
        second = np.bincount(level_N[drawn[is_second_N[drawn]]], minlength=num_levels)
        first = np.bincount(level_N[drawn[~is_second_N[drawn]]], minlength=num_levels)
        if not second.any() or not first.any():
            return float("nan")
        below = np.cumsum(first) - first / 2
        return float((second * below).sum() / (second.sum() * first.sum()))

    return statistic_of("roc_auc", statistic, len(labels), chance=0.5)


def map_11_point(judged: Judged) -> Measure:
    """Mean over classes of the 11-point average precision, as VOC 2007 has it.

    Of each recall 0, 0.1, ..., 1 the best precision at that recall or more, averaged. Source: Everingham et al., The
    PASCAL Visual Object Classes Challenge, IJCV 2010, section 4.2.1.
    """
    return _mean_precision("map_11_point", judged, _eleven_points)


def mean_average_precision(judged: Judged) -> Measure:
    """Mean over classes of the average precision: the precision at each right picture, averaged."""
    return _mean_precision("mean_average_precision", judged, _every_point)


Curve: TypeAlias = Callable[[NDArray[np.float64], NDArray[np.float64]], float]
"""(true positives, all that came until then) at each distinct score, from the highest down -> the precision."""


def _mean_precision(name: str, judged: Judged, average: Curve) -> Measure:
    if judged.labels.dtype != np.bool_:
        raise UsageError(f"{name} is of pictures with several labels, these have one each; use accuracy")
    marks_NC = judged.labels.astype(np.bool_)
    empty = np.flatnonzero(~marks_NC.any(axis=0))
    if len(empty):
        raise UsageError(
            f"{name} needs a picture of each class: {len(empty)} of {marks_NC.shape[1]} have none, the first is class "
            f"{empty[0]}"
        )
    scores_NC = judged.scores.astype(np.float64)
    # an unreadable picture comes last where it should come, and first where it should not
    scores_NC[judged.unreadable] = np.where(marks_NC[judged.unreadable], -np.inf, np.inf)
    ranked = [_rank(scores_NC[:, number], marks_NC[:, number]) for number in range(scores_NC.shape[1])]

    def statistic(drawn: NDArray[np.int64]) -> float:
        counts_N = np.bincount(drawn, minlength=len(scores_NC)).astype(np.float64)
        found = [average(*_cumulate(counts_N, one)) for one in ranked if (counts_N * one.is_right).any()]
        return float(np.mean(found)) if found else float("nan")

    # what chance gets: right pictures lie anywhere, so that every precision is their share
    chance = float(marks_NC.mean())
    return statistic_of(name, statistic, len(scores_NC), chance=chance)


class _Ranked(NamedTuple):
    """One class's pictures from the highest score down."""

    order: NDArray[np.intp]
    is_right: Marks
    """(N,) in the pictures' own order."""
    ends: NDArray[np.intp]
    """Places in the order where a run of equal scores ends: within a run there is no order."""


def _rank(scores_N: NDArray[np.float64], is_right_N: Marks) -> _Ranked:
    order_N = np.argsort(-scores_N, kind="stable")
    ordered = scores_N[order_N]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    return _Ranked(order_N, is_right_N, ends)


def _cumulate(counts_N: NDArray[np.float64], one: _Ranked) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    weights = counts_N[one.order]
    right = np.cumsum(weights * one.is_right[one.order])[one.ends]
    return right, np.cumsum(weights)[one.ends]


def _eleven_points(right: NDArray[np.float64], seen: NDArray[np.float64]) -> float:
    precision = right / np.maximum(seen, 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    recall = right / right[-1]
    # 1e-9: 3 of 10 shall be at a recall of 0.3
    places = np.searchsorted(recall, np.linspace(0, 1, 11) - 1e-9)
    return float(best_from_here[places].mean())


def _every_point(right: NDArray[np.float64], seen: NDArray[np.float64]) -> float:
    steps = np.diff(right, prepend=0.0) / right[-1]
    return float((steps * right / np.maximum(seen, 1)).sum())


def _single(judged: Judged) -> NDArray[np.int64]:
    if judged.labels.dtype == np.bool_:
        raise UsageError("this metric is of pictures with one label each, these have several; use map_11_point")
    return judged.labels.astype(np.int64)
