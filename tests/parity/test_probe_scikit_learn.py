"""The probe reaches scikit-learn's optimum, on made and on real features; calibration bins are scikit-learn's."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sklearn = pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn.calibration import calibration_curve  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.metrics import average_precision_score  # noqa: E402

from seesay.encoders import load  # noqa: E402
from seesay.evaluation.calibration import count_bins, equal_width  # noqa: E402
from seesay.evaluation.logistic import Regression  # noqa: E402
from seesay.evaluation.probe import rate  # noqa: E402

CIFAR = Path(__file__).parents[2].parent / "shared/data/cifar10-test-2000.tar"
STRENGTHS = (1e4, 1e2, 1.0, 1e-2)


def made(num, dim, num_classes, seed=0):
    random = np.random.default_rng(seed)
    labels = np.arange(num) % num_classes
    mixing = random.normal(size=(dim, dim)) * (1 + np.arange(dim)) ** -0.7
    features = (random.normal(size=(num, dim)) + 0.8 * random.normal(size=(num_classes, dim))[labels]) @ mixing + 1
    return features.astype(np.float32), labels


def theirs(features, labels, strength):
    """scikit-learn's classifier and its mean loss, in float64, until nothing changes."""
    model = LogisticRegression(C=1 / strength, max_iter=20_000, tol=1e-8).fit(features.astype(np.float64), labels)
    probabilities = model.predict_proba(features.astype(np.float64))
    return model, -np.log(probabilities[np.arange(len(labels)), np.searchsorted(model.classes_, labels)]).mean()


def compare(features, labels, num_classes, test, test_labels):
    regression = Regression(features, labels, num_classes)
    for strength in STRENGTHS:
        fit = regression.fit(strength)
        model, loss = theirs(features, labels, strength)
        penalty = strength / 2 / len(labels) * np.square(model.coef_).sum()
        assert fit.has_converged
        assert fit.loss == pytest.approx(loss, abs=1e-4)
        assert fit.objective == pytest.approx(loss + penalty, abs=1e-5)
        right = (fit.classifier.score(test).argmax(axis=1) == test_labels).mean()
        # one picture on the border of two classes may fall to the other side
        assert right == pytest.approx(model.score(test.astype(np.float64), test_labels), abs=max(1e-3, 1 / len(test)))


def test_the_optimum_is_that_of_scikit_learn():
    features, labels = made(900, 24, 6)
    compare(features[:600], labels[:600], 6, features[600:], labels[600:])


def test_it_is_on_real_features():
    if not CIFAR.is_file():
        pytest.skip(f"{CIFAR.name} is not there")
    pictures, labels = [], []
    with tarfile.open(CIFAR) as tar:
        for member in tar:
            content = tar.extractfile(member).read()
            if member.name.endswith(".cls"):
                labels.append(int(content))
            elif member.name.endswith(".jpg"):
                pictures.append(Image.open(io.BytesIO(content)))
            if len(labels) == len(pictures) == 300:
                break
    features, labels = load().encode_features(pictures), np.array(labels)
    compare(features[:200], labels[:200], 10, features[200:], labels[200:])


def test_of_several_labels_each_is_its_own_question():
    features, labels = made(400, 16, 5)
    marks = np.eye(5, dtype=bool)[labels]
    marks[::4, 0] = True
    regression = Regression(features, marks, 5)
    for strength in STRENGTHS:
        fit = regression.fit(strength)
        models, losses = zip(*(theirs(features, mark, strength) for mark in marks.T), strict=True)
        assert fit.loss == pytest.approx(sum(losses), abs=1e-4)
        expected = np.stack([model.decision_function(features.astype(np.float64)) for model in models], axis=1)
        np.testing.assert_allclose(fit.classifier.score(features), expected, atol=0.02 * np.abs(expected).max())


def test_precision_is_that_of_scikit_learn():
    random = np.random.default_rng(0)
    marks, scores = random.random((60, 4)) < 0.3, random.normal(size=(60, 4)).astype(np.float32)
    assert rate(scores, marks) == pytest.approx(average_precision_score(marks, scores, average="macro"))


def test_bins_are_those_of_scikit_learn():
    random = np.random.default_rng(0)
    confidences = random.random(500)
    hits = (random.random(500) < confidences**2).astype(float)
    bins = count_bins(confidences, hits, equal_width(15))
    accuracy, mean = calibration_curve(hits, confidences, n_bins=15, strategy="uniform")
    full = bins[bins["count"] > 0]
    np.testing.assert_allclose(full["accuracy"], accuracy)
    np.testing.assert_allclose(full["confidence"], mean)
