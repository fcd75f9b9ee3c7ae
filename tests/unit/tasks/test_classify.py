from pathlib import Path

import numpy as np
import pytest
from encoders import COLOURS, ColourEncoder
from films import film
from PIL import Image

from seesay.base.errors import UsageError
from seesay.tasks.classify import BATCH, build_classifier, classify, classify_files, softmax


@pytest.fixture
def encoder():
    return ColourEncoder()


def test_each_picture_gets_its_own_label(encoder):
    pictures = [Image.new("RGB", (8, 8), colour) for colour in COLOURS.values()]
    ranked = classify(encoder, pictures, list(COLOURS))
    assert [labels[0].name for labels in ranked] == list(COLOURS)


def test_probabilities_are_the_softmax_of_scaled_cosines(encoder):
    picture = Image.new("RGB", (8, 8), (200, 30, 0))
    ranked = classify(encoder, [picture], ["red", "blue", "white"])[0]
    cosines = encoder.encode_images([picture])[0] @ encoder.encode_texts(["red", "blue", "white"]).T
    by_hand = np.exp(20 * cosines) / np.exp(20 * cosines).sum()
    assert {label.name: pytest.approx(label.probability, abs=1e-5) for label in ranked} == dict(
        zip(["red", "blue", "white"], by_hand.tolist(), strict=True)
    )
    assert sum(label.probability for label in ranked) == pytest.approx(1)
    assert [label.probability for label in ranked] == sorted((label.probability for label in ranked), reverse=True)


def test_several_templates_are_averaged_as_unit_vectors(encoder):
    red, white = encoder.encode_texts(["red", "white"])
    # The second template says white whatever the label, which the encoder reads from the last word.
    mixed = build_classifier(encoder, ["red"], ["a {}", "{} in white"])[0]
    np.testing.assert_allclose(mixed, (red + white) / np.linalg.norm(red + white), atol=1e-6)


def test_the_order_of_labels_changes_nothing_but_the_order(encoder):
    picture = [Image.new("RGB", (8, 8), (200, 30, 0))]
    one = classify(encoder, picture, ["red", "blue", "white"])
    other = classify(encoder, picture, ["white", "red", "blue"])
    assert [label.name for label in one[0]] == [label.name for label in other[0]]


def test_braces_in_a_label_are_letters(encoder):
    assert build_classifier(encoder, ["{0} red"], ["a {}"]).shape == (1, 48)


@pytest.mark.parametrize(
    ("labels", "templates", "message"),
    [
        ([], ["{}"], "no labels were given"),
        (["red", "red"], ["{}"], "the label 'red' is given twice"),
        (["red"], [], "no template was given"),
        (["red"], ["a photo"], "needs one {}"),
        (["red"], ["{} and {}"], "needs one {}"),
    ],
)
def test_what_makes_no_classifier_is_refused(encoder, labels, templates, message):
    with pytest.raises(UsageError, match=message):
        build_classifier(encoder, labels, templates)


@pytest.fixture
def folder(tmp_path):
    """Pictures, a video of red and a little blue, an animation, and what is no picture."""
    for name, colour in COLOURS.items():
        Image.new("RGB", (40, 40), colour).save(tmp_path / f"{name}.png")
    film(tmp_path / "film.mp4", ("red", 6), ("blue", 2))
    frames = [Image.new("RGB", (8, 8), COLOURS[name]) for name in ("white", "white", "black")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:], duration=500)
    (tmp_path / "bad.jpg").write_text("no")
    (tmp_path / "bad.mp4").write_text("no")
    return tmp_path


def test_files_are_classified_in_their_order_and_a_bad_one_has_its_reason(encoder, folder):
    names = [
        *(f"{name}.png" for name in COLOURS),
        "bad.jpg",
        "film.mp4",
        "bad.mp4",
        "gone.png",
        "moving.gif",
        "red.png",
    ]
    labels = list(COLOURS)
    classifier = build_classifier(encoder, labels)
    found = list(classify_files(encoder, [str(folder / name) for name in names], labels, classifier))
    assert [Path(one.path).name for one in found] == names
    bad = {Path(one.path).name: one.problem for one in found if one.problem is not None}
    assert set(bad) == {"bad.jpg", "bad.mp4", "gone.png"}
    assert all(one.labels == [] for one in found if one.problem is not None)
    best = {Path(one.path).name: one.labels[0].name for one in found if one.labels}
    assert best == {f"{name}.png": name for name in COLOURS} | {"film.mp4": "red", "moving.gif": "white"}


def test_files_are_read_as_answers_are_asked_for(encoder, folder):
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield str(folder / "red.png")

    answers = classify_files(encoder, endless(), ["red"], build_classifier(encoder, ["red"]))
    for _ in range(500):
        next(answers)
    answers.close()
    assert len(taken) < 500 + 4 * BATCH


def test_softmax_takes_any_size_of_logits():
    np.testing.assert_allclose(softmax(np.array([[1000.0, 1000.0], [-1000.0, 0.0]])), [[0.5, 0.5], [0.0, 1.0]])
