"""Calibration: whether a zero-shot classifier is right as often as it says, and whether it knows when nothing fits.

A picture's confidence is its largest probability by a softmax over scale times cosine. Bins part the pictures by it;
the expected calibration error is the mean over bins, weighted by their pictures, of |accuracy - confidence|. A
temperature T divides the logits; it is fitted by likelihood on one half and judged on the other, and the other way
round. "None of these": some classes are taken off the list of labels, and their pictures should then get a low score.

Sources: Guo et al., On Calibration of Modern Neural Networks, arXiv:1706.04599, sections 2 and 4.2; Hendrycks and
Gimpel, arXiv:1610.02136, for the largest probability as the score of what is known; Geifman and El-Yaniv,
arXiv:1705.08500, for accuracy against coverage.

Shape legend: N pictures, C classes, B bins.
"""

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seesay.base.errors import UsageError
from seesay.evaluation.measure import Measure, Result, statistic_of
from seesay.evaluation.metrics import judge, roc_auc, top
from seesay.evaluation.prompts import Prompts
from seesay.evaluation.view import View
from seesay.evaluation.zeroshot import build_classifier, cosines, require_labels

NUM_BINS = 15
LEFT_OUT = 0.5
"""Share of the classes that are taken off the list for "none of these"."""
BIN = np.dtype(
    [("lower", "f8"), ("upper", "f8"), ("confidence", "f8"), ("accuracy", "f8"), ("count", "i8")]
)  # of one bin: its ends, the means of what is in it, and of how many

Rows: TypeAlias = NDArray[np.float64]
Logits: TypeAlias = NDArray[np.floating]
_AT_ONCE = 1 << 18  # logits at a time


def calibration(
    view: View,
    *,
    prompts: Prompts | None = None,
    num_bins: int = NUM_BINS,
    left_out: float = LEFT_OUT,
    seed: int = 0,
) -> Result:
    """How far the zero-shot classifier's confidence is from its accuracy, and whether it knows what it does not know.

    Args:
        view: a dataset with one label a picture.
        prompts: other templates than the dataset's own.
        num_bins: B.
        left_out: share of the classes that are taken off the list to be unknown.
        seed: of the halves, and of which classes are left out.

    Returns:
        "ece" with bins of equal width first, then "ece_equal_mass", "ece_with_temperature" (cross-fitted), and where
        there are three classes "known_auroc" and "known_auroc_cosine", how well the largest probability, or the
        largest cosine, parts pictures of classes on the list from others. A bootstrap draws errors that are a little
        higher than the one measured, binned noise being never negative. Details: "bins" and "bins_with_temperature"
        (arrays of `BIN`), "temperature" (of all pictures), "nll", "nll_with_temperature" (cross-fitted), "rejection"
        with "coverage" and "accuracy", both (N,): answering only the surest, and how many of those are right, an
        answer on a picture of an unknown class being wrong.

    Raises:
        UsageError: no labels or several a picture, labels that do not fit, vectors that are no numbers.
    """
    if view.dataset.single_labels is None:
        raise UsageError(f"{view.dataset.name} has no single label a picture, which confidence could be compared with")
    labels_N, images_NE = require_labels(view).labels.astype(np.int64), view.images()
    is_readable = images_NE.any(axis=1)
    if not is_readable.any():
        raise UsageError(f"{view.dataset.name} has no picture that could be read")
    # of no picture there is no confidence
    cosines_NC = cosines(images_NE[is_readable], build_classifier(view, prompts=prompts))
    labels_N = labels_N[is_readable]
    logits_NC = np.float32(view.scale) * cosines_NC
    hits_N = top(judge(logits_NC, labels_N), 1)
    confidence_N = confidence(logits_NC)
    halves = np.random.default_rng(seed).permutation(len(labels_N)) % 2
    cooled_N, nll = _cross_fit(logits_NC, labels_N, halves)
    measures = [
        _measure_ece("ece", confidence_N, hits_N, num_bins),
        _measure_ece("ece_equal_mass", confidence_N, hits_N, num_bins, of_equal_mass=True),
        _measure_ece("ece_with_temperature", cooled_N, hits_N, num_bins),
    ]
    details: dict[str, Any] = {
        "bins": count_bins(confidence_N, hits_N, equal_width(num_bins)),
        "bins_with_temperature": count_bins(cooled_N, hits_N, equal_width(num_bins)),
        "temperature": fit_temperature(logits_NC, labels_N),
        "nll": float(negative_log_likelihood(logits_NC, labels_N).mean()),
        "nll_with_temperature": nll,
    }
    is_known_C = _draw_known(labels_N, logits_NC.shape[1], left_out, seed)
    if is_known_C is not None:
        more, details["rejection"] = _none_of_these(cosines_NC, labels_N, is_known_C, view.scale)
        measures += more
    return Result(
        task="calibration",
        dataset=view.dataset.name,
        encoder=view.encoder,
        measures=tuple(measures),
        details=details,
    )


