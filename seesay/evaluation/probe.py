"""The linear probe: how much of a dataset one linear layer reads off the features before the projection.

The paper's protocol: logistic regression by L-BFGS with at most 1000 iterations; the strength lambda of the L2
regularisation is searched from 1e-6 to 1e6 on the validation split, first 100-fold apart, then by halving the interval
around the best until there are 8 steps a decade; at the best one it is fitted again on training and validation split
together, and judged on the test split. Source: CLIP, arXiv:2103.00020, appendix A.3. What it leaves open is written
where it is decided.

Shape legend: N pictures, D features, C classes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seesay.base.errors import UsageError
from seesay.evaluation.examples import Labels
from seesay.evaluation.logistic import MAX_STEPS, TOLERANCE, Classifier, Fit, Regression, check_examples
from seesay.evaluation.measure import Measure, Result
from seesay.evaluation.metrics import accuracy, judge, measure_metric
from seesay.evaluation.view import View
from seesay.evaluation.zeroshot import require_labels

STEPS_PER_DECADE = 8
_FIRST = range(48, -49, -16)  # in steps: 1e6, 1e4, ... 1e-6; the strongest first, since each fit starts from a stronger
ASIDE = 0.2
"""Share of the training split that is set aside where there is no validation split; the paper does not say its own."""


def probe(
    view: View,
    *,
    max_steps: int = MAX_STEPS,
    tolerance: float = TOLERANCE,
    device: str | None = None,
    seed: int = 0,
) -> Result:
    """Fit a linear classifier on the features of the training split and judge it on the dataset.

    Args:
        view: a dataset with labels and a training split.
        max_steps: of L-BFGS, for each fit.
        tolerance: how near the minimum each fit ends, see `lbfgs.minimize`.
        device: where to fit, see `Regression`.
        seed: of what is set aside where there is no validation split.

    Returns:
        The paper's metric for the dataset first, then top-1 accuracy where that is another. Details: "strength" (the
        lambda that was chosen), "search" (a row for each fit: "strength", "score", "steps", "loss"), "num_train",
        "num_validation", "has_converged" (of every fit).

    Raises:
        UsageError: no labels, no training split, labels that do not match, a class without training pictures, features
            that are no numbers, or none at all.
    """
    labels = require_labels(view)
    num_classes = len(labels.classes)
    training, validation = read_splits(view, seed=seed)
    regression = Regression(training.features, training.labels, num_classes, device=device)

    def fit(strength: float) -> Fit:
        return regression.fit(strength, tolerance=tolerance, max_steps=max_steps)

    def score(found: Fit) -> float:
        return rate(found.classifier.score(validation.features), validation.labels, metric=labels.metric)

    tried = search(fit, score)
    best = max(tried, key=lambda one: (one.score, one.fit.strength))  # of equals the stronger: the simpler classifier
    both = training.join(validation)
    final = Regression(both.features, both.labels, num_classes, device=device).fit(
        best.fit.strength, start=best.fit.classifier, tolerance=tolerance, max_steps=max_steps
    )
    return Result(
        task="probe",
        dataset=view.dataset.name,
        encoder=view.encoder,
        measures=measure_classifier(view, final.classifier, view.features()),
        details={
            "strength": final.strength,
            "search": [
                {
                    "strength": one.fit.strength,
                    "score": one.score,
                    "steps": one.fit.num_steps,
                    "loss": one.fit.loss,
                }
                for one in tried
            ],
            "num_train": len(training.labels),
            "num_validation": len(validation.labels),
            "has_converged": final.has_converged and all(one.fit.has_converged for one in tried),
        },
    )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Split:
    """Features with their labels."""

    features: NDArray[np.float32]
    """(N, D)"""
    labels: Labels
    """(N,) or (N, C)"""

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "Split":
        """Some of them."""
        return Split(features=self.features[rows], labels=self.labels[rows])

    def join(self, other: "Split") -> "Split":
        """Both."""
        return Split(
            features=np.concatenate([self.features, other.features]),
            labels=np.concatenate([self.labels, other.labels]),
        )


def read_splits(view: View, *, seed: int = 0, of_images: bool = False) -> tuple[Split, Split]:
    """What to fit on and what to choose the strength on.

    Args:
        view: a dataset with labels and a training split.
        seed: of what is set aside where there is no validation split.
        of_images: read the embeddings instead of the features.

    Raises:
        UsageError: see `probe`.
    """
    if view.train is None:
        raise UsageError(f"{view.dataset.name} has no training split to fit a probe on")
    training = read_split(view, view.train, of_images=of_images)
    check_examples(training.features, training.labels, len(require_labels(view).classes))
    if view.validation is not None:
        return training, read_split(view, view.validation, of_images=of_images)
    is_aside = set_aside(training.labels, seed=seed)
    if not is_aside.any():
        raise UsageError(
            f"{view.dataset.name} has no validation split, and no class of its training split has two pictures, one "
            "of which could be set aside for it"
        )
    return training.take(~is_aside), training.take(is_aside)


def read_split(view: View, split: View, *, of_images: bool = False) -> Split:
    """Features and labels of a split of the view's dataset.

    Raises:
        UsageError: its labels do not match those of the dataset.
    """
    labels, own = require_labels(view), require_labels(split)
    if own.classes != labels.classes or own.labels.dtype.kind != labels.labels.dtype.kind:
        raise UsageError(
            f"the splits of {view.dataset.name} do not match: {len(labels.classes)} classes to be judged on, "
            f"{len(own.classes)} to be fitted on, and they must be the same in the same order"
        )
    features = split.images() if of_images else split.features()
    if len(features) != len(own.labels):
        raise UsageError(f"a split of {view.dataset.name} has {len(own.labels)} labels for {len(features)} pictures")
    return Split(features=features, labels=own.labels)


def set_aside(labels: Labels, *, share: float = ASIDE, seed: int = 0) -> NDArray[np.bool_]:
    """Which pictures of a training split to validate on: the same share of each class, and never a class's last.

    Args:
        labels: (N,) numbers or (N, C) marks.
        share: of each class; rounded, but one picture at least where there are two.
        seed: of the draw.

    Returns:
        (N,) marks.
    """
    random = np.random.default_rng(seed)
    is_aside_N = np.zeros(len(labels), np.bool_)
    if labels.dtype == np.bool_:
        # classes overlap, so a share of all is drawn, and what a class cannot do without is put back
        order = random.permutation(len(labels))
        left_C = labels.sum(axis=0)
        for number in order[: max(1, round(share * len(labels)))]:
            if (left_C[labels[number]] > 1).all():
                is_aside_N[number] = True
                left_C = left_C - labels[number]
        return is_aside_N
    for label in np.unique(labels):
        rows = random.permutation(np.flatnonzero(labels == label))
        if len(rows) > 1:
            is_aside_N[rows[: min(len(rows) - 1, max(1, round(share * len(rows))))]] = True
    return is_aside_N


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One strength, and how good it was."""

    fit: Fit
    score: float
    """On the validation split."""


