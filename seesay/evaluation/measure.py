"""A figure that says how sure it is: value, 95 % bootstrap interval, number of samples; and the test between two.

Shape legend: N samples, R resamples.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seesay.base.errors import UsageError

RESAMPLES = 1000
_AT_ONCE = 1 << 22  # drawn numbers held at a time, 32 MB


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """One figure."""

    name: str
    """"accuracy", "text_to_image_recall@1"."""
    value: float
    low: float
    """Lower end of the 95 % bootstrap interval."""
    high: float
    num_samples: int
    chance: float | None = None
    """What an encoder that sees nothing gets, where that is known."""
    scores: NDArray[np.float64] | None = field(default=None, repr=False, compare=False)
    """(N,) of each sample, where the figure is their mean: what a paired test compares."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What one task found about one encoder on one dataset."""

    task: str
    dataset: str
    encoder: str
    """`Encoder.id`."""
    measures: tuple[Measure, ...]
    """The first is the one that a table shows."""
    details: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """Arrays that figures are drawn from: a confusion matrix, bins of a reliability diagram, a few-shot curve."""


def mean_of(name: str, scores: NDArray[Any], *, chance: float | None = None, seed: int = 0) -> Measure:
    """The mean of one score a sample.

    Args:
        name: what it is called.
        scores: (N,) bool or float.
        chance: see `Measure`.
        seed: of the resampling.

    Raises:
        UsageError: no sample, or a score that is no number.
    """
    scores_N = np.asarray(scores, np.float64)
    _check(name, scores_N)
    low, high = _ends(_draw_means(scores_N, np.random.default_rng(seed)))
    return Measure(
        name=name,
        value=float(scores_N.mean()),
        low=low,
        high=high,
        num_samples=len(scores_N),
        chance=chance,
        scores=scores_N,
    )


def function_of(
    name: str, means: Sequence[Measure], function: Callable[[NDArray[np.float64]], float], *, seed: int = 0
) -> Measure:
    """Any function of means over samples that have nothing to do with each other, such as a drop between datasets.

    Args:
        name: what it is called.
        means: P measures that have scores.
        function: the figure of their (P,) values.
        seed: of the resampling; each measure's samples are drawn on their own.

    Raises:
        UsageError: a measure has no scores, or there is none.
    """
    scores = [mean.scores for mean in means if mean.scores is not None]
    if len(scores) < len(means) or not means:
        raise UsageError(f"{name} needs the scores of each sample, and one measure at least")
    random = np.random.default_rng(seed)
    drawn_RP = np.stack([_draw_means(scores_N, random) for scores_N in scores], axis=1)
    low, high = _ends(np.array([function(values_P) for values_P in drawn_RP]))
    value = function(np.array([mean.value for mean in means]))
    return Measure(name=name, value=float(value), low=low, high=high, num_samples=sum(len(one) for one in scores))


def statistic_of(
    name: str,
    statistic: Callable[[NDArray[np.int64]], float],
    num: int,
    *,
    chance: float | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Measure:
    """Any function of the samples, such as an area under a curve.

    Args:
        name: what it is called.
        statistic: the figure of the samples with these numbers, of which some come twice and some not at all. One
            that cannot be computed of a draw (a class is missing) gives nan, and that draw is left out.
        num: N.
        chance: see `Measure`.
        seed: of the resampling.
        resamples: R.

    Raises:
        UsageError: no sample, or the figure of all of them is no number.
    """
    value = statistic(np.arange(num)) if num else np.nan
    _check(name, np.array([value] if num else []))
    random = np.random.default_rng(seed)
    drawn = np.array([statistic(random.integers(0, num, num)) for _ in range(resamples)])
    low, high = _ends(drawn[np.isfinite(drawn)])
    return Measure(name=name, value=float(value), low=low, high=high, num_samples=num, chance=chance)


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One model less another, on the same samples."""

    name: str
    value: float
    low: float
    high: float
    p_value: float
    """Two-sided, by sign flips: how often chance alone would part two equal models this far."""
    num_samples: int


def difference(one: Measure, other: Measure, *, seed: int = 0) -> Difference:
    """The paired test: interval by resampling the differences, p-value by flipping their signs.

    Raises:
        UsageError: a measure has no scores, or they are of different samples.
    """
    if one.scores is None or other.scores is None or len(one.scores) != len(other.scores):
        raise UsageError(f"{one.name} and {other.name} are no means of the same samples, and cannot be paired")
    parted = one.scores - other.scores
    mean = mean_of(one.name, parted, seed=seed)
    random = np.random.default_rng([seed, 1])
    # a sample where both agree flips to itself, so only the others are drawn
    apart = parted[parted != 0]
    rows = max(1, _AT_ONCE // max(1, len(apart)))
    as_far = 0
    for start in range(0, RESAMPLES, rows):
        signs = random.integers(0, 2, (min(rows, RESAMPLES - start), len(apart))) * 2 - 1
        as_far += int((np.abs(signs @ apart) >= abs(apart.sum()) - 1e-9).sum())
    return Difference(
        name=one.name,
        value=mean.value,
        low=mean.low,
        high=mean.high,
        p_value=(as_far + 1) / (RESAMPLES + 1),  # the observed one counts among them
        num_samples=mean.num_samples,
    )


def _draw_means(scores_N: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """(R,) means of as many samples as there are, drawn with putting back."""
    num = len(scores_N)
    rows = max(1, _AT_ONCE // num)
    means: list[NDArray[np.float64]] = []
    for start in range(0, RESAMPLES, rows):
        drawn = random.integers(0, num, (min(rows, RESAMPLES - start), num))
        means.append(scores_N[drawn].mean(axis=1))
    return np.concatenate(means)


def _check(name: str, values: NDArray[np.float64]) -> None:
    if not len(values):
        raise UsageError(f"{name} needs one sample at least; there is none")
    if not np.isfinite(values).all():
        raise UsageError(f"{name} is no number for {int((~np.isfinite(values)).sum())} of {len(values)} samples")


def _ends(values: NDArray[np.float64]) -> tuple[float, float]:
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
