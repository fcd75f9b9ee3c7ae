from fractions import Fraction
from math import comb

import numpy as np
import pytest

from seesay.base.errors import UsageError
from seesay.evaluation.binomial import clopper_pearson, share_of, upper_tail

COUNTS = [(0, 1), (1, 1), (0, 20), (3, 20), (10, 20), (20, 20), (7, 300), (299, 300)]


def exact_tail(successes, trials, probability):
    share = Fraction(probability)
    return float(sum(comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(successes, trials + 1)))


@pytest.mark.parametrize(("successes", "trials"), COUNTS)
@pytest.mark.parametrize("probability", [0.0, 0.03, 0.5, 0.97, 1.0])
def test_the_tail_is_the_sum_of_the_terms(successes, trials, probability):
    expected = exact_tail(successes, trials, probability)
    assert upper_tail(successes, trials, probability) == pytest.approx(expected, rel=1e-9, abs=1e-300)


@pytest.mark.parametrize(("successes", "trials"), COUNTS)
@pytest.mark.parametrize("confidence", [0.95, 0.995])
def test_at_the_ends_of_the_interval_each_tail_is_half_of_what_is_left(successes, trials, confidence):
    low, high = clopper_pearson(successes, trials, confidence=confidence)
    left = (1 - confidence) / 2
    assert 0 <= low <= successes / trials <= high <= 1
    if successes:
        assert exact_tail(successes, trials, low) == pytest.approx(left, rel=1e-6)
    if successes < trials:
        assert 1 - exact_tail(successes + 1, trials, high) == pytest.approx(left, rel=1e-6)


@pytest.mark.parametrize(("successes", "trials"), [*COUNTS, (4321, 50_000), (49_990, 50_000)])
def test_the_interval_is_that_of_the_inverse_beta_function(successes, trials):
    beta = pytest.importorskip("scipy.stats", reason="scipy comes with scikit-learn").beta
    low, high = clopper_pearson(successes, trials, confidence=0.995)
    assert low == pytest.approx(beta.ppf(0.0025, successes, trials - successes + 1) if successes else 0, abs=1e-9)
    assert high == pytest.approx(
        beta.ppf(0.9975, successes + 1, trials - successes) if successes < trials else 1, abs=1e-9
    )


def test_without_trials_nothing_is_known():
    assert clopper_pearson(0, 0) == (0.0, 1.0)
    assert upper_tail(0, 0, 0.5) == 1.0


def test_a_share_of_none_is_not_sure_to_be_none():
    measure = share_of("rare", np.zeros(100, bool))
    assert (measure.value, measure.low) == (0, 0)
    assert measure.high == pytest.approx(1 - 0.025 ** (1 / 100))


def test_what_cannot_be_is_an_error():
    with pytest.raises(UsageError, match="5 successes of 3 trials"):
        clopper_pearson(5, 3)
    with pytest.raises(UsageError, match="confidence"):
        clopper_pearson(1, 3, confidence=1)
    with pytest.raises(UsageError, match="probability"):
        upper_tail(1, 3, 1.5)
    with pytest.raises(UsageError, match="there is none"):
        share_of("rare", np.zeros(0, bool))
