"""Composition: does the encoder know which text is right, where both are made of the same words or nearly so.

Winoground shows two pictures and two texts, SugarCrepe one picture with its text and a wrong one. Knows no format.

Shape legend: Q questions, I pictures of a question (1 or 2), E embedding.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seesay.base.errors import UsageError
from seesay.evaluation.dataset import Choices
from seesay.evaluation.measure import Measure, Result, mean_of
from seesay.evaluation.view import View

CHANCE = {"text": 1 / 4, "image": 1 / 4, "group": 1 / 6, "choice": 1 / 2}
"""What an encoder that sees nothing gets. Of four cosines in any order, both comparisons of a score hold in 1 of 4, all
four in 1 of 6: both right pairs lie above both wrong ones in 4 of 24 orders. Source: Winoground, arXiv:2204.03162."""


def composition(view: View) -> Result:
    """Choose between two texts (and two pictures), in total and for each kind of question.

    A tie is shared out: equal cosines get what any order of them would give on average.

    Args:
        view: its dataset has choices.

    Returns:
        For questions with one picture "accuracy", the right text is nearer. For questions with two pictures
        "group_score", "text_score" (each picture is nearer to its own text) and "image_score" (each text is nearer
        to its own picture). After them the same for each tag, as "text_score[relation]". Scores of a measure are of
        its questions, in the dataset's order.

    Raises:
        UsageError: the dataset has no choices, or a vector holds something that is no number.
    """
    choices = view.dataset.choices
    if choices is None:
        raise UsageError(f"{view.dataset.name} has no choices between texts, and composition needs them")
    single, double = (np.array([i for i, own in enumerate(choices.images) if len(own) == num]) for num in (1, 2))
    if len(single) + len(double) != len(choices.images) or not choices.images:
        raise UsageError(f"each question of {view.dataset.name} has one or two pictures, and there is one at least")
    measures: list[Measure] = []
    details: dict[str, NDArray[np.float64]] = {}
    if len(single):
        cosines_QIT, readable_Q = _cosines(view, choices, single)
        details["choice"] = cosines_QIT
        scores = {"accuracy": (_nearer(cosines_QIT[:, 0, 0], cosines_QIT[:, 0, 1]) * readable_Q, CHANCE["choice"])}
        measures += _by_tag(scores, [choices.tags[i] for i in single])
    if len(double):
        cosines_QIT, readable_Q = _cosines(view, choices, double)
        details["winoground"] = cosines_QIT
        text, image, group = winoground_scores(cosines_QIT)
        scores = {
            "group_score": (group * readable_Q, CHANCE["group"]),
            "text_score": (text * readable_Q, CHANCE["text"]),
            "image_score": (image * readable_Q, CHANCE["image"]),
        }
        measures += _by_tag(scores, [choices.tags[i] for i in double])
    return Result(
        task="composition",
        dataset=view.dataset.name,
        encoder=view.encoder,
        measures=tuple(measures),
        details=details,
    )


def winoground_scores(
    cosines: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Winoground's three scores of every question.

    Args:
        cosines: (Q, 2, 2) of picture i and text j; text i is right for picture i.

    Returns:
        Text, image and group score, (Q,) each: 1 where it holds, 0 where not, and between them where cosines tie, the
        mean over the orders that they could be in.
    """
    right, wrong = cosines[:, [0, 1], [0, 1]], cosines[:, [0, 1], [1, 0]]
    # the wrong text of picture i is the right one of picture 1 - i
    text = _nearer(right[:, 0], wrong[:, 0]) * _nearer(right[:, 1], wrong[:, 1])
    image = _nearer(right[:, 0], wrong[:, 1]) * _nearer(right[:, 1], wrong[:, 0])
    lowest, highest = right.min(axis=1), wrong.max(axis=1)
    num_right = (right == lowest[:, None]).sum(axis=1)
    num_wrong = (wrong == highest[:, None]).sum(axis=1)
    # the tied right ones come before the tied wrong ones in r! w! of (r + w)! orders: 1/2, 1/3 or 1/6
    tied = 1 / np.array([[2, 3], [3, 6]])[num_right - 1, num_wrong - 1]
    group = np.where(lowest > highest, 1.0, np.where(lowest == highest, tied, 0.0))
    return text, image, group


def _nearer(right: NDArray[np.float64], wrong: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(right > wrong, 1.0, np.where(right == wrong, 0.5, 0.0))


def _cosines(
    view: View, choices: Choices, questions: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(Q, I, 2) of every picture and text of these questions, and (Q,) whether their pictures could be read."""
    sentences = list(dict.fromkeys(text for i in questions for text in choices.texts[i]))
    place = {text: number for number, text in enumerate(sentences)}
    texts_Q2 = np.array([[place[text] for text in choices.texts[i]] for i in questions])
    images_QI = np.array([choices.images[i] for i in questions])
    num = len(view.dataset.pictures)
    if images_QI.min() < 0 or images_QI.max() >= num:
        raise UsageError(f"a question asks about picture {images_QI.max()}; {view.dataset.name} has {num}, from 0 on")
    images_QIE, texts_Q2E = view.images()[images_QI], view.texts(sentences)[texts_Q2]
    if not (np.isfinite(images_QIE).all() and np.isfinite(texts_Q2E).all()):
        raise UsageError(f"vectors must be numbers; the model made some of {view.dataset.name} that are not")
    # float64: the two texts differ by a word, and float32 would round some of them to a tie
    cosines = np.einsum("qie,qte->qit", images_QIE.astype(np.float64), texts_Q2E.astype(np.float64))
    return cosines, images_QIE.any(axis=2).all(axis=1)


def _by_tag(scores: dict[str, tuple[NDArray[np.float64], float]], tags: Sequence[str]) -> list[Measure]:
    found = [mean_of(name, values, chance=chance) for name, (values, chance) in scores.items()]
    kinds = dict.fromkeys(tag for tag in tags if tag)
    if len(kinds) < 2:
        return found
    for kind in kinds:
        of_kind = np.array([tag == kind for tag in tags])
        found += [
            mean_of(f"{name}[{kind}]", values[of_kind], chance=chance) for name, (values, chance) in scores.items()
        ]
    return found
