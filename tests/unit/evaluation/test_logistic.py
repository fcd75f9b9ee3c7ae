"""Fits end where the derivative of what they minimise is zero, and say what they cannot be made of."""

import numpy as np
import pytest

from seesay.base.errors import UsageError
from seesay.evaluation.examples import NumpyExamples, TorchExamples
from seesay.evaluation.logistic import Regression

C = 4


def numbers(num, dim, seed=0):
    random = np.random.default_rng(seed)
    labels = np.arange(num) % C
    features = random.normal(size=(num, dim)) @ np.diag(0.9 ** np.arange(dim))  # correlated, as features are
    features[:, :C] += np.eye(C)[labels]
    return (features + 3).astype(np.float32), labels


def marks(num, dim, seed=0):
    features, labels = numbers(num, dim, seed)
    found = np.eye(C, dtype=bool)[labels]
    found[::3, 1] = True
    return features, found


KINDS = {"one label": numbers, "several": marks}


def objective(weights, bias, features, labels, strength, offset=0.0):
    """Value and derivative by the weights and the bias, in float64 and by the book."""
    logits = features.astype(np.float64) @ weights + bias + offset
    if labels.dtype == bool:
        probabilities, truth = 1 / (1 + np.exp(-logits)), labels
        loss = np.logaddexp(0, np.where(labels, -logits, logits)).sum()
    else:
        logits -= logits.max(axis=1, keepdims=True)
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        truth = np.eye(C)[labels]
        loss = -np.log(probabilities[np.arange(len(labels)), labels]).sum()
    error = probabilities - truth
    by_weights = features.T.astype(np.float64) @ error + strength * weights
    return loss + strength / 2 * np.square(weights).sum(), by_weights, error.sum(axis=0)


@pytest.mark.parametrize("shape", [(200, 8), (30, 50)], ids=["many examples", "many features"])
@pytest.mark.parametrize("strength", [1e4, 1.0, 1e-3])
@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_ends_where_the_derivative_is_zero(kind, strength, shape):
    features, labels = KINDS[kind](*shape)
    fit = Regression(features, labels, C).fit(strength, tolerance=1e-10)
    weights, bias = fit.classifier.weights, fit.classifier.bias
    value, by_weights, by_bias = objective(weights, bias, features, labels, strength)
    assert fit.objective * len(labels) == pytest.approx(value, rel=1e-4)
    at_nothing = objective(0 * weights, 0 * bias, features, labels, strength)
    allowed = 1e-3 * max(np.abs(at_nothing[1]).max(), np.abs(at_nothing[2]).max(), 1)  # float32 products
    assert max(np.abs(by_weights).max(), np.abs(by_bias).max()) < allowed
    random = np.random.default_rng(1)
    for _ in range(5):  # and no place near is lower
        step = 0.01 * np.linalg.norm(weights) * random.normal(size=weights.shape)
        assert objective(weights + step, bias, features, labels, strength)[0] >= value * (1 - 1e-7)


def test_the_stronger_the_regularisation_the_shorter_the_weights():
    regression = Regression(*numbers(100, 6), C)
    lengths = [np.linalg.norm(regression.fit(strength).classifier.weights) for strength in (1e3, 1e1, 1e-1, 1e-3)]
    assert lengths == sorted(lengths)
    assert lengths[0] < 0.1 * lengths[-1]


@pytest.mark.parametrize("shape", [(120, 10), (12, 40)])
def test_where_a_fit_starts_does_not_matter(shape):
    features, labels = numbers(*shape)
    cold = Regression(features, labels, C).fit(0.1, tolerance=1e-10)
    regression = Regression(features, labels, C)
    for strength in (1e3, 1.0):
        regression.fit(strength)
    warm = regression.fit(0.1, tolerance=1e-10)
    half = len(labels) // 2
    other = Regression(features[:half], labels[:half], C).fit(5.0).classifier
    given = Regression(features, labels, C).fit(0.1, start=other, tolerance=1e-10)
    for fit in (warm, given):
        np.testing.assert_allclose(fit.classifier.score(features), cold.classifier.score(features), atol=2e-2)


def fitted_scores(features, labels, strength, shown):
    return Regression(features, labels, C).fit(strength, tolerance=1e-10).classifier.score(shown)


def test_the_place_of_the_origin_and_the_order_do_not_matter():
    features, labels = numbers(90, 7)
    scores = fitted_scores(features, labels, 0.5, features)
    np.testing.assert_allclose(fitted_scores(features + 20, labels, 0.5, features + 20), scores, atol=1e-2)
    order = np.random.default_rng(0).permutation(90)
    np.testing.assert_allclose(fitted_scores(features[order], labels[order], 0.5, features), scores, atol=1e-2)


