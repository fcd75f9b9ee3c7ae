"""Pictures of one subject in many ways, and the direction that each way lies in."""

from collections import Counter

import numpy as np
import pictures
import pytest
from PIL import Image

from seesay.training import alignment
from seesay.training.attributes import ATTRIBUTES, Subject, directions_of, find_subjects
from seesay.training.phrases import phrase

SIDE = 60
WHITE = (255, 255, 255)


@pytest.fixture
def subject():
    """A disc of two shades on white, and a photograph."""
    drawing = Image.new("RGBA", (40, 40))
    drawing.paste((160, 160, 160, 255), (0, 0, 40, 20))
    drawing.paste((60, 60, 60, 255), (0, 20, 40, 40))
    return Subject(drawing, Image.new("RGB", (SIDE, SIDE), WHITE), pictures.photo(SIDE, SIDE))


def shown(name, subject):
    picture = ATTRIBUTES[name].show(subject)
    assert (picture.mode, picture.size) == ("RGB", (SIDE, SIDE))
    return np.asarray(picture).astype(int)


def test_every_attribute_makes_a_picture_of_its_own(subject):
    seen = {name: shown(name, subject).tobytes() for name in ATTRIBUTES}
    assert len(seen) > 20
    assert seen.pop("plain") == seen["photo"]
    assert seen.pop("1") == seen["drawing"]
    assert len(set(seen.values())) == len(seen)


def test_subjects_are_as_they_were_after_they_were_shown(subject):
    before = [picture.tobytes() for picture in (subject.drawing, subject.ground, subject.photo)]
    for name in ATTRIBUTES:
        shown(name, subject)
    assert [picture.tobytes() for picture in (subject.drawing, subject.ground, subject.photo)] == before


@pytest.mark.parametrize(
    ("name", "order"), [("red", (0, 1, 2)), ("green", (1, 2, 0)), ("blue", (2, 1, 0)), ("yellow", (0, 1, 2))]
)
def test_a_drawing_is_coloured_in_shades_of_the_colour(subject, name, order):
    middle = shown(name, subject)[18:42, 18:42].reshape(-1, 3)
    levels = middle.mean(axis=0)
    assert levels[order[0]] > levels[order[2]] + 30
    assert len(np.unique(middle, axis=0)) > 1  # light stays lighter than dark
    assert shown("black", subject)[30, 30].max() < 130 < shown("white", subject)[25, 30].min()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 9])
def test_a_drawing_is_there_as_often_as_was_said(subject, count):
    dark = shown(str(count), subject).max(axis=2) < 240
    rows, columns = (Counter(np.diff(np.r_[0, dark.any(axis=axis), 0]))[1] for axis in (1, 0))
    assert columns == int(np.ceil(np.sqrt(count)))
    assert rows == -(-count // columns)
    last = dark[-SIDE // rows :]
    in_last_row = Counter(np.diff(np.r_[0, last.any(axis=0), 0]))[1]
    assert (rows - 1) * columns + in_last_row == count


def test_a_direction_is_that_of_the_difference_to_the_family():
    random = np.random.default_rng(0)
    subjects_SE = random.standard_normal((50, 16))
    moves = {name: random.standard_normal(16) for name in ATTRIBUTES}
    found = directions_of({name: alignment.unit(4 * subjects_SE + moves[name]) for name in ATTRIBUTES})
    assert found.keys() == ATTRIBUTES.keys()
    for family in {attribute.family for attribute in ATTRIBUTES.values()}:
        names = [name for name, attribute in ATTRIBUTES.items() if attribute.family == family]
        centre_E = np.mean([moves[name] for name in names], axis=0)
        for name in names:
            assert found[name] @ found[name] == pytest.approx(1, rel=1e-5)
            assert found[name] @ alignment.unit(moves[name] - centre_E) > 0.95


def test_phrases_have_no_gap_left_and_say_what_they_are_of():
    for attribute in ATTRIBUTES.values():
        for template in attribute.phrases:
            text = phrase("dog", template)
            assert "dog" in text
            assert "{" not in text
        assert not any("{" in text for text in attribute.alone)
    assert phrase("car", ATTRIBUTES["orange"].phrases[0]) == "an orange car"
    texts = [text for attribute in ATTRIBUTES.values() for text in (*attribute.phrases, *attribute.alone)]
    assert len(set(texts)) == len(texts) > 80


def test_subjects_have_a_transparent_ground_and_come_the_same_for_a_seed(tmp_path):
    for number in range(6):
        drawing = Image.new("RGBA", (50, 30), (200, 30 * number, 10, 255 if number % 2 else 0))
        drawing.paste((10, 200, 10, 255), (20, 10, 40, 25))
        drawing.save(tmp_path / f"{number}.png")
    Image.new("RGBA", (50, 30)).save(tmp_path / "nothing.png")
    Image.new("RGB", (50, 30)).save(tmp_path / "opaque.png")
    drawings, photos = sorted(tmp_path.iterdir()), [Image.new("RGB", (90, 60), "gray"), pictures.photo(90, 60)]

    def found(count, seed):
        subjects = find_subjects(drawings, photos, count=count, size_px=SIDE, seed=seed)
        return [tuple(map(Image.Image.tobytes, (one.drawing, one.ground, one.photo))) for one in subjects]

    assert len(found(10, 0)) == 3
    assert len(found(2, 0)) == 2
    assert found(3, 1) == found(3, 1) != found(3, 2)
    (subject,) = find_subjects(drawings, photos, count=1, size_px=SIDE, seed=0)
    assert subject.drawing.size == (400, 300)  # cut to what is drawn
    assert all(
        np.ptp(np.asarray(one.photo), axis=2).any()
        for one in find_subjects(drawings, photos, count=3, size_px=SIDE, seed=1)
    )
    assert subject.ground.size == subject.photo.size == (SIDE, SIDE)