def search(fit: Callable[[float], Fit], score: Callable[[Fit], float]) -> list[Trial]:
    """Fit at the paper's strengths: seven from 1e6 to 1e-6, then around the best at half the distance, and so on.

    Args:
        fit: lambda -> the fit.
        score: a fit -> how good it is, the higher the better; of equals the stronger lambda counts as the best.

    Returns:
        All of at most 15, by falling strength.
    """
    tried: dict[int, Trial] = {}

    def look(places: list[int]) -> int:
        for place in sorted(set(places) - tried.keys(), reverse=True):
            found = fit(10.0 ** (place / STEPS_PER_DECADE))
            tried[place] = Trial(fit=found, score=score(found))
        return max(tried, key=lambda place: (tried[place].score, place))

    best = look(list(_FIRST))
    distance = -_FIRST.step
    while distance > 1:
        distance //= 2
        best = look([place for place in (best - distance, best + distance) if _FIRST[-1] <= place <= _FIRST[0]])
    return [tried[place] for place in sorted(tried, reverse=True)]


def rate(scores: NDArray[np.float32], labels: Labels, *, metric: str = "accuracy") -> float:
    """What the strength is chosen by: accuracy, per class where the metric is, or mean average precision.

    Args:
        scores: (N, C).
        labels: (N,) numbers or (N, C) marks.
        metric: the dataset's.
    """
    if labels.dtype == np.bool_:
        return float(
            np.mean([_average_precision(scores[:, c], labels[:, c] > 0) for c in np.flatnonzero(labels.any(0))])
        )
    is_right_N = scores.argmax(axis=1) == labels
    if metric != "mean_per_class":
        return float(is_right_N.mean())
    counts_C = np.bincount(labels)
    return float((np.bincount(labels, weights=is_right_N)[counts_C > 0] / counts_C[counts_C > 0]).mean())


def _average_precision(scores_N: NDArray[np.float32], is_right_N: NDArray[np.bool_]) -> float:
    ranked_N = is_right_N[np.argsort(-scores_N, kind="stable")]
    return float((np.cumsum(ranked_N) / np.arange(1, len(ranked_N) + 1))[ranked_N].mean())


def measure_classifier(view: View, classifier: Classifier, features: NDArray[np.float32]) -> tuple[Measure, ...]:
    """The dataset's metric of a classifier on its (N, D) features, and accuracy where that is another."""
    labels = require_labels(view)
    unreadable_N = np.asarray(~features.any(axis=1), np.bool_)
    judged = judge(classifier.score(features), labels.labels, unreadable=unreadable_N)
    first = measure_metric(labels.metric, judged)
    has_more = labels.labels.dtype != np.bool_ and labels.metric != "accuracy"
    return (first, accuracy(judged)) if has_more else (first,)