def confidence(logits: Logits) -> Rows:
    """(N, C) logits -> (N,) the largest probability."""
    parts = [1 / np.exp(shifted).sum(axis=1, dtype=np.float64) for _, shifted in _shifted(logits)]
    return np.concatenate(parts)


def negative_log_likelihood(logits: Logits, labels: NDArray[np.int64]) -> Rows:
    """(N,) minus the logarithm of the probability of each picture's class, in nats."""
    parts = [
        np.log(np.exp(shifted).sum(axis=1, dtype=np.float64)) - shifted[np.arange(len(shifted)), labels[rows]]
        for rows, shifted in _shifted(logits)
    ]
    return np.concatenate(parts)


def _shifted(logits: Logits) -> Iterator[tuple[slice, Logits]]:
    """Blocks of rows that stay in the cache, each less its largest number."""
    step = max(1, _AT_ONCE // logits.shape[1])
    for start in range(0, len(logits), step):
        block = logits[start : start + step]
        yield slice(start, start + step), block - block.max(axis=1, keepdims=True)


def equal_width(num_bins: int) -> Rows:
    """(B + 1,) ends of bins over [0, 1]; a confidence on an end is in the bin below it."""
    if num_bins < 1:
        raise UsageError(f"a calibration error needs one bin at least, got {num_bins}")
    return np.linspace(0, 1, num_bins + 1)


def equal_mass(confidences: Rows, num_bins: int) -> Rows:
    """(B + 1,) ends of bins with as many pictures each, as far as equal confidences allow."""
    inner = np.quantile(confidences, np.linspace(0, 1, num_bins + 1)[1:-1], method="inverted_cdf")
    return np.concatenate([[0.0], inner, [1.0]])


def count_bins(confidences: Rows, hits: Rows, ends: Rows) -> NDArray[np.void]:
    """What lies in each bin.

    Args:
        confidences: (N,) in [0, 1].
        hits: (N,) 1 where the answer was right, 0 where not, a share where it was tied.
        ends: (B + 1,) of the bins, rising.

    Returns:
        (B,) of `BIN`; means of an empty bin are nan.
    """
    num_bins = len(ends) - 1
    place_N = _place(confidences, ends)
    counts = np.bincount(place_N, minlength=num_bins)
    bins = np.zeros(num_bins, BIN)
    bins["lower"], bins["upper"], bins["count"] = ends[:-1], ends[1:], counts
    for name, values in (("confidence", confidences), ("accuracy", hits)):
        sums = np.bincount(place_N, weights=values, minlength=num_bins)
        bins[name] = np.divide(sums, counts, out=np.full(num_bins, np.nan), where=counts > 0)
    return bins


def expected_calibration_error(confidences: Rows, hits: Rows, ends: Rows) -> float:
    """Sum over bins of count / N * |accuracy - confidence|; arguments as of `count_bins`."""
    # count * |mean - mean| is |sum - sum|
    place_N = _place(confidences, ends)
    return float(np.abs(np.bincount(place_N, weights=hits - confidences)).sum() / len(hits))


def _place(confidences: Rows, ends: Rows) -> NDArray[np.intp]:
    return np.clip(np.searchsorted(ends, confidences, side="left") - 1, 0, len(ends) - 2)


def _measure_ece(name: str, confidences: Rows, hits: Rows, num_bins: int, *, of_equal_mass: bool = False) -> Measure:
    fixed = equal_width(num_bins)

    def statistic(drawn: NDArray[np.int64]) -> float:
        ends = equal_mass(confidences[drawn], num_bins) if of_equal_mass else fixed
        return expected_calibration_error(confidences[drawn], hits[drawn], ends)

    return statistic_of(name, statistic, len(hits))


def fit_temperature(logits: Logits, labels: NDArray[np.int64]) -> float:
    """The temperature T at which the likelihood of the labels is highest, logits being divided by it.

    The likelihood is concave in 1 / T, so that halving the interval in which its derivative changes sign finds it.

    Args:
        logits: (N, C).
        labels: (N,).

    Returns:
        T, between 1e-4 and 1e4. It is near one of those ends where every picture is right, or chance does better.
    """

    def rises(inverse: float) -> bool:
        slope = 0.0
        for rows, shifted in _shifted(logits):
            weights = np.exp(shifted * shifted.dtype.type(inverse))
            expected = np.einsum("nc,nc->n", weights, shifted) / weights.sum(axis=1)
            slope += float((shifted[np.arange(len(shifted)), labels[rows]] - expected).sum(dtype=np.float64))
        return slope > 0

    low, high = -4.0, 4.0  # of log10 1 / T
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if rises(10.0**middle) else (low, middle)
    return float(10.0 ** (-(low + high) / 2))


def _cross_fit(logits: Logits, labels: NDArray[np.int64], halves: NDArray[np.intp]) -> tuple[Rows, float]:
    """(N,) confidence at the temperature that the other half was fitted with, and the mean loss there, in nats."""
    cooled_NC = logits.copy()
    for half in (0, 1):
        others = halves != half
        if others.any():
            cooled_NC[~others] /= logits.dtype.type(fit_temperature(logits[others], labels[others]))
    return confidence(cooled_NC), float(negative_log_likelihood(cooled_NC, labels).mean())


def _draw_known(labels: NDArray[np.int64], num_classes: int, left_out: float, seed: int) -> NDArray[np.bool_] | None:
    """(C,) which classes stay on the list: two at least, and one is off it; None where that cannot be."""
    if not 0 < left_out < 1:
        raise UsageError(f"the share of the classes that are left out lies between 0 and 1, got {left_out}")
    num_known = min(max(2, num_classes - round(left_out * num_classes)), num_classes - 1)
    is_known_C = np.zeros(num_classes, np.bool_)
    is_known_C[np.random.default_rng([seed, 1]).permutation(num_classes)[:num_known]] = True
    has_both = is_known_C[labels].any() and not is_known_C[labels].all()
    return is_known_C if num_known >= 2 and has_both else None


def _none_of_these(
    cosines_NC: NDArray[np.float32], labels: NDArray[np.int64], is_known_C: NDArray[np.bool_], scale: float
) -> tuple[list[Measure], dict[str, Rows]]:
    """Answers from a list that lacks some of the classes: whether a score tells, and what rejecting brings."""
    listed_NK = cosines_NC[:, is_known_C].astype(np.float64)
    is_known_N = is_known_C[labels]
    number_of_class = np.cumsum(is_known_C) - 1
    confidence_N = confidence(scale * listed_NK)
    measures = []
    for name, score_N in (("known_auroc", confidence_N), ("known_auroc_cosine", listed_NK.max(axis=1))):
        area = roc_auc(judge(np.stack([np.zeros_like(score_N), score_N], axis=1), is_known_N.astype(np.int64)))
        measures.append(
            Measure(name=name, value=area.value, low=area.low, high=area.high, num_samples=area.num_samples, chance=0.5)
        )
    known_hits_N = top(judge(listed_NK, np.where(is_known_N, number_of_class[labels], 0)), 1)
    return measures, rejection_curve(confidence_N, known_hits_N * is_known_N)


def rejection_curve(scores: Rows, hits: Rows) -> dict[str, Rows]:
    """What is right among the surest answers.

    Args:
        scores: (N,) how sure each answer is.
        hits: (N,) how right it is, 0 to 1.

    Returns:
        "coverage" (N,), the share answered, and "accuracy" (N,), the share of those that is right. Answers that are as
        sure as one another come together, each being as right as they are on average.
    """
    order = np.argsort(-scores, kind="stable")
    _, run_N, counts = np.unique(-scores[order], return_inverse=True, return_counts=True)
    shared_N = (np.bincount(run_N, weights=hits[order]) / counts)[run_N]
    answered_N = np.arange(1, len(scores) + 1)
    return {"coverage": answered_N / len(scores), "accuracy": np.cumsum(shared_N) / answered_N}
