"""Names, kinds and definitions become rows of a regression."""

import numpy as np
import pytest

from seesay.training import alignment
from seesay.training.wordnet import WordNet

# 00000001 thing > 00000002 animal > 00000003 cat, 00000004 dog; 00000005 rock is an instance of thing
NOUNS = """\
  1 This line is part of a licence.
00000001 03 n 01 thing 0 000 | what there is
00000002 05 n 02 animal 0 beast 0 001 @ 00000001 n 0000 | a living thing; "animals move"
00000003 05 n 01 cat 0 001 @ 00000002 n 0000 | it purrs
00000004 05 n 02 dog 0 domestic_dog 0 002 @ 00000002 n 0000 ~ 00000009 n 0000 | it barks
00000005 17 n 01 rock 0 001 @i 00000001 n 0000 | it lies there
"""
CLASSES = {"n00000003": "cat", "n00000004": "dog (pet)", "n00000005": "rock"}


@pytest.fixture
def wordnet(tmp_path):
    (tmp_path / "data.noun").write_text(NOUNS)
    return WordNet.read(tmp_path)


def test_synsets_are_read(wordnet):
    dog = wordnet["n00000004"]
    assert dog.names == ("dog", "domestic dog")
    assert wordnet["n00000002"].gloss == "a living thing"  # without the example
    assert (dog.domain, dog.parents) == (5, ("n00000002",))
    assert len(list(wordnet)) == 5
    with pytest.raises(KeyError):
        wordnet["n00000009"]


def test_ancestors_have_distances_and_instances_have_kinds(wordnet):
    assert wordnet.ancestors("n00000004") == {"n00000002": 1, "n00000001": 2}
    assert wordnet.ancestors("n00000005") == {"n00000001": 1}


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


def test_the_plainest_name_of_a_class_counts_most(wordnet):
    concepts = alignment.find_concepts(wordnet, CLASSES, max_classes=2)
    texts, owners, weights = alignment.concept_rows(concepts, kind_weight=0.5, other_weight=0.1)
    counts = {(concepts[owner].name, text): weight for text, owner, weight in zip(texts, owners, weights, strict=True)}
    assert counts["dog", "a photo of a dog"] == pytest.approx(1)
    assert counts["dog", "a photo of a domestic dog"] == pytest.approx(0.1)
    assert counts["dog", "it barks"] == pytest.approx(0.1)
    assert counts["animal", "a photo of an animal"] == pytest.approx(0.5)
    assert counts["animal", "a photo of a beast"] == pytest.approx(0.05)


@pytest.mark.parametrize(("one", "many"), [("dog", "dogs"), ("fox", "foxes"), ("pony", "ponies"), ("ray", "rays")])
def test_plurals(one, many):
    assert alignment.plural(one) == many


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
