"""L-BFGS for a regularised linear classifier, with a start of the inverse Hessian that knows the features.

Plain L-BFGS needs hundreds of steps where features are correlated, and all of a network are. Here its first guess of
the inverse Hessian is not a multiple of the identity but the inverse of the (D, D) curvature that classes have on
average, scaled for each class and made anew every few dozen steps. That costs as much as a few steps and saves most.
A step along a direction moves all logits along a line, so that trying another length costs no product with features.

What is minimised, with l2 = lambda / N:

    f(W) = mean loss of the logits X W + offset  +  l2 / 2 * sum of W^2, but for the last row, the bias

Shape legend: N examples, D features (the last one is 1, for the bias), C classes.

Sources: Nocedal and Wright, Numerical Optimization, 2nd edition, algorithms 7.4 and 7.5 (L-BFGS), 3.5 (line search).
"""

from collections import deque
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from seesay.evaluation.examples import Examples, Matrix

MEMORY = 20  # steps remembered
_REFRESH = 40  # steps between two looks at the curvature
_TRIALS = 25  # lengths tried along one direction
_DECREASE, _FLATTENING = 1e-4, 0.9  # the usual constants of the strong Wolfe conditions
_NOISE = 1e-7  # of float32: what a value of f may be off by, relatively
_FLOOR = 1e-10  # of the curvature's mean, added to every direction, so that it can be inverted


class Minimum(NamedTuple):
    """Where the search ended."""

    weights: Matrix
    """(D, C), the last row the bias."""
    value: float
    """f there."""
    loss: float
    """The part of it that is the mean loss, in nats."""
    num_steps: int
    gap: float
    """How far f is above its minimum, estimated by the quadratic model of the last step."""
    has_converged: bool


class _Point(NamedTuple):
    """A place, with everything that is known there."""

    weights: Matrix
    logits: Any
    residuals: Any
    loss: float
    value: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """What is minimised."""

    examples: Examples
    l2: float
    """lambda / N, positive."""
    null: float
    """f where no feature counts; the distance to it says what a small gap is."""

    def at(self, weights: Matrix) -> _Point:
        """Look at a place from scratch."""
        logits = self.examples.multiply(weights)
        return self.judge(weights, logits)

    def judge(self, weights: Matrix, logits: Any) -> _Point:
        """Look at a place whose logits are known."""
        loss, residuals = self.examples.judge(logits)
        return _Point(weights, logits, residuals, loss, loss + self.l2 / 2 * _dot(weights[:-1], weights[:-1]))

    def gradient(self, point: _Point) -> Matrix:
        """(D, C) of f."""
        gradient_DC = self.examples.gradient(point.residuals)
        gradient_DC[:-1] += self.l2 * point.weights[:-1]
        return gradient_DC

    def inverse_curvature(self, point: _Point) -> "_Inverse":
        """What stands for the inverse Hessian."""
        mean_DD, of_class_C = self.examples.curvature(point.residuals)
        of_class_C = np.maximum(of_class_C, _FLOOR * of_class_C.mean() + np.finfo(np.float64).tiny)
        values_D, axes = np.linalg.eigh(mean_DD[:-1, :-1])
        values_D = np.maximum(values_D, _FLOOR * values_D[-1])
        values_DC = values_D[:, None] * (of_class_C / of_class_C.mean()) + self.l2
        return _Inverse(axes=axes, values=values_DC, bias=of_class_C)


def minimize(problem: Problem, start: Matrix, *, tolerance: float = 1e-7, max_steps: int = 1000) -> Minimum:
    """Search for the weights that minimise f.

    Args:
        problem: what is minimised; it is convex, so there is one minimum.
        start: (D, C) weights to begin at, such as those found for another l2.
        tolerance: the search ends when f is within this share of its minimum: a share of f, and of what the features
            bring, so that weights are right where both are near their limits.
        max_steps: the search ends there at the latest.
    """
    point = _rescale(problem, problem.at(start))
    gradient_DC = problem.gradient(point)
    memory = _Memory(problem.inverse_curvature(point))
    gap = np.inf
    for step in range(max_steps):
        direction_DC = -memory.apply(gradient_DC)
        slope = _dot(gradient_DC, direction_DC)
        gap = -slope / 2
        if gap <= tolerance * _scale(problem, point):
            return Minimum(point.weights, point.value, point.loss, step, gap, has_converged=True)
        found = _search(problem, point, direction_DC, slope)
        if found is None:  # float32 sees no more
            return Minimum(point.weights, point.value, point.loss, step, gap, has_converged=False)
        is_due = (step + 1) % _REFRESH == 0
        if is_due:
            found = problem.at(found.weights)  # rounding of the moved logits adds up
        fresh_DC = problem.gradient(found)
        if is_due:
            memory = _Memory(problem.inverse_curvature(found))
        else:
            memory.keep(found.weights - point.weights, fresh_DC - gradient_DC)
        point, gradient_DC = found, fresh_DC
    return Minimum(point.weights, point.value, point.loss, max_steps, gap, has_converged=False)


