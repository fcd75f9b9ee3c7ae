"""Overlap: how much of a test set was in the training data, and what that did to the accuracy.

The report is the paper's: accuracy on all of the test set, on the part without near-duplicates (clean) and on the
part with them; the difference that they make; how likely so many right answers would be on the overlap if it were
no easier than the rest; and an exact interval of the accuracy on the overlap. Source: CLIP, arXiv:2103.00020, section
5 and its appendix on duplicate detection.

Unlike the paper's, the detector asks for agreement of two kinds of evidence instead of a threshold set by hand for
each dataset; what it found is listed, to be looked at.

Shape legend: N test pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seesay.base.errors import UsageError
from seesay.evaluation.binomial import clopper_pearson, share_of, upper_tail
from seesay.evaluation.duplicates import DuplicateConfig, Pair, find_duplicates
from seesay.evaluation.measure import Measure, Result, function_of, mean_of, statistic_of
from seesay.evaluation.prompts import Prompts
from seesay.evaluation.view import View
from seesay.evaluation.zeroshot import zeroshot

CONFIDENCE = 0.995
"""Of the interval of the accuracy on the overlap, as the paper has it."""


def overlap(
    views: Sequence[View], *, prompts: Prompts | None = None, duplicates: DuplicateConfig | None = None
) -> Result:
    """Look for a training set's pictures in test sets.

    Args:
        views: one encoder's; first the training data, then one or more test sets.
        prompts: other templates than the datasets' own.
        duplicates: when two pictures are the same.

    Returns:
        First "mean_overlap" over the test sets. Then of each, "overlap[NAME]", the share with a near-duplicate, and
        where it has labels "accuracy[NAME]", "accuracy_clean[NAME]", "accuracy_overlap[NAME]" and "gain[NAME]", the
        first less the second: what the overlap added. Details: "reports", an `OverlapReport` of each name, and "pairs",
        the `Pair`s found.

    Raises:
        UsageError: fewer than two views, or of several encoders.
    """
    if len(views) < 2 or len({view.encoder for view in views}) > 1:
        raise UsageError(
            "overlap compares one encoder's training data with one test set or more, in this order; got "
            + ", ".join(f"{view.dataset.name} ({view.encoder})" for view in views)
        )
    train, *tests = views
    train_side = (train.dataset.pictures, train.images())
    shares: list[Measure] = []
    measures: list[Measure] = []
    reports: dict[str, OverlapReport] = {}
    pairs: dict[str, list[Pair]] = {}
    for view in tests:
        name = view.dataset.name
        found = pairs[name] = find_duplicates((view.dataset.pictures, view.images()), train_side, duplicates)
        is_copy_N = np.zeros(len(view.dataset.pictures), np.bool_)
        is_copy_N[[pair.test for pair in found]] = True
        shares.append(share_of(f"overlap[{name}]", is_copy_N))
        measures.append(shares[-1])
        if view.dataset.labels is not None:
            right_N = _right(view, prompts)
            reports[name] = report(right_N, is_copy_N)
            measures += _measures(name, right_N, is_copy_N)
    return Result(
        task="overlap",
        dataset=train.dataset.name,
        encoder=train.encoder,
        measures=(function_of("mean_overlap", shares, lambda values: float(values.mean())), *measures),
        details={"reports": reports, "pairs": pairs},
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class OverlapReport:
    """A line of the paper's table."""

    num_samples: int
    num_overlap: int
    accuracy: float
    accuracy_clean: float | None
    """None where every picture has a near-duplicate."""
    accuracy_overlap: float | None
    """None where none has."""
    gain: float | None
    """Accuracy on all less accuracy on the clean part."""
    p_value: float | None
    """One-tailed: how likely as many of the overlap or more are right if each is as likely as in the clean part."""
    low: float
    """Clopper-Pearson interval (99.5 %) of the accuracy on the overlap."""
    high: float


def report(right: NDArray[np.float64], is_copy: NDArray[np.bool_]) -> OverlapReport:
    """The paper's figures of one test set.

    Args:
        right: (N,) 1 where the answer is right, 0 where not; a share where it was tied is rounded for the exact tests.
        is_copy: (N,) whether a picture has a near-duplicate in the training data.

    Raises:
        UsageError: there is no picture, or they do not match.
    """
    if len(right) != len(is_copy) or not len(right):
        raise UsageError(
            f"an overlap needs as many answers as marks, and one at least; got {len(right)}, {len(is_copy)}"
        )
    clean, copied = right[~is_copy], right[is_copy]
    successes = round(float(copied.sum()))
    low, high = clopper_pearson(successes, len(copied), confidence=CONFIDENCE)
    return OverlapReport(
        num_samples=len(right),
        num_overlap=len(copied),
        accuracy=float(right.mean()),
        accuracy_clean=float(clean.mean()) if len(clean) else None,
        accuracy_overlap=float(copied.mean()) if len(copied) else None,
        gain=float(right.mean() - clean.mean()) if len(clean) else None,
        p_value=upper_tail(successes, len(copied), float(clean.mean())) if len(clean) and len(copied) else None,
        low=low,
        high=high,
    )


def _measures(name: str, right_N: NDArray[np.float64], is_copy_N: NDArray[np.bool_]) -> list[Measure]:
    def gain(drawn: NDArray[np.int64]) -> float:
        clean = drawn[~is_copy_N[drawn]]
        return float(right_N[drawn].mean() - right_N[clean].mean()) if len(clean) else float("nan")

    found = [mean_of(f"accuracy[{name}]", right_N)]
    if not is_copy_N.all():
        found.append(mean_of(f"accuracy_clean[{name}]", right_N[~is_copy_N]))
    if is_copy_N.any():
        found.append(mean_of(f"accuracy_overlap[{name}]", right_N[is_copy_N]))
    if not is_copy_N.all():
        found.append(statistic_of(f"gain[{name}]", gain, len(right_N)))
    return found


def _right(view: View, prompts: Prompts | None) -> NDArray[np.float64]:
    """(N,) of each picture, whether its class was found."""
    for measure in zeroshot(view, prompts=prompts).measures:
        if measure.name == "accuracy" and measure.scores is not None:
            return measure.scores
    raise UsageError(f"{view.dataset.name} has several labels a picture, and no right or wrong answer")
