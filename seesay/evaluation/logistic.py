"""Logistic regression on features: what is minimised, in whose words, and how fits at many strengths share their work.

    sum over examples of the loss  +  lambda / 2 * sum of the squared weights

lambda is the strength of the regularisation, and scikit-learn's C is 1 / lambda. The bias is not regularised. Where a
picture has one label, the loss is the cross-entropy of a softmax over all classes; where it may have several, every
class is a yes-or-no question of its own, and all are fitted at once.

Shape legend: N examples, D features, C classes, R the smaller of N and D.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seesay.base.errors import MissingExtraError, UsageError
from seesay.evaluation.examples import Examples, Labels, Matrix, NumpyExamples, TorchExamples
from seesay.evaluation.lbfgs import Minimum, Problem, minimize

MAX_STEPS = 1000
"""As in the paper; here a few dozen do."""
TOLERANCE = 1e-7
_AT_ONCE = 1 << 22  # scores computed at a time, 16 MB


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Classifier:
    """A linear classifier."""

    weights: Matrix
    """(D, C)"""
    bias: NDArray[np.float64]
    """(C,)"""

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, D) features -> (N, C) logits.

        Raises:
            UsageError: features of another length than those it was fitted on.
        """
        if features.ndim != 2 or features.shape[1] != len(self.weights):
            raise UsageError(f"the classifier takes features of {len(self.weights)} numbers, got {features.shape}")
        scores_NC = np.empty((len(features), len(self.bias)), np.float32)
        weights, bias = self.weights.astype(np.float32), self.bias.astype(np.float32)
        step = max(1, _AT_ONCE // len(bias))
        for start in range(0, len(features), step):
            np.add(features[start : start + step] @ weights, bias, out=scores_NC[start : start + step])
        return scores_NC


class Fit(NamedTuple):
    """A classifier, and how it was found."""

    classifier: Classifier
    strength: float
    """lambda; scikit-learn's C is 1 / lambda."""
    loss: float
    """Mean over the examples, without the regularisation, in nats."""
    objective: float
    """The sum that is minimised, over N."""
    num_steps: int
    has_converged: bool


class Regression:
    """A training set made ready once, for fits at many strengths; each starts from the one before.

    Features are centred and brought to a mean square of 1, which changes no minimum, lambda going with it. Where
    there are fewer examples than features, they are turned into the N dimensions that they span.

    Args:
        features: (N, D).
        labels: (N,) numbers of classes, or (N, C) marks.
        num_classes: C.
        offset: (N, C) logits that are added and not fitted, such as those of a zero-shot classifier: then the fit is
            drawn towards it instead of towards nothing.
        device: "cpu", which needs no torch, or a device of torch's such as "cuda"; by default that where it is there
            and the fit is not small.

    Raises:
        UsageError: shapes do not fit, a number is none, or a class has no example.
        MissingExtraError: another device than the CPU was asked for, and torch is not installed.
    """

    def __init__(
        self,
        features: NDArray[np.float32],
        labels: Labels,
        num_classes: int,
        *,
        offset: NDArray[np.float32] | None = None,
        device: str | None = None,
    ) -> None:
        check_examples(features, labels, num_classes)
        self._mean = features.mean(axis=0, dtype=np.float64)
        centred_ND = features - self._mean.astype(np.float32)
        self._scale = float(np.sqrt(np.square(centred_ND, dtype=np.float64).mean())) or 1.0
        centred_ND /= np.float32(self._scale)
        self._basis: NDArray[np.float32] | None = None
        if len(features) < features.shape[1]:
            self._basis, rows_RN = np.linalg.qr(centred_ND.T)
            centred_ND = np.ascontiguousarray(rows_RN.T)
        with_one = np.hstack([centred_ND, np.ones((len(features), 1), np.float32)])
        self._has_several = labels.dtype == np.bool_
        self._examples = _place(with_one, labels, num_classes, offset, device)
        self._nothing = np.zeros((with_one.shape[1], num_classes))
        if offset is None:
            self._nothing[-1] = _log_odds(labels, num_classes)
        self._null = self._examples.judge(self._examples.multiply(self._nothing))[0]
        self._found: dict[float, Matrix] = {}

    def fit(
        self,
        strength: float,
        *,
        start: Classifier | None = None,
        tolerance: float = TOLERANCE,
        max_steps: int = MAX_STEPS,
    ) -> Fit:
        """Find the classifier at one strength.

        Args:
            strength: lambda, positive.
            start: where to begin; by default at the nearest stronger fit so far, or at the classes' shares.
            tolerance: see `lbfgs.minimize`.
            max_steps: of L-BFGS.

        Raises:
            UsageError: the strength is not positive.
        """
        if not 0 < strength < np.inf:
            raise UsageError(f"the strength of the regularisation must be a positive number, got {strength}")
        num = self._examples.num
        # logits are x / scale times weights * scale, and it is the weights that are kept small
        problem = Problem(examples=self._examples, l2=strength / num / self._scale**2, null=self._null)
        begin = self._nearest(strength) if start is None else self._to_inner(start)
        minimum = minimize(problem, begin, tolerance=tolerance, max_steps=max_steps)
        self._found[strength] = minimum.weights
        return self._finish(minimum, strength)

    def _nearest(self, strength: float) -> Matrix:
        stronger = [other for other in self._found if other >= strength]
        return self._found[min(stronger)] if stronger else self._nothing

    def _to_inner(self, classifier: Classifier) -> Matrix:
        inner = classifier.weights * self._scale
        rows = inner if self._basis is None else self._basis.T.astype(np.float64) @ inner
        return np.vstack([rows, classifier.bias + self._mean @ classifier.weights])

    def _finish(self, minimum: Minimum, strength: float) -> Fit:
        rows = minimum.weights[:-1]
        weights_DC = (rows if self._basis is None else self._basis.astype(np.float64) @ rows) / self._scale
        bias_C = minimum.weights[-1] - self._mean @ weights_DC
        if not self._has_several:
            bias_C -= bias_C.mean()  # a softmax does not see what all have in common; without it starts differ
        classifier = Classifier(weights=weights_DC, bias=bias_C)
        return Fit(classifier, strength, minimum.loss, minimum.value, minimum.num_steps, minimum.has_converged)


def check_examples(features: NDArray[np.float32], labels: Labels, num_classes: int) -> None:
    """Check what a fit relies on.

    Raises:
        UsageError: shapes do not fit, a number is none, or a class has no example.
    """
    if features.ndim != 2 or not features.size:
        raise UsageError(f"a classifier is fitted on features of shape (N, D), got {features.shape}")
    if len(labels) != len(features):
        raise UsageError(f"there are {len(labels)} labels for the features of {len(features)} pictures")
    broken = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(broken):
        raise UsageError(
            f"the features of {len(broken)} of {len(features)} pictures are no numbers; the first is that "
            f"of picture {broken[0]}; try `seesay doctor`"
        )
    if labels.dtype == np.bool_:
        if labels.shape[1:] != (num_classes,):
            raise UsageError(f"marks of shape {labels.shape} do not fit {num_classes} classes")
        counts_C = labels.sum(axis=0)
        empty = np.flatnonzero((counts_C == 0) | (counts_C == len(labels)))
        what = "have no picture with and one without it"
    else:
        if num_classes < 2:
            raise UsageError("a classifier needs two classes at least; there is one")
        if labels.min() < 0 or labels.max() >= num_classes:
            raise UsageError(
                f"labels go from {labels.min()} to {labels.max()}, but there are {num_classes} classes, counted from 0"
            )
        empty = np.flatnonzero(np.bincount(labels, minlength=num_classes) == 0)
        what = "have no picture to be fitted on"
    if len(empty):
        raise UsageError(f"{len(empty)} of {num_classes} classes {what}; the first is class {empty[0]}")


def _log_odds(labels: Labels, num_classes: int) -> NDArray[np.float64]:
    """(C,) the bias that says how common each class is, the best where no feature is looked at."""
    if labels.dtype == np.bool_:
        share_C = labels.mean(axis=0)
        odds: NDArray[np.float64] = np.log(share_C / (1 - share_C))
        return odds
    logs = np.log(np.bincount(labels, minlength=num_classes) / len(labels))
    centred: NDArray[np.float64] = logs - logs.mean()
    return centred


_WORTH_A_GPU = 1 << 31  # N * D * C from which on a product costs more than torch's import and the way to the GPU


def _place(
    features: NDArray[np.float32],
    labels: Labels,
    num_classes: int,
    offset: NDArray[np.float32] | None,
    device: str | None,
) -> Examples:
    if device is None:
        device = "cuda" if features.size * num_classes >= _WORTH_A_GPU and _has_cuda() else "cpu"
    if device == "cpu":
        return NumpyExamples(features, labels, num_classes, offset)
    try:
        return TorchExamples(features, labels, offset, device=device)
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"a probe on {device}", "train") from error
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"a probe cannot run on {device!r}: {str(error).splitlines()[0]}") from error


def _has_cuda() -> bool:
    try:
        import torch
    except ModuleNotFoundError:
        return False
    return torch.cuda.is_available()
