"""Calibration errors by the book, temperatures that are found again, and what rejecting brings."""

import itertools

import numpy as np
import pytest
from evaluations import MadePictures, MadeView, several_labels, unit
from hypothesis import given
from hypothesis import strategies as st

from seesay.base.errors import UsageError
from seesay.evaluation.calibration import (
    calibration,
    confidence,
    count_bins,
    equal_mass,
    equal_width,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    rejection_curve,
)
from seesay.evaluation.dataset import Dataset, Labels


def softmax(logits):
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def drawn(num=4000, classes=6, temperature=1.0, seed=0):
    """Logits, and labels that are drawn by their softmax at a temperature: calibrated there and nowhere else."""
    random = np.random.default_rng(seed)
    logits = 2 * random.normal(size=(num, classes))
    probabilities = softmax(logits / temperature)
    labels = (probabilities.cumsum(axis=1) < random.random((num, 1))).sum(axis=1)
    return logits, np.minimum(labels, classes - 1)


def by_the_book(confidences, hits, ends):
    """One bin at a time, as the definition has it."""
    error = 0.0
    for place, (lower, upper) in enumerate(itertools.pairwise(ends)):
        inside = [n for n, value in enumerate(confidences) if lower < value <= upper or (place == 0 and value <= lower)]
        if inside:
            accuracy, mean = np.mean([hits[n] for n in inside]), np.mean([confidences[n] for n in inside])
            error += len(inside) / len(hits) * abs(accuracy - mean)
    return error


@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(1, 20))
def test_the_error_is_that_of_the_definition(seed, num, num_bins):
    random = np.random.default_rng(seed)
    confidences = random.integers(0, 21, num) / 20  # many lie on an end of a bin
    hits = random.integers(0, 2, num).astype(float)
    ends = equal_width(num_bins)
    assert expected_calibration_error(confidences, hits, ends) == pytest.approx(by_the_book(confidences, hits, ends))
    bins = count_bins(confidences, hits, ends)
    assert bins["count"].sum() == num
    full = bins[bins["count"] > 0]
    error = (full["count"] * np.abs(full["accuracy"] - full["confidence"])).sum() / num
    assert error == pytest.approx(expected_calibration_error(confidences, hits, ends))


def test_bins_of_equal_mass_hold_as_many_each():
    random = np.random.default_rng(0)
    confidences = random.random(150) ** 3
    assert count_bins(confidences, np.ones(150), equal_mass(confidences, 15))["count"].tolist() == [10] * 15


def test_confidence_and_loss_are_those_of_a_softmax():
    logits, labels = drawn(50)
    probabilities = softmax(logits)
    np.testing.assert_allclose(confidence(logits), probabilities.max(axis=1))
    expected = -np.log(probabilities[np.arange(50), labels])
    np.testing.assert_allclose(negative_log_likelihood(logits, labels), expected)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_labels_were_drawn_at_is_found(temperature):
    logits, labels = drawn(8000, temperature=temperature)
    found = fit_temperature(logits, labels)
    assert found == pytest.approx(temperature, rel=0.08)
    best = negative_log_likelihood(logits / found, labels).mean()
    for near in (0.98, 1.02):
        assert negative_log_likelihood(logits / (near * found), labels).mean() > best


def test_a_temperature_has_an_end_where_likelihood_has_none():
    assert fit_temperature(np.eye(3), np.arange(3)) < 2e-3  # all are right at once; float64 sees no more
    assert fit_temperature(np.eye(3), np.array([1, 2, 0])) == pytest.approx(1e4, rel=1e-3)


def test_rejecting_the_unsure_answers_the_rest():
    curve = rejection_curve(np.array([0.9, 0.2, 0.7, 0.5]), np.array([1.0, 0.0, 1.0, 0.0]))
    assert curve["coverage"].tolist() == [0.25, 0.5, 0.75, 1.0]
    np.testing.assert_allclose(curve["accuracy"], [1, 1, 2 / 3, 1 / 2])
    same = rejection_curve(np.full(4, 0.5), np.array([1.0, 0.0, 1.0, 0.0]))
    assert same["accuracy"].tolist() == [0.5] * 4  # who comes first among equals says nothing


def view(scale, noise=0.5, num=1200, seed=0):
    names = tuple(f"thing {letter}" for letter in "abcdefghij")
    labels = np.arange(num) % 10
    images = unit(np.eye(10)[labels] + noise * np.random.default_rng(seed).normal(size=(num, 10)))
    dataset = Dataset(name="made", pictures=MadePictures(num), labels=Labels(classes=names, labels=labels))
    made = MadeView(dataset, images, lambda text: np.eye(10)[[name in text for name in names].index(True)])
    made.scale = scale
    return made


def test_a_temperature_mends_a_scale_that_is_too_high_and_no_order():
    result = calibration(view(scale=60.0))
    values = {measure.name: measure.value for measure in result.measures}
    assert values["ece"] > 0.1
    assert values["ece_with_temperature"] < 0.05
    assert result.details["temperature"] > 2
    assert result.details["nll_with_temperature"] < result.details["nll"]
    cold, warm = (calibration(view(scale=scale)) for scale in (60.0, 10.0))
    # the scale changes neither what is right nor, by the cosine, what is known
    assert cold.details["bins"]["count"].sum() == warm.details["bins"]["count"].sum() == 1200
    assert cold.measures[-1].value == warm.measures[-1].value
    assert cold.details["temperature"] / warm.details["temperature"] == pytest.approx(6, rel=1e-3)


def test_pictures_of_classes_off_the_list_score_lower():
    result = calibration(view(scale=20.0, noise=0.2))
    values = {measure.name: measure.value for measure in result.measures}
    assert 0.9 < values["known_auroc"] <= 1
    assert 0.9 < values["known_auroc_cosine"] <= 1
    accuracy = result.details["rejection"]["accuracy"]
    assert accuracy[len(accuracy) // 4] > 0.95
    assert accuracy[-1] == pytest.approx(0.5, abs=0.02)  # half of the classes are off the list


def test_unreadable_pictures_have_no_confidence():
    whole, broken = view(20.0), view(20.0)
    broken._images[:100] = 0
    assert calibration(broken).details["bins"]["count"].sum() == 1100
    assert calibration(whole).measures[0].num_samples == 1200
    broken._images[:] = 0
    with pytest.raises(UsageError, match="no picture that could be read"):
        calibration(broken)


def test_one_picture_has_an_error_and_no_unknown_class():
    result = calibration(view(20.0, num=1))
    assert [measure.name for measure in result.measures] == ["ece", "ece_equal_mass", "ece_with_temperature"]
    assert 0 <= result.measures[0].value <= 1


def test_what_calibration_needs():
    labels = several_labels()
    with pytest.raises(UsageError, match="no single label a picture"):
        calibration(MadeView(labels, np.ones((40, 4), np.float32), None))
    with pytest.raises(UsageError, match="one bin at least"):
        calibration(view(20.0), num_bins=0)
    with pytest.raises(UsageError, match="lies between 0 and 1"):
        calibration(view(20.0), left_out=1.0)
