"""Counts of yes and no: exact intervals and tests. Knows nothing but numbers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seesay.base.errors import UsageError
from seesay.evaluation.measure import Measure


def upper_tail(successes: int, trials: int, probability: float) -> float:
    """How likely `successes` or more are in `trials` that each succeed with `probability`: the one-sided p-value.

    Raises:
        UsageError: counts or probability are out of range.
    """
    _check(successes, trials)
    if not 0 <= probability <= 1:
        raise UsageError(f"a probability lies in [0, 1], got {probability}")
    return _tail(_log_ways(trials), successes, probability)


def clopper_pearson(successes: int, trials: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval of a share: every probability under which the count is not too rare.

    Its ends are where the tails are (1 - confidence) / 2 each. Source: Clopper and Pearson, Biometrika 26 (1934).

    Args:
        successes: how many.
        trials: of how many; with none the interval is all of [0, 1].
        confidence: how often it covers the truth, at least.

    Raises:
        UsageError: counts or confidence are out of range.
    """
    _check(successes, trials)
    if not 0 < confidence < 1:
        raise UsageError(f"a confidence lies between 0 and 1, got {confidence}")
    ways, tail = _log_ways(trials), (1 - confidence) / 2
    low = 0.0 if successes == 0 else _solve(ways, successes, tail)
    # at most k successes are at least n - k failures
    high = 1.0 if successes == trials else 1 - _solve(ways, trials - successes, tail)
    return low, high


def share_of(name: str, hits: NDArray[Any], *, chance: float | None = None) -> Measure:
    """A share with its exact 95 % interval, for rare cases: a bootstrap of none in a hundred would be sure of 0.

    Args:
        name: what it is called.
        hits: (N,) yes or no, as 1 and 0; parts of a hit are added up, and the interval is that of the nearest count.
        chance: see `Measure`.

    Raises:
        UsageError: there is none.
    """
    if not len(hits):
        raise UsageError(f"{name} needs one sample at least; there is none")
    scores = hits.astype(np.float64)
    low, high = clopper_pearson(round(float(scores.sum())), len(hits))
    return Measure(
        name=name,
        value=float(scores.mean()),
        low=low,
        high=high,
        num_samples=len(hits),
        chance=chance,
        scores=scores,
    )


def _solve(log_ways: NDArray[np.float64], successes: int, tail: float) -> float:
    """The probability at which so many successes or more are as likely as `tail`."""
    low, high = 0.0, 1.0
    for _ in range(60):  # a bit of the answer each
        middle = (low + high) / 2
        low, high = (middle, high) if _tail(log_ways, successes, middle) < tail else (low, middle)
    return (low + high) / 2


def _log_ways(trials: int) -> NDArray[np.float64]:
    """(trials + 1,) logarithms of the binomial coefficients."""
    log_factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, trials + 1)))])
    return np.asarray(log_factorials[-1] - log_factorials - log_factorials[::-1])


def _tail(log_ways: NDArray[np.float64], successes: int, probability: float) -> float:
    trials = len(log_ways) - 1
    if probability in (0, 1):
        return float(probability == 1 or successes == 0)
    counts = np.arange(successes, trials + 1)
    logs = log_ways[successes:] + counts * np.log(probability) + (trials - counts) * np.log1p(-probability)
    return min(1.0, float(np.exp(logs).sum()))


def _check(successes: int, trials: int) -> None:
    if not 0 <= successes <= trials:
        raise UsageError(f"{successes} successes of {trials} trials cannot be")
