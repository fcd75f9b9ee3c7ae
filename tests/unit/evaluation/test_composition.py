import itertools
from dataclasses import replace

import evaluations
import numpy as np
import pytest

from seesay.base.errors import UsageError
from seesay.evaluation.composition import CHANCE, composition, winoground_scores


def official(cosines):
    """Winoground's three scores of one question, as the paper writes them, for cosines without ties."""
    text = cosines[0, 0] > cosines[0, 1] and cosines[1, 1] > cosines[1, 0]
    image = cosines[0, 0] > cosines[1, 0] and cosines[1, 1] > cosines[0, 1]
    return [text, image, text and image]


def test_the_scores_are_the_papers_in_every_order_of_the_four_cosines():
    orders = np.array(list(itertools.permutations(range(4))), float).reshape(-1, 2, 2)
    found = np.stack(winoground_scores(orders), axis=1)
    assert (found == [official(order) for order in orders]).all()
    assert found.mean(axis=0) == pytest.approx([CHANCE["text"], CHANCE["image"], CHANCE["group"]])


def test_a_tie_gets_the_mean_of_the_orders_that_it_could_be():
    levels = np.array(list(itertools.product(range(3), repeat=4)), float).reshape(-1, 2, 2)
    orders = np.array(list(itertools.permutations(range(4))), float).reshape(-1, 2, 2) * 0.01
    expected = [np.mean([official(level + order) for order in orders], axis=0) for level in levels]
    assert np.stack(winoground_scores(levels), axis=1) == pytest.approx(np.array(expected))


def test_each_kind_of_question_has_its_own_line_and_the_total_is_their_mean():
    dataset = evaluations.sugarcrepe()
    random = np.random.default_rng(0)
    images = evaluations.unit(random.standard_normal((len(dataset.pictures), 8)))

    def of_text(sentence):
        return evaluations.unit(np.random.default_rng(int(sentence.split()[1])).standard_normal(8))

    total, *kinds = composition(evaluations.MadeView(dataset, images, of_text)).measures
    assert [kind.name for kind in kinds] == ["accuracy[replace]", "accuracy[swap]"]
    assert total.value == pytest.approx(np.average([kind.value for kind in kinds], weights=[6, 6]))
    assert total.num_samples == sum(kind.num_samples for kind in kinds)


def test_turning_a_question_round_turns_its_answer():
    dataset = evaluations.sugarcrepe()
    turned = replace(dataset.choices, texts=tuple(texts[::-1] for texts in dataset.choices.texts))
    view = evaluations.perfect_view(dataset)
    wrong = evaluations.MadeView(replace(dataset, choices=turned), view.images(), view._of_text)
    assert composition(wrong).measures[0].value == 0


def test_questions_of_both_kinds_in_one_dataset_are_measured_apart():
    one, two = evaluations.sugarcrepe(24), evaluations.winoground(12)
    both = replace(
        one.choices,
        images=one.choices.images[:3] + two.choices.images,
        texts=one.choices.texts[:3] + two.choices.texts,
        tags=("",) * 15,
    )
    names = [measure.name for measure in composition(evaluations.perfect_view(replace(one, choices=both))).measures]
    assert names == ["accuracy", "group_score", "text_score", "image_score"]


def test_a_picture_that_could_not_be_read_answers_no_question():
    view = evaluations.perfect_view(evaluations.winoground())
    images = view.images().copy()
    images[1] = 0
    result = composition(evaluations.MadeView(view.dataset, images, view._of_text))
    assert [measure.scores.sum() for measure in result.measures[:3]] == [11, 11, 11]


@pytest.mark.parametrize(("images", "message"), [((0, 1, 2), "one or two pictures"), ((99,), "asks about picture 99")])
def test_questions_that_do_not_match_are_an_error(images, message):
    dataset = evaluations.sugarcrepe()
    choices = replace(dataset.choices, images=(images, *dataset.choices.images[1:]))
    with pytest.raises(UsageError, match=message):
        composition(evaluations.perfect_view(replace(dataset, choices=choices)))
