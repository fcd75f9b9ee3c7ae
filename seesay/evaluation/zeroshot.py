"""Zero-shot classification: the class whose prompts lie nearest to the picture.

The classifier is an ensemble in the space of the embeddings: of each class the mean of its sentences' unit vectors,
brought to length 1 again, so that eighty templates cost no more than one once they are encoded. A unit vector of the
mean is what the logits are of, not the mean of probabilities. Source: CLIP, arXiv:2103.00020, section 3.1.4.

Shape legend: N pictures, C classes, E embedding, K shown classes (5 at most).
"""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seesay.base.errors import UsageError
from seesay.evaluation.dataset import Labels
from seesay.evaluation.measure import Measure, Result
from seesay.evaluation.metrics import Judged, accuracy, judge, measure_metric
from seesay.evaluation.prompts import Prompts, check_templates, find_prompts, write_sentences
from seesay.evaluation.view import View

SHOWN = 5
_AT_ONCE = 1 << 24  # logits held at a time, 64 MB
_LARGEST_MATRIX = 2000  # classes up to which the whole confusion matrix is kept


def zeroshot(view: View, *, prompts: Prompts | None = None) -> Result:
    """Classify every picture by what its classes are called.

    Args:
        view: a dataset with labels, as an encoder sees it.
        prompts: other templates than the dataset's own.

    Returns:
        The paper's metric for the dataset first; of pictures with one label each also top-1 and top-5. Details:
        "labels" (N,) or (N, C), "top5" (N, K) the classes that score highest, "top5_probability" (N, K), "classes",
        and of one label each "confusion": (C, C) int64, rows the truth, columns the answer.

    Raises:
        UsageError: the dataset has no labels, they do not fit its classes, or a vector is no number.
    """
    labels = require_labels(view)
    images_NE = view.images()
    scores_NC = cosines(images_NE, build_classifier(view, prompts=prompts))
    unreadable_N: NDArray[np.bool_] = np.logical_not(np.any(images_NE, axis=1))
    judged = judge(scores_NC, labels.labels, unreadable=unreadable_N)
    measures = [measure_metric(labels.metric, judged)]
    shown = best(scores_NC, scale=view.scale)
    details: dict[str, Any] = {
        "classes": labels.classes,
        "labels": labels.labels,
        "top5": shown.classes,
        "top5_probability": shown.probabilities,
    }
    if labels.labels.dtype != np.bool_:
        measures += [one for one in _top_measures(judged) if one.name != labels.metric]
        if len(labels.classes) <= _LARGEST_MATRIX:
            truth, answers = labels.labels[~unreadable_N], shown.classes[~unreadable_N, 0]
            details["confusion"] = count_confusion(truth, answers, len(labels.classes))
    return Result(
        task="zeroshot", dataset=view.dataset.name, encoder=view.encoder, measures=tuple(measures), details=details
    )


def build_classifier(view: View, *, prompts: Prompts | None = None) -> NDArray[np.float32]:
    """The (C, E) classifier of a dataset's classes; see `View.prompts`.

    Two classes of one name get the very same row, so that they tie and neither wins by its place.

    Args:
        view: a dataset with labels.
        prompts: other templates than the dataset's own.
    """
    labels = require_labels(view)
    names = list(dict.fromkeys(labels.classes))
    rows_CE = view.prompts(write_sentences(names, prompts or own_prompts(labels)))
    number = {name: place for place, name in enumerate(names)}
    return rows_CE[[number[name] for name in labels.classes]]


def own_prompts(labels: Labels) -> Prompts:
    """The templates that came with a dataset, else the paper's for it, else the general ones."""
    prompts = find_prompts(labels.prompts)
    return replace(prompts, templates=check_templates(labels.templates, "the dataset")) if labels.templates else prompts


def require_labels(view: View) -> Labels:
    """The labels of the view's dataset.

    Raises:
        UsageError: it has none, no classes, or another number of labels than of pictures.
    """
    labels, num = view.dataset.labels, len(view.dataset.pictures)
    if labels is None:
        raise UsageError(f"{view.dataset.name} has no labels to classify by")
    if not labels.classes:
        raise UsageError(f"{view.dataset.name} has no classes")
    if len(labels.labels) != num:
        raise UsageError(f"{view.dataset.name} has {len(labels.labels)} labels for {num} pictures")
    return labels


def cosines(images: NDArray[np.float32], classifier: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, C) of every picture and class, a block of pictures at a time.

    Args:
        images: (N, E) unit rows; they may lie in a file.
        classifier: (C, E) unit rows; equal rows give exactly equal columns.

    Raises:
        UsageError: the two have other lengths of vector, or one that is no number.
    """
    if images.ndim != 2 or images.shape[1:] != classifier.shape[1:]:
        raise UsageError(f"vectors of {images.shape[1:]} numbers do not fit a classifier of {classifier.shape[1:]}")
    # a product may round equal columns differently by where they stand, so each distinct one is computed once
    distinct, column_of_class = np.unique(classifier, axis=0, return_inverse=True)
    scores_NC = np.empty((len(images), len(classifier)), np.float32)
    step = max(1, _AT_ONCE // len(classifier))
    for start in range(0, len(images), step):
        scores_NC[start : start + step] = (images[start : start + step] @ distinct.T)[:, column_of_class]
    if not np.isfinite(scores_NC).all():
        broken = np.flatnonzero(~np.isfinite(scores_NC).all(axis=1))
        raise UsageError(
            f"the vectors of {len(broken)} of {len(images)} pictures are no numbers, or the classifier's are not; "
            "try `seesay doctor`"
        )
    return scores_NC


class Best(NamedTuple):
    """What a classifier says first."""

    classes: NDArray[np.int64]
    """(N, K) from the likeliest on; of equals the first."""
    probabilities: NDArray[np.float64]
    """(N, K) by a softmax over all C classes."""


def best(scores: NDArray[np.float32], *, scale: float, shown: int = SHOWN) -> Best:
    """The classes that score highest, with their probabilities.

    Args:
        scores: (N, C) cosines.
        scale: what they are multiplied by before the softmax.
        shown: how many classes, at most C.
    """
    num, num_classes = scores.shape
    shown = min(shown, num_classes)
    classes = np.empty((num, shown), np.int64)
    probabilities = np.empty((num, shown), np.float64)
    step = max(1, _AT_ONCE // num_classes)
    for start in range(0, num, step):
        left = scores[start : start + step].copy()
        logits = scale * left.astype(np.float64)
        logits = np.exp(logits - logits.max(axis=1, keepdims=True))
        logits /= logits.sum(axis=1, keepdims=True)
        for place in range(shown):  # five passes are far less than sorting a thousand classes
            highest = left.argmax(axis=1)[:, None]
            classes[start : start + step, place] = highest[:, 0]
            probabilities[start : start + step, place] = np.take_along_axis(logits, highest, 1)[:, 0]
            np.put_along_axis(left, highest, -np.inf, 1)
    return Best(classes, probabilities)


def count_confusion(labels: NDArray[Any], answers: NDArray[np.int64], num_classes: int) -> NDArray[np.int64]:
    """(C, C) how many pictures of each class (rows) were taken for each (columns)."""
    flat = np.bincount(labels * num_classes + answers, minlength=num_classes * num_classes)
    return flat.reshape(num_classes, num_classes).astype(np.int64)


def _top_measures(judged: Judged) -> list[Measure]:
    return [accuracy(judged), *([accuracy(judged, k=5)] if judged.scores.shape[1] > 5 else [])]
