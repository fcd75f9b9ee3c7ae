"""Intervals cover, and the paired test errs as often as it says."""

import numpy as np
import pytest

from seesay.base.errors import UsageError
from seesay.evaluation.measure import RESAMPLES, difference, function_of, mean_of, statistic_of


def test_the_interval_of_a_mean_covers_the_truth_as_often_as_it_says():
    random = np.random.default_rng(0)
    draws = [mean_of("x", random.random(80) < 0.7, seed=seed) for seed in range(300)]
    covered = np.mean([one.low <= 0.7 <= one.high for one in draws])
    assert 0.90 <= covered <= 0.98
    assert np.mean([one.high - one.low for one in draws]) == pytest.approx(2 * 1.96 * (0.21 / 80) ** 0.5, rel=0.1)


def test_a_statistic_that_is_the_mean_has_the_interval_of_the_mean():
    scores = np.random.default_rng(0).random(200)
    one, other = mean_of("x", scores), statistic_of("x", lambda drawn: float(scores[drawn].mean()), 200)
    assert other.value == one.value
    assert (other.low, other.high) == pytest.approx((one.low, one.high), abs=0.01)


def test_a_mean_over_many_samples_is_the_same_in_blocks(monkeypatch):
    scores = np.random.default_rng(0).random(500)
    whole = mean_of("x", scores)
    monkeypatch.setattr("seesay.evaluation.measure._AT_ONCE", 3000)
    assert mean_of("x", scores) == whole


def test_draws_of_which_there_is_no_figure_are_left_out():
    one = statistic_of("x", lambda drawn: float("nan") if 0 not in drawn else 1.0, 4)
    assert (one.value, one.low, one.high) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("scores", [[], [0.5, np.nan], [np.inf, 1.0]])
def test_no_sample_and_what_is_no_number_are_errors(scores):
    with pytest.raises(UsageError, match=r"my figure (needs one sample|is no number for 1 of 2)"):
        mean_of("my figure", np.array(scores))


def test_a_statistic_of_nothing_or_that_is_no_number_is_an_error():
    with pytest.raises(UsageError, match="one sample"):
        statistic_of("x", lambda drawn: 1.0, 0)
    with pytest.raises(UsageError, match="no number"):
        statistic_of("x", lambda drawn: float("nan"), 3)


def test_two_equal_models_are_told_apart_as_often_as_the_p_value_says():
    random = np.random.default_rng(0)
    p_values = np.array(
        [
            difference(mean_of("x", random.random(60) < 0.5), mean_of("x", random.random(60) < 0.5), seed=seed).p_value
            for seed in range(300)
        ]
    )
    assert 0.015 <= (p_values <= 0.05).mean() <= 0.08
    assert (p_values <= 0.5).mean() == pytest.approx(0.45, abs=0.12)


def test_a_p_value_is_1_of_the_same_and_least_of_what_lies_far_apart():
    worse, better = mean_of("x", np.zeros(40)), mean_of("x", np.ones(40))
    same, apart = difference(better, better), difference(better, worse)
    assert (same.value, same.low, same.high, same.p_value) == (0.0, 0.0, 0.0, 1.0)
    assert (apart.value, apart.p_value, apart.num_samples) == (1.0, 1 / (RESAMPLES + 1), 40)
    assert difference(worse, better).value == -1.0


def test_the_p_value_of_few_is_that_of_all_their_signs():
    one, other = mean_of("x", np.array([1.0] * 5 + [0] * 5)), mean_of("x", np.zeros(10))
    assert difference(one, other).p_value == pytest.approx(2 / 32, abs=0.025)  # 5 of 5: 2 of 32 sign patterns


def test_pairing_narrows_what_two_models_share():
    random = np.random.default_rng(0)
    shared = (random.random(400) < 0.5).astype(float)
    better = np.where(random.random(400) < 0.05, 1.0, shared)
    paired = difference(mean_of("x", better), mean_of("x", shared))
    apart = function_of("x", [mean_of("x", better), mean_of("x", shared)], lambda values: float(values[0] - values[1]))
    assert paired.value == pytest.approx(apart.value)
    assert paired.high - paired.low < 0.5 * (apart.high - apart.low)
    assert paired.p_value < 0.05


def test_other_samples_cannot_be_paired():
    with pytest.raises(UsageError, match="paired"):
        difference(mean_of("x", np.ones(3)), mean_of("x", np.ones(4)))
    with pytest.raises(UsageError, match="paired"):
        difference(mean_of("x", np.ones(3)), statistic_of("x", lambda drawn: 1.0, 3))
    with pytest.raises(UsageError, match="scores"):
        function_of("x", [], lambda values: 0.0)