def test_longer_features_need_a_stronger_regularisation_by_the_square():
    features, labels = numbers(90, 7)
    scores = fitted_scores(features, labels, 0.5, features)
    np.testing.assert_allclose(fitted_scores(10 * features, labels, 50.0, 10 * features), scores, atol=1e-2)


def test_a_fit_is_drawn_towards_the_offset():
    features, labels = numbers(80, 6)
    offset = np.random.default_rng(2).normal(size=(80, C)).astype(np.float32)
    regression = Regression(features, labels, C, offset=offset)
    assert np.abs(regression.fit(1e9).classifier.weights).max() < 1e-6
    free = regression.fit(1.0, tolerance=1e-10).classifier
    _, by_weights, by_bias = objective(free.weights, free.bias, features, labels, 1.0, offset)
    assert max(np.abs(by_weights).max(), np.abs(by_bias).max()) < 0.05


def test_features_that_say_nothing_leave_the_shares_of_the_classes():
    labels = np.array([0, 0, 0, 1])
    fit = Regression(np.full((4, 3), 0.1, np.float32), labels, 2).fit(1.0)
    assert not fit.classifier.weights.any()
    assert fit.loss == pytest.approx(-0.75 * np.log(0.75) - 0.25 * np.log(0.25), abs=1e-6)
    assert fit.has_converged


def test_a_fit_that_may_take_no_steps_says_that_it_has_not_converged():
    assert not Regression(*numbers(60, 8), C).fit(1e-3, max_steps=2).has_converged


@pytest.mark.parametrize("kind", KINDS)
def test_residuals_are_exact_where_an_example_is_surely_right(kind):
    features, labels = KINDS[kind](C, C)
    examples = NumpyExamples(features, labels, C)
    truth = labels if labels.dtype == bool else np.eye(C, dtype=bool)[labels]
    loss, residuals = examples.judge(np.where(truth, 20, -20).astype(np.float32))
    assert 0 < loss < 1e-7
    assert (residuals[truth] < 0).all()
    assert (residuals[truth] > -1e-7).all()


@pytest.mark.parametrize("kind", KINDS)
def test_torch_computes_what_numpy_does(kind):
    pytest.importorskip("torch", reason="torch is not installed")
    features, labels = KINDS[kind](50, 6)
    random = np.random.default_rng(0)
    offset = random.normal(size=(50, C)).astype(np.float32)
    weights = 5 * random.normal(size=(6, C))
    ours = NumpyExamples(features, labels, C, offset)
    theirs = TorchExamples(features, labels, offset, device="cpu")
    found = []
    for examples in (ours, theirs):
        logits = examples.add(examples.multiply(weights), 0.5, examples.multiply(weights[::-1]))
        loss, residuals = examples.judge(logits)
        found.append((loss, residuals, examples.slope(residuals, logits), examples.gradient(residuals)))
        found[-1] += examples.curvature(residuals)
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(np.asarray(other), one, rtol=2e-4, atol=2e-5)


def test_a_device_that_is_not_there():
    pytest.importorskip("torch", reason="torch is not installed")
    with pytest.raises(UsageError, match="a probe cannot run on 'nonsense'"):
        Regression(*numbers(20, 5), C, device="nonsense")


@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        (np.zeros((0, 3), np.float32), np.zeros(0, np.int64), r"of shape \(N, D\)"),
        (np.zeros((4, 3), np.float32), np.array([0, 1, 2]), "3 labels for the features of 4 pictures"),
        (np.full((4, 3), np.nan, np.float32), np.arange(4), "4 of 4 pictures are no numbers"),
        (np.zeros((4, 3), np.float32), np.array([0, 1, 2, 4]), "labels go from 0 to 4, but there are 4 classes"),
        (np.zeros((4, 3), np.float32), np.array([0, 1, 1, 3]), "1 of 4 classes have no picture.*class 2"),
        (np.zeros((1, 3), np.float32), np.array([0]), "3 of 4 classes have no picture"),
        (np.zeros((4, 3), np.float32), np.ones((4, 4), bool), "4 of 4 classes have no picture with and one without"),
        (np.zeros((4, 3), np.float32), np.ones((4, 3), bool), "marks of shape"),
    ],
)
def test_what_nothing_can_be_fitted_on(features, labels, message):
    with pytest.raises(UsageError, match=message):
        Regression(features, labels, 4)


def test_one_class_is_too_few_and_a_strength_is_positive():
    with pytest.raises(UsageError, match="two classes at least"):
        Regression(np.zeros((4, 3), np.float32), np.zeros(4, np.int64), 1)
    with pytest.raises(UsageError, match="must be a positive number, got 0"):
        Regression(*numbers(20, 5), C).fit(0)
    with pytest.raises(UsageError, match="takes features of 5 numbers"):
        Regression(*numbers(20, 5), C).fit(1).classifier.score(np.zeros((2, 4), np.float32))
