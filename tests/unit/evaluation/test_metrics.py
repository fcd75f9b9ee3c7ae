"""Metrics: ties, what could not be read, and what they refuse. tests/parity has the figures themselves."""

import numpy as np
import pytest

from seesay.base.errors import UnknownNameError, UsageError
from seesay.evaluation.metrics import METRICS, accuracy, judge, measure_metric, top

SEVERAL = ("map_11_point", "mean_average_precision")


def made(name, num=36):
    """Scores that say the truth, and labels that the metric takes."""
    num_classes = 2 if name == "roc_auc" else 6
    labels = np.arange(num) % num_classes
    marks = np.eye(num_classes, dtype=bool)[labels]
    return marks.astype(np.float32), marks if name in SEVERAL else labels


@pytest.mark.parametrize("name", METRICS)
def test_a_picture_that_could_not_be_read_lowers_every_metric_whatever_its_scores(name):
    scores, labels = made(name)
    unreadable = np.arange(len(scores)) == 3
    lowered = measure_metric(name, judge(scores, labels, unreadable=unreadable)).value
    assert lowered < measure_metric(name, judge(scores, labels)).value == 1.0
    scores[3] = 0
    assert measure_metric(name, judge(scores, labels, unreadable=unreadable)).value == lowered


@pytest.mark.parametrize("name", METRICS)
def test_no_metric_depends_on_the_order_of_pictures_or_classes(name):
    scores, labels = made(name)
    random = np.random.default_rng(0)
    scores = np.round(scores + random.normal(size=scores.shape), 1).astype(np.float32)
    expected = measure_metric(name, judge(scores, labels)).value
    order = random.permutation(len(scores))
    assert measure_metric(name, judge(scores[order], labels[order])).value == pytest.approx(expected, abs=1e-12)
    if name != "roc_auc":
        classes = random.permutation(scores.shape[1])
        moved = labels[:, classes] if labels.ndim == 2 else np.argsort(classes)[labels]
        assert measure_metric(name, judge(scores[:, classes], moved)).value == pytest.approx(expected, abs=1e-12)


def test_a_tie_is_shared_out():
    scores = np.array([[1, 1, 0, 0], [0, 1, 1, 1], [2, 1, 1, 1]], np.float32)
    judged = judge(scores, np.array([0, 1, 3]))
    np.testing.assert_allclose(top(judged, 1), [1 / 2, 1 / 3, 0])
    np.testing.assert_allclose(top(judged, 2), [1, 2 / 3, 1 / 3])
    assert accuracy(judged, k=4).value == 1.0


@pytest.mark.parametrize("name", METRICS)
def test_the_other_kind_of_labels_is_refused(name):
    scores, labels = made(name)
    other = labels.argmax(axis=1) if name in SEVERAL else np.eye(scores.shape[1], dtype=bool)[labels]
    with pytest.raises(UsageError, match=r"these have several|several labels"):
        measure_metric(name, judge(scores, other))


@pytest.mark.parametrize("name", ["mean_per_class", "roc_auc", *SEVERAL])
def test_a_class_without_a_picture_is_refused(name):
    scores, labels = made(name)
    keep = ~labels[:, 1] if labels.ndim == 2 else labels != 1
    with pytest.raises(UsageError, match=r"class 1|of one only"):
        measure_metric(name, judge(scores[keep], labels[keep]))


def test_what_does_not_fit_is_refused():
    scores = np.ones((3, 2), np.float32)
    for labels, match in ((np.array([0, 1]), "2 labels for 3"), (np.array([0, 1, 2]), "from 0 to 2, but there are 2")):
        with pytest.raises(UsageError, match=match):
            judge(scores, labels)
    with pytest.raises(UsageError, match="do not fit"):
        judge(scores, np.ones((3, 3), bool))
    with pytest.raises(UsageError, match="must be numbers"):
        judge(scores * np.nan, np.array([0, 1, 1]))
    with pytest.raises(UsageError, match="one picture"):
        judge(scores[:0], np.array([], np.int64))
    with pytest.raises(UnknownNameError, match="did you mean accuracy"):
        measure_metric("acuracy", judge(scores, np.array([0, 1, 1])))
