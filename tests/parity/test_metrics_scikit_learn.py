"""The paper's metrics against scikit-learn's, and the 11-point precision against its definition written out."""

import numpy as np
import pytest

from seesay.evaluation.metrics import judge, map_11_point, mean_average_precision, mean_per_class, roc_auc

sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")


def made(seed, num=120, num_classes=5, levels=None):
    """Scores that know something of the marks; with `levels` many of them are equal."""
    random = np.random.default_rng(seed)
    marks = random.random((num, num_classes)) < random.uniform(0.05, 0.5, num_classes)
    marks[np.arange(num_classes), np.arange(num_classes)] = True
    scores = random.normal(size=marks.shape) + marks
    if levels:
        scores = np.round(scores * levels) / levels
    return scores.astype(np.float32), marks


def eleven_points(scores, marks):
    """VOC 2007: of each recall 0, 0.1 ... 1 the best precision at that recall or more; no two scores are equal."""
    found = []
    for column, right in zip(scores.T, marks.T, strict=True):
        ordered = right[np.argsort(-column)]
        points = []
        for tenths in range(11):
            best = 0.0
            for seen in range(1, len(ordered) + 1):
                num_right = int(ordered[:seen].sum())
                if 10 * num_right >= tenths * int(right.sum()):  # in whole numbers
                    best = max(best, num_right / seen)
            points.append(best)
        found.append(sum(points) / 11)
    return sum(found) / len(found)


@pytest.mark.parametrize("levels", [None, 2])
@pytest.mark.parametrize("seed", range(3))
def test_the_area_under_the_curve_is_that_of_scikit_learn(seed, levels):
    scores, marks = made(seed, num_classes=2, levels=levels)
    labels = marks[:, 1].astype(np.int64)
    expected = sklearn.roc_auc_score(labels, scores[:, 1].astype(float) - scores[:, 0])
    assert roc_auc(judge(scores, labels)).value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("levels", [None, 2])
@pytest.mark.parametrize("seed", range(3))
def test_mean_average_precision_is_that_of_scikit_learn(seed, levels):
    scores, marks = made(seed, levels=levels)
    expected = sklearn.average_precision_score(marks, scores, average="macro")
    assert mean_average_precision(judge(scores, marks)).value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_mean_over_classes_is_balanced_accuracy(seed):
    scores, marks = made(seed)
    labels = marks.argmax(axis=1)
    expected = sklearn.balanced_accuracy_score(labels, scores.argmax(axis=1))
    assert mean_per_class(judge(scores, labels)).value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_eleven_points_are_those_of_the_definition(seed):
    scores, marks = made(seed)
    assert map_11_point(judge(scores, marks)).value == pytest.approx(eleven_points(scores, marks), abs=1e-12)


def test_a_recall_of_a_tenth_is_reached_by_one_of_ten():
    scores, marks = np.arange(40, 0, -1.0)[:, None], np.zeros((40, 1), bool)
    marks[[0, 3, 5, 9, 12, 20, 21, 30, 35, 39]] = True
    assert map_11_point(judge(scores, marks)).value == pytest.approx(eleven_points(scores, marks), abs=1e-12)
