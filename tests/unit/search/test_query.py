from pathlib import Path

import numpy as np
import pytest
from encoders import ColourEncoder
from films import film
from PIL import Image

from seesay.base.errors import UsageError
from seesay.search.query import Query, Term, parse, parse_query, texts_of


@pytest.mark.parametrize(
    ("words", "terms"),
    [
        (["a dog on a beach"], [("a dog on a beach", 1.0)]),
        (["a", "dog"], [("a dog", 1.0)]),
        (["a beach", "-", "people"], [("a beach", 1.0), ("people", -1.0)]),
        (["a beach", "−", "people"], [("a beach", 1.0), ("people", -1.0)]),
        (["2:sunset", "+", "a", "boat", "-", ".5:rain"], [("sunset", 2.0), ("a boat", 1.0), ("rain", -0.5)]),
        (["-", "people", "+", "a beach"], [("people", -1.0), ("a beach", 1.0)]),
        (["a beach", "2:sunset"], [("a beach", 1.0), ("sunset", 2.0)]),
        (["at 12:30 sharp"], [("at 12:30 sharp", 1.0)]),
    ],
)
def test_texts_signs_and_weights(words, terms):
    assert [(term.text, term.weight) for term in parse_query(words).terms] == terms


def test_a_picture_is_a_term(tmp_path):
    picture = tmp_path / "photo.JPG"
    picture.touch()
    parsed = parse_query([str(picture), "+", "0.5:snow"])
    assert parsed.terms == (Term(image=picture), Term(text="snow", weight=0.5))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a", "-"], "ends with a sign"),
        (["a", "+", "-", "b"], "two signs follow each other"),
        (["-", "people"], "something to look for"),
        ([], "something to look for"),
        (["a", "+", "0:b", "-", "nowhere.jpg"], "there is no picture or video nowhere.jpg"),
        (["  "], "a text of the query is empty"),
        (["0:a"], "something to look for"),
    ],
)
def test_what_has_no_meaning_is_refused(words, message):
    with pytest.raises(UsageError, match=message):
        parse_query(words)


@pytest.mark.parametrize(
    ("words", "terms"),
    [
        (["-"], [("piped", 1.0)]),
        (["-", "+", "0.5:snow"], [("piped", 1.0), ("snow", 0.5)]),
        (["-", "-", "people"], [("piped", 1.0), ("people", -1.0)]),
        (["snow", "+", "-"], [("snow", 1.0), ("piped", 1.0)]),
        (["snow", "-", "-"], [("snow", 1.0), ("piped", -1.0)]),
        (["snow", "+", "2:-"], [("snow", 1.0), ("piped", 2.0)]),
        (["-", "people", "+", "a beach"], [("people", -1.0), ("a beach", 1.0)]),
        (["a beach", "-", "people"], [("a beach", 1.0), ("people", -1.0)]),
    ],
)
def test_a_hyphen_where_a_term_is_expected_is_the_piped_picture(words, terms):
    picture = Image.new("RGB", (8, 8))
    parsed = parse_query(words, piped=lambda: picture)
    assert [("piped" if term.image is picture else term.text, term.weight) for term in parsed.terms] == terms


def test_a_piped_picture_may_begin_a_sequence():
    picture = Image.new("RGB", (8, 8))
    asked = parse(["-", "then", "a dog"], piped=lambda: picture)
    assert [step.terms[0].image for step in asked.steps] == [picture, None]


def test_texts_of_what_was_asked_for():
    assert texts_of("a dog") == ["a dog"]
    assert texts_of(parse(["a dog", "-", "snow", "then", "a cat"])) == ["a dog", "snow", "a cat"]
    assert texts_of(Query((Term(image=Image.new("RGB", (8, 8))),))) == texts_of(Path("a.jpg")) == []


def test_a_sum_is_the_unit_vector_of_the_weighted_sum(tmp_path):
    encoder = ColourEncoder()
    Image.new("RGB", (9, 9), (255, 0, 0)).save(tmp_path / "red.png")
    red, blue = encoder.encode_texts(["red", "blue"])
    query = Query((Term(image=tmp_path / "red.png", weight=2.0), Term(text="blue", weight=-1.0)))
    expected = (2 * red - blue) / np.linalg.norm(2 * red - blue)
    np.testing.assert_allclose(query.vector(encoder), expected, atol=1e-6)


def test_a_video_is_the_mean_of_its_frames(tmp_path):
    encoder = ColourEncoder()
    film(tmp_path / "clip.mp4", ("red", 2), ("blue", 2), size=(64, 64))
    red, blue = encoder.encode_texts(["red", "blue"])
    vector = parse_query([str(tmp_path / "clip.mp4")]).vector(encoder)
    assert np.linalg.norm(vector) == pytest.approx(1)
    assert vector @ ((red + blue) / np.linalg.norm(red + blue)) > 0.99


def test_a_query_that_cancels_out_is_refused():
    with pytest.raises(UsageError, match="cancel out"):
        Query((Term(text="red"), Term(text="red", weight=-1.0))).vector(ColourEncoder())
