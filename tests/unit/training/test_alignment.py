"""Classes and their kinds, where they lie, and the space that keeps most of it."""

import numpy as np
import pytest

from seesay.training import alignment

CLASSES = {"n00000003": "cat", "n00000004": "dog (pet)", "n00000005": "rock"}


def test_concepts_are_classes_and_kinds_of_them(wordnet):
    concepts = {concept.name: concept for concept in alignment.find_concepts(wordnet, CLASSES, max_classes=2)}
    assert set(concepts) == {"cat", "dog", "rock", "animal"}  # "thing" has three classes below it
    assert concepts["animal"].classes == (0, 1)
    assert not concepts["animal"].is_class
    assert concepts["dog"].is_class
    assert concepts["dog"].names == ("dog", "domestic dog")  # what stands in brackets is no name


def test_a_class_left_out_is_nowhere(wordnet):
    concepts = alignment.find_concepts(wordnet, CLASSES, max_classes=3, left_out=frozenset({1}))
    assert "dog" not in {name for concept in concepts for name in concept.names}
    assert all(1 not in concept.classes for concept in concepts)


def test_a_kind_looks_like_the_mean_of_its_classes():
    directions = alignment.directions(np.eye(3, dtype=np.float32))
    both = alignment.look_of(alignment.Concept("x", ("x",), "", (0, 1), False), directions)
    assert np.linalg.norm(both) == pytest.approx(1)
    assert both @ directions[0] == pytest.approx(both @ directions[1])
    assert both @ directions[0] > both @ directions[2]


def test_principal_axes_are_orthonormal_and_keep_most():
    rows = np.random.default_rng(0).standard_normal((40, 16)).astype(np.float32) * np.linspace(
        5, 0.1, 16, dtype=np.float32
    )
    axes = alignment.principal_axes(rows, 8)
    np.testing.assert_allclose(axes @ axes.T, np.eye(8), atol=1e-6)
    assert np.square(rows @ axes.T).sum() > 0.85 * np.square(rows).sum()


def test_moments_of_a_clipped_normal_are_those_of_its_samples():
    mean, deviation = np.array([-1.0, 0.5, 5.5], np.float32), np.array([1.0, 2.0, 3.0], np.float32)
    samples = np.clip(mean + deviation * np.random.default_rng(0).standard_normal((200_000, 3)), 0, 6)
    means, variances = alignment.relu6_moments(mean, deviation)
    np.testing.assert_allclose(means, samples.mean(axis=0), atol=0.02)
    np.testing.assert_allclose(variances, samples.var(axis=0), atol=0.04)


def test_first_choices_counts_rows_that_find_their_own():
    looks = np.eye(4, dtype=np.float32)
    assert alignment.first_choices(looks, looks, at_most=1) == 1
    swapped = looks[[1, 0, 2, 3]]
    assert alignment.first_choices(swapped, looks, at_most=1) == 0.5
    assert alignment.first_choices(swapped, looks, at_most=4) == 1


def test_unit_rows_are_float32_of_length_1_whatever_came():
    for dtype in (np.float32, np.float64):
        rows = alignment.unit(np.random.default_rng(0).standard_normal((5, 3)).astype(dtype))
        assert rows.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-6)


def test_directions_forget_what_all_rows_share():
    rows = np.random.default_rng(0).standard_normal((6, 5)).astype(np.float32)
    np.testing.assert_allclose(alignment.directions(rows + 3), alignment.directions(rows), atol=1e-5)
