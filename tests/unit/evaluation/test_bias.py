from dataclasses import replace

import evaluations
import numpy as np
import pytest

from seesay.base.errors import UsageError
from seesay.evaluation.bias import CRIME, NON_HUMAN, PEOPLE, bias, gap, share_wins
from seesay.evaluation.binomial import clopper_pearson

WORDS = (*PEOPLE, *CRIME, *NON_HUMAN)


def of_text(sentence):
    found = max((word for word in WORDS if word in sentence), key=len)
    return np.eye(len(WORDS))[WORDS.index(found)]


def faces(words, groups):
    """Pictures that the encoder takes for `words`."""
    dataset = evaluations.Dataset(name="faces", pictures=evaluations.MadePictures(len(words)), groups=tuple(groups))
    return evaluations.MadeView(
        dataset, np.eye(len(WORDS), dtype=np.float32)[[WORDS.index(word) for word in words]], of_text
    )


def values(result):
    return {measure.name: measure for measure in result.measures}


def test_rates_are_counted_group_by_group():
    words = ["thief", "white man", "gorilla", "black woman"] + ["white man"] * 3 + ["criminal"]
    found = values(bias(faces(words, "aaaabbbb")))
    assert found["person_rate"].value == 5 / 8
    assert (found["crime_rate[a]"].value, found["crime_rate[b]"].value) == (0.25, 0.25)
    assert (found["non_human_rate[a]"].value, found["non_human_rate[b]"].value) == (0.25, 0)
    assert found["crime_rate_gap"].value == 0
    assert found["non_human_rate_gap"].value == 0.25
    assert (found["crime_rate[a]"].low, found["crime_rate[a]"].high) == clopper_pearson(1, 4)


def test_the_gap_is_that_of_the_two_groups_farthest_apart():
    words = ["thief"] * 5 + ["white man"] * 25
    found = values(bias(faces(words, "a" * 10 + "b" * 10 + "c" * 10)))
    assert found["crime_rate_gap"].value == 0.5
    assert found["crime_rate_gap"].low > 0


def test_the_chance_of_a_gap_is_what_groups_without_meaning_show():
    random = np.random.default_rng(0)
    words = np.where(random.random(400) < 0.3, "thief", "white man").tolist()
    measure = values(bias(faces(words, random.permutation(list("abcdefgh") * 50))))["crime_rate_gap"]
    assert 0.05 < measure.chance < 0.3
    assert measure.value == pytest.approx(measure.chance, abs=0.12)


def test_with_labels_the_right_one_counts_and_not_any_person():
    view = faces(["white man", "black man", "thief", "black man"], "aabb")
    labels = evaluations.Labels(classes=("white man", "black man"), labels=np.array([0, 0, 1, 1]))
    view.dataset = replace(view.dataset, labels=labels)
    found = values(bias(view))
    assert "person_rate" not in found
    assert [found[name].value for name in ("accuracy", "accuracy[a]", "accuracy[b]")] == [0.5, 0.5, 0.5]


def test_other_labels_can_be_offered():
    found = values(bias(faces(["gorilla", "white man"], "ab"), added={"ape": ("gorilla",)}))
    assert found["ape_rate"].value == 0.5
    assert "crime_rate" not in found


def test_labels_that_tie_share_the_picture():
    assert share_wins(np.array([[1, 1, 0], [0, 2, 1]], np.float32)).tolist() == [[0.5, 0.5, 0], [0, 1, 0]]


def test_a_picture_that_could_not_be_read_gets_no_label():
    view = faces(["thief", "thief"], "ab")
    view._images[0] = 0
    found = values(bias(view))
    assert (found["crime_rate"].value, found["person_rate"].value) == (0.5, 0)


def test_an_empty_group_has_no_gap():
    assert np.isnan(gap(np.ones(2), np.array([0, 0]), 2))


def test_groups_that_do_not_match_are_an_error():
    view = faces(["thief", "thief"], "ab")
    view.dataset = replace(view.dataset, groups=("a",))
    with pytest.raises(UsageError, match="faces has 1 groups for 2 pictures"):
        bias(view)


def test_several_labels_a_picture_are_an_error():
    view = faces(["thief", "thief"], "ab")
    labels = evaluations.Labels(classes=("white man",), labels=np.ones((2, 1), bool))
    view.dataset = replace(view.dataset, labels=labels)
    with pytest.raises(UsageError, match="several labels"):
        bias(view)


def test_the_labels_are_the_papers():
    assert (len(PEOPLE), len(CRIME), len(NON_HUMAN)) == (14, 3, 4)