def _scale(problem: Problem, point: _Point) -> float:
    # where hardly anything is gained by the features, a share of f would be all of it
    gained = max(problem.null - point.value, 1e-9 * point.value)
    return min(point.value, gained)


def _rescale(problem: Problem, point: _Point) -> _Point:
    """The best multiple of the start: with less regularisation weights grow, and most of that is known beforehand."""
    if not point.weights.any():
        return point
    best, factor = point, 1.0
    for _ in range(8):
        factor *= 1.25
        longer = problem.judge(point.weights * factor, problem.examples.add(point.logits, factor - 1, point.logits))
        if longer.value >= best.value:
            break
        best = longer
    return best


def _search(problem: Problem, start: _Point, direction: Matrix, slope: float) -> _Point | None:
    """A place along the direction that fulfils the strong Wolfe conditions, or None where rounding hides it."""
    if not slope < 0:
        return None
    moved = problem.examples.multiply(direction)
    pull, push = _dot(start.weights[:-1], direction[:-1]), _dot(direction[:-1], direction[:-1])
    low, slope_low, high, slope_high, length = 0.0, slope, np.inf, np.inf, 1.0
    for _ in range(_TRIALS):
        logits = problem.examples.add(start.logits, length, moved)
        point = problem.judge(start.weights + length * direction, logits)
        here = problem.examples.slope(point.residuals, moved) + problem.l2 * (pull + length * push)
        is_above = point.value > start.value + _DECREASE * length * slope + _NOISE * abs(start.value)
        if is_above or here > -_FLATTENING * slope:
            high, slope_high = length, max(here, -slope)
        elif here < _FLATTENING * slope:
            low, slope_low = length, here
        else:
            return point
        if np.isinf(high):
            length *= 2
        else:  # f is convex: its slope grows from below zero to above, and a line through both meets zero between
            share = -slope_low / (slope_high - slope_low)
            length = low + (high - low) * min(0.9, max(0.1, share))
    return None


class _Inverse(NamedTuple):
    """An inverse Hessian that takes each class's curvature for a multiple of their mean, and the bias for itself.

    The classes differ much: one that is told apart with ease has next to none, and with the mean alone would hardly
    move.
    """

    axes: Matrix
    """(D - 1, D - 1) columns in which the curvature is diagonal."""
    values: Matrix
    """(D - 1, C) the curvature there."""
    bias: Matrix
    """(C,)"""

    def apply(self, gradient: Matrix) -> Matrix:
        """(D, C) -> (D, C)."""
        return np.vstack([self.axes @ ((self.axes.T @ gradient[:-1]) / self.values), gradient[-1:] / self.bias])


class _Memory:
    """The last steps, and with them an inverse Hessian that is better than the first guess."""

    def __init__(self, first: _Inverse) -> None:
        self._first = first
        self._scale = 1.0
        self._steps: deque[tuple[Matrix, Matrix, float]] = deque(maxlen=MEMORY)

    def keep(self, step: Matrix, change: Matrix) -> None:
        """Remember a step and how the gradient changed by it."""
        curvature = _dot(step, change)
        if curvature <= 0:  # by rounding only, f being convex
            return
        self._steps.append((step, change, curvature))
        self._scale = curvature / _dot(change, self._first.apply(change))

    def apply(self, gradient: Matrix) -> Matrix:
        """(D, C) the inverse Hessian times the gradient, by the two loops of algorithm 7.4."""
        result_DC = gradient.copy()
        shares = []
        for step, change, curvature in reversed(self._steps):
            share = _dot(step, result_DC) / curvature
            result_DC -= share * change
            shares.append(share)
        result_DC = self._scale * self._first.apply(result_DC)
        for (step, change, curvature), share in zip(self._steps, reversed(shares), strict=True):
            result_DC += (share - _dot(change, result_DC) / curvature) * step
        return result_DC


def _dot(one: Matrix, other: Matrix) -> float:
    return float(np.vdot(one, other))
