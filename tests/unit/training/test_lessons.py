"""What the text side is taught: which texts, with whose look, and how much each counts."""

import re
import zlib

import numpy as np
import pytest

from seesay.training import alignment
from seesay.training.attributes import ATTRIBUTES
from seesay.training.lessons import STRENGTH, VISIBLE, Shares, find_others, write_lessons
from seesay.training.looks import fit_looks
from seesay.training.phrases import TEMPLATES, phrase

CLASSES = {"n00000003": "cat", "n00000004": "dog (pet)", "n00000005": "rock", "n00000006": "crane"}
WORDS = {"Hund": "dog", "Wolf": "Wolf", "Siegel": "seal", "Idee": "idea", "Katze": "cat"}
D, E = 16, 6
DIRECTIONS = dict(zip(ATTRIBUTES, alignment.unit(np.random.default_rng(1).standard_normal((40, E))), strict=False))
ROWS = alignment.unit(np.random.default_rng(0).standard_normal((len(CLASSES), E)))


def read(texts):
    """A text tower: any numbers, but always the same for a text."""
    return np.stack(
        [np.random.default_rng(zlib.crc32(text.encode())).standard_normal(D).astype(np.float32) for text in texts]
    )


def concepts_of(wordnet, left_out=()):
    concepts = alignment.find_concepts(wordnet, CLASSES, max_classes=3, left_out=frozenset(left_out))
    return concepts, np.stack([alignment.look_of(concept, ROWS) for concept in concepts])


def shares_of(**changes):
    """Shares for a few things, without attributes where a test does not ask for them."""
    return Shares(**{"num_scenes": 40, "attributes": 0, "num_attributes": 400} | changes)


def lessons_of(wordnet, left_out=(), **changes):
    concepts, looks_ME = concepts_of(wordnet, left_out)
    options = {"read": read, "translations": WORDS, "attributes": DIRECTIONS, "shares": shares_of(), "seed": 0}
    return write_lessons(concepts, looks_ME, wordnet, **options | changes)


def phrases(name):
    return {phrase(name, template) for template in TEMPLATES}


def weight_of(lessons, texts):
    return sum(weight for text, weight in zip(lessons.texts, lessons.weights, strict=True) if text in texts)


def looks_of(lessons, texts):
    found = [look for text, look in zip(lessons.texts, lessons.looks, strict=True) if text in texts]
    assert found
    return np.stack(found)


def test_there_is_a_unit_look_and_a_weight_for_every_text(wordnet):
    lessons = lessons_of(wordnet)
    assert len(lessons.texts) == len(lessons.looks) == len(lessons.weights) > 100
    np.testing.assert_allclose(np.linalg.norm(lessons.looks, axis=1), 1, rtol=1e-5)
    assert (lessons.weights > 0).all()
    assert lessons.weights.sum() == pytest.approx(1)


@pytest.mark.parametrize(("others", "languages"), [(2.0, 0.5), (1.0, 3.0), (0.0, 1.0), (2.0, 0.0)])
def test_each_kind_of_text_has_its_share_of_the_weight(wordnet, others, languages):
    known = set(lessons_of(wordnet, shares=shares_of(others=0, languages=0, scenes=0)).texts)
    lessons = lessons_of(wordnet, shares=shares_of(others=others, languages=languages, scenes=0.5))
    total = 1 + others + languages + 0.5
    assert weight_of(lessons, known) == pytest.approx(1 / total)
    assert weight_of(lessons, set(WORDS)) == pytest.approx(languages / total)
    others_only = lessons_of(wordnet, shares=shares_of(others=others, languages=languages, scenes=0))
    nouns = set(others_only.texts) - known - set(WORDS)
    assert weight_of(lessons, nouns) == pytest.approx(others / total)
    scenes = set(lessons.texts) - known - set(WORDS) - nouns
    assert weight_of(lessons, scenes) == pytest.approx(0.5 / total)


