"""The probe follows the paper's protocol: what strengths it tries, what it chooses on, what it is fitted on last."""

from dataclasses import replace

import numpy as np
import pytest
from evaluations import MadePictures, MadeView

from seesay.base.errors import UsageError
from seesay.evaluation.dataset import Dataset, Labels
from seesay.evaluation.logistic import Classifier, Fit
from seesay.evaluation.probe import probe, rate, search, set_aside

NAMES = ("ant", "bee", "cat")


def view(num, seed, *, classes=NAMES, spread=0.8, **splits):
    random = np.random.default_rng(seed)
    labels = np.arange(num) % len(classes)
    features = np.eye(len(classes), 6)[labels] + spread * random.normal(size=(num, 6))
    dataset = Dataset(name="made", pictures=MadePictures(num), labels=Labels(classes=classes, labels=labels))
    return MadeView(dataset, features.astype(np.float32), lambda text: np.ones(6), **splits)


def trials(score):
    asked = []

    def fit(strength):
        asked.append(strength)
        return Fit(Classifier(weights=np.zeros((1, 2)), bias=np.zeros(2)), strength, 0.0, 0.0, 0, True)

    return search(fit, lambda found: score(np.log10(found.strength))), asked


@pytest.mark.parametrize("peak", [-6, -3.3, 0.1, 2, 4.9, 6])
def test_the_search_ends_within_an_eighth_of_a_decade_of_the_peak(peak):
    found, asked = trials(lambda place: -abs(place - peak))
    np.testing.assert_allclose(np.log10(asked[:7]), [6, 4, 2, 0, -2, -4, -6])
    assert len(asked) == len(set(asked)) <= 15
    assert 1e-6 <= min(asked) <= max(asked) <= 1.0001e6
    best = max(found, key=lambda trial: trial.score)
    assert abs(np.log10(best.fit.strength) - peak) <= 1 / 16 + 1e-9
    strengths = [trial.fit.strength for trial in found]
    assert strengths == sorted(strengths, reverse=True)


def test_of_equals_the_stronger_is_searched_around():
    _, asked = trials(lambda place: float(abs(place) < 3))
    assert np.log10(asked[7:]).min() >= 0.9


def test_each_class_gives_the_same_share_to_be_set_aside_and_keeps_its_last():
    labels = np.repeat([0, 1, 2, 3], [50, 10, 2, 1])
    aside = set_aside(labels, seed=3)
    assert np.bincount(labels[aside], minlength=4).tolist() == [10, 2, 1, 0]
    assert np.array_equal(aside, set_aside(labels, seed=3))
    assert not np.array_equal(aside, set_aside(labels, seed=4))


def test_marks_set_aside_leave_every_class_a_picture():
    marks = np.eye(6, dtype=bool)[np.arange(60) % 6]
    marks[:, 5] = False
    marks[7, 5] = True
    aside = set_aside(marks)
    assert 6 <= aside.sum() <= 12
    assert not aside[7]
    assert marks[~aside].any(axis=0).all()


def test_a_probe_learns_what_the_features_say():
    result = probe(view(90, 0, train=view(240, 1), validation=view(60, 2)))
    assert 0.6 < result.measures[0].value < 1
    assert result.measures[0].chance == pytest.approx(1 / 3)
    details = result.details
    assert (details["num_train"], details["num_validation"]) == (240, 60)
    assert details["has_converged"]
    best = max(details["search"], key=lambda row: (row["score"], row["strength"]))
    assert best["strength"] == details["strength"]


def test_without_a_validation_split_a_part_of_the_training_split_stands_in():
    details = probe(view(30, 0, train=view(150, 1))).details
    assert (details["num_train"], details["num_validation"]) == (120, 30)


def test_the_last_fit_is_of_training_and_validation_split():
    # a class that only looks the same in the validation split: without it, half of the answers would be wrong
    train, validation = view(30, 1, spread=0), view(300, 2, spread=0)
    validation._features[validation.dataset.labels.labels == 0] = [0, 0, 0, 0, 0, 1]
    test = view(30, 0, spread=0, train=train, validation=validation)
    test._features[test.dataset.labels.labels == 0] = [0, 0, 0, 0, 0, 1]
    assert probe(test).measures[0].value == 1


def test_a_picture_that_could_not_be_read_is_wrong():
    test = view(30, 0, spread=0, train=view(90, 1, spread=0.1))
    test._features[4] = 0
    assert probe(test).measures[0].value == pytest.approx(29 / 30)


def test_a_metric_per_class_chooses_by_it():
    labels = np.array([0] * 9 + [1])
    scores = np.array([[1, 0]] * 10, np.float32)
    assert rate(scores, labels) == 0.9
    assert rate(scores, labels, metric="mean_per_class") == 0.5
    assert rate(scores[:, ::-1], np.eye(2, dtype=bool)[labels]) == pytest.approx((1 + 0.1) / 2)


def test_splits_that_do_not_match_are_an_error():
    with pytest.raises(UsageError, match="no training split"):
        probe(view(30, 0))
    with pytest.raises(UsageError, match="the splits of made do not match"):
        probe(view(30, 0, train=view(30, 1, classes=("bee", "ant", "cat"))))
    with pytest.raises(UsageError, match="1 of 3 classes have no picture"):
        probe(view(30, 0, train=view(2, 1)))
    with pytest.raises(UsageError, match="no class of its training split has two pictures"):
        probe(view(30, 0, train=view(3, 1)))
    train = view(30, 1)
    train.dataset = replace(train.dataset, labels=replace(train.dataset.labels, labels=np.arange(29) % 3))
    with pytest.raises(UsageError, match="29 labels for 30 pictures"):
        probe(view(30, 0, train=train))
