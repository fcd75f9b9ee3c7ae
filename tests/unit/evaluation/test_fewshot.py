"""Few-shot probes: what is drawn, and what the zero-shot start brings."""

import numpy as np
import pytest
from evaluations import MadePictures, MadeView, labelled, perfect_view, several_labels, unit

from seesay.base.errors import UsageError
from seesay.evaluation.dataset import Dataset, Labels
from seesay.evaluation.fewshot import draw_shots, fewshot

NAMES = ("ant", "bee", "cat", "dog")
RANDOM = np.random.default_rng(0)
DIRECTIONS = unit(RANDOM.normal(size=(4, 24)))


def view(num, seed, noise=0.35, **splits):
    labels = np.arange(num) % 4
    images = unit(DIRECTIONS[labels] + noise * np.random.default_rng(seed).normal(size=(num, 24)))
    dataset = Dataset(name="made", pictures=MadePictures(num), labels=Labels(classes=NAMES, labels=labels))

    def of_text(sentence):
        place = next(place for place, name in enumerate(NAMES) if name in sentence)
        # the texts are near the pictures they name, not on them
        return unit(DIRECTIONS[place] + 0.25 * np.random.default_rng(place).normal(size=24))

    return MadeView(dataset, images, of_text, **splits)


def test_so_many_of_each_class_are_drawn_and_the_rest_is_left():
    labels = np.repeat([2, 0, 1], [5, 9, 3])
    drawn, left = draw_shots(labels, 4, np.random.default_rng(0))
    assert np.bincount(labels[drawn]).tolist() == [4, 3, 4]
    assert sorted([*drawn, *left]) == list(range(17))
    other, _ = draw_shots(labels, 4, np.random.default_rng(1))
    assert sorted(other) != sorted(drawn)


def test_more_shots_know_more():
    result = fewshot(view(200, 0, train=view(160, 1), validation=view(40, 2)), shots=(1, 4, 16))
    details = result.details
    assert details["shots"] == [1, 4, 16]
    assert details["mean"][0] < details["mean"][2]
    assert [measure.name for measure in result.measures] == [
        "accuracy_16_shots",
        "accuracy_4_shots",
        "accuracy_1_shot",
        "zeroshot_accuracy",
    ]
    assert result.measures[0].value == details["mean"][2] == pytest.approx(np.mean(details["draws"][2]))
    assert details["zeroshot"] == result.measures[-1].value


def test_with_the_zero_shot_start_one_picture_a_class_is_worth_more():
    test = view(300, 0, train=view(160, 1), validation=view(40, 2))
    alone = fewshot(test, shots=(1,)).details
    drawn = fewshot(test, shots=(1,), start="zeroshot").details
    assert drawn["mean"][0] > alone["mean"][0] + 0.05
    assert drawn["mean"][0] >= drawn["zeroshot"] - 0.1  # one picture a class to choose the strength on is little


def test_the_same_seed_draws_the_same():
    test = view(40, 0, train=view(40, 1))
    one, same, other = (fewshot(test, shots=(2,), seed=seed).details for seed in (0, 0, 1))
    assert one["draws"] == same["draws"] != other["draws"]


def test_shots_that_the_rarest_class_does_not_have_are_left_out():
    assert fewshot(view(40, 0, train=view(20, 1)), shots=(1, 4, 8)).details["shots"] == [1, 4]
    with pytest.raises(UsageError, match="has 5 training pictures, fewer than 8 shots"):
        fewshot(view(40, 0, train=view(20, 1)), shots=(8,))


def test_all_pictures_drawn_leave_none_to_choose_on():
    details = fewshot(view(40, 0, train=view(8, 1)), shots=(2,)).details
    assert details["strengths"] == [[1.0, 1.0, 1.0]]


def test_what_few_shot_probes_need():
    with pytest.raises(UsageError, match="one label a picture and a training split"):
        fewshot(perfect_view(several_labels()))
    with pytest.raises(UsageError, match="one shot and one draw at least"):
        fewshot(perfect_view(labelled()), draws=0)