def test_synonyms_kinds_and_definitions_count_as_their_shares_say(wordnet):
    lessons = lessons_of(wordnet, shares=shares_of(kind=0.5, synonym=0.25, definition=0.125))
    plainest = weight_of(lessons, phrases("dog"))
    assert weight_of(lessons, phrases("cat")) == pytest.approx(plainest)
    assert weight_of(lessons, phrases("domestic dog")) == pytest.approx(0.25 * plainest)
    assert weight_of(lessons, {"it barks", "dog: it barks"}) == pytest.approx(0.125 * plainest)
    assert weight_of(lessons, phrases("animal")) == pytest.approx(0.5 * plainest)
    assert weight_of(lessons, phrases("beast")) == pytest.approx(0.5 * 0.25 * plainest)


def test_a_class_is_taught_with_its_row_in_every_phrase(wordnet):
    lessons = lessons_of(wordnet)
    assert phrases("dog") <= set(lessons.texts)
    looks = looks_of(lessons, phrases("dog") | phrases("domestic dog") | {"it barks"})
    np.testing.assert_allclose(looks, np.broadcast_to(ROWS[1], looks.shape), atol=1e-6)


def test_a_class_left_out_is_taught_as_any_other_noun_with_a_guessed_look(wordnet):
    lessons = lessons_of(wordnet, left_out={1})
    concepts, looks_ME = concepts_of(wordnet, left_out={1})
    classes = [index for index, concept in enumerate(concepts) if concept.is_class]
    defined = [f"{concepts[index].name}: {concepts[index].gloss}" for index in classes]
    guessed_E = fit_looks(read(defined), looks_ME[classes]).of(read(["dog: it barks"]))[0][0]
    taught = looks_of(lessons, phrases("dog") | phrases("domestic dog") | {"Hund"})
    np.testing.assert_allclose(taught, np.broadcast_to(guessed_E, taught.shape), atol=1e-6)
    assert not {"it barks", "dog: it barks"} & set(lessons.texts)  # of other nouns only the names
    assert (lessons.looks @ ROWS[1]).max() < 0.999


def test_names_of_concepts_are_never_taught_as_other_nouns(wordnet):
    for left_out in ((), (1,), (3,)):
        concepts, _ = concepts_of(wordnet, left_out)
        taken = {name.lower() for concept in concepts for name in concept.names}
        others = [(synset.wnid, name) for synset, names in find_others(wordnet, concepts) for name in names]
        assert len(others) > 3
        assert not taken & {name for _, name in others}
        assert ("n00000007", "derrick") in others
        assert (("n00000007", "crane") in others) == (3 in left_out)  # the machine, once no class is called so


def test_other_nouns_can_be_seen_and_are_called_by_what_means_them_first(wordnet):
    concepts, _ = concepts_of(wordnet)
    others = {synset.wnid: names for synset, names in find_others(wordnet, concepts)}
    assert others["n00000008"] == ["wolf", "grey wolf"]
    assert others["n00000009"] == ["stamp"]  # a seal is an animal first
    assert others["n00000010"] == ["seal"]
    assert "n00000011" not in others  # Paris is a name
    assert "n00000012" not in others  # nobody has seen an idea
    assert all(wordnet[wnid].domain in VISIBLE for wnid in others)


def test_a_scene_is_half_way_between_its_two_things(wordnet):
    plain = set(lessons_of(wordnet, shares=shares_of(scenes=0)).texts)
    lessons = lessons_of(wordnet, shares=shares_of(num_scenes=200))
    concepts, looks_ME = concepts_of(wordnet)
    look = {name: look_E for concept, look_E in zip(concepts, looks_ME, strict=True) for name in concept.names}
    seen = 0
    for text, look_E in zip(lessons.texts, lessons.looks, strict=True):
        if text in plain or not text.startswith("a cat "):
            continue
        other = re.fullmatch(r".*\ban? (.+?)( outside)?", text)[1]
        seen += 1
        np.testing.assert_allclose(look_E, alignment.unit(look["cat"] + look[other]), atol=1e-5)
    assert seen > 5


def test_a_word_of_another_language_looks_like_the_english_one(wordnet):
    lessons = lessons_of(wordnet)
    for word, english in (("Hund", "dog"), ("Katze", "cat"), ("Wolf", "wolf"), ("Siegel", "seal")):
        (look_E,) = looks_of(lessons, {word})
        np.testing.assert_allclose(look_E, looks_of(lessons, phrases(english))[0], atol=1e-6)


def test_a_word_whose_translation_is_not_taught_is_left_out(wordnet):
    assert "Idee" not in lessons_of(wordnet).texts


def test_the_less_sure_a_look_is_the_less_it_counts(wordnet):
    lessons = lessons_of(wordnet)
    assert weight_of(lessons, {"Wolf"}) < weight_of(lessons, {"Hund"}) == weight_of(lessons, {"Katze"})
    concepts, looks_ME = concepts_of(wordnet)
    classes = [index for index, concept in enumerate(concepts) if concept.is_class]
    defined = [f"{concepts[index].name}: {concepts[index].gloss}" for index in classes]
    guess = fit_looks(read(defined), looks_ME[classes])
    surety_M = guess.of(read(["wolf: it howls", "stamp: it is pressed into wax", "seal: it dives"]))[1]
    wolf, seal = (weight_of(lessons, phrases(name)) for name in ("wolf", "seal"))
    assert wolf / seal == pytest.approx((surety_M[0] / surety_M[2]) ** 2, rel=1e-4)


def test_the_seed_decides_which_phrases_are_drawn_and_nothing_else(wordnet):
    one, same, other = (lessons_of(wordnet, seed=seed) for seed in (0, 0, 1))
    assert one.texts == same.texts
    np.testing.assert_array_equal(one.looks, same.looks)
    assert one.texts != other.texts
    plain, drawn = (lessons_of(wordnet, seed=seed, shares=shares_of(scenes=0)) for seed in (0, 1))
    np.testing.assert_array_equal(plain.looks, drawn.looks)
    np.testing.assert_array_equal(plain.weights, drawn.weights)


def test_attributes_have_their_share_and_colours_alone_a_part_of_it(wordnet):
    plain = set(lessons_of(wordnet).texts)
    lessons = lessons_of(wordnet, shares=shares_of(attributes=0.5, alone=0.25))
    described = set(lessons.texts) - plain
    assert weight_of(lessons, described) == pytest.approx(0.5 / (1 + 2.0 + 0.5 + 1.0 + 0.5))
    alone = {text for attribute in ATTRIBUTES.values() for text in attribute.alone}
    assert alone <= described
    assert weight_of(lessons, alone) == pytest.approx(0.25 * weight_of(lessons, described - alone))
    for name, attribute in ATTRIBUTES.items():
        if attribute.alone:
            looks = looks_of(lessons, set(attribute.alone))
            np.testing.assert_allclose(looks, np.broadcast_to(DIRECTIONS[name], looks.shape), atol=1e-6)


def test_a_thing_with_an_attribute_is_a_part_of_the_way_to_it(wordnet):
    lessons = lessons_of(wordnet, shares=shares_of(attributes=0.5))
    concepts, looks_ME = concepts_of(wordnet)
    wanted = {
        phrase(name, template): look_E + STRENGTH * DIRECTIONS[attribute]
        for concept, look_E in zip(concepts, looks_ME, strict=True)
        for name in concept.names
        for attribute in ("red", "2", "drawing")
        for template in ATTRIBUTES[attribute].phrases
    }
    seen = set(lessons.texts) & wanted.keys()
    assert any(text.startswith("a red ") for text in seen)
    assert any(text.startswith("two ") for text in seen)
    assert any("cartoon" in text for text in seen)
    for text, look_E in zip(lessons.texts, lessons.looks, strict=True):
        if text in seen:
            np.testing.assert_allclose(look_E, alignment.unit(wanted[text]), atol=1e-5)
