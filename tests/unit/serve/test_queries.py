"""What a client sends becomes a query, and never a path, an address or a surprise."""

import base64

import numpy as np
import pytest
from hostile import png_of
from painting import paint
from PIL import Image
from pydantic import ValidationError

from seesay.base.errors import InputError, UsageError
from seesay.search.query import Steps, parse_sentence
from seesay.serve.queries import AskedSearch, from_data_url, open_upload, to_query

PICTURE = Image.new("RGB", (4, 4))


def query_of(**fields):
    return to_query(AskedSearch(**fields), lambda item: np.eye(3, dtype=np.float32)[item], lambda content: PICTURE)


def test_terms_keep_their_kind_and_weight():
    url = "data:image/png;base64," + base64.b64encode(b"bytes").decode()
    text, item, image = query_of(terms=[{"text": "snow"}, {"item": 1, "weight": -2}, {"image": url}]).terms
    assert (text.text, text.weight) == ("snow", 1)
    assert (item.vector.tolist(), item.weight) == ([0, 1, 0], -2)
    assert image.image is PICTURE


def test_steps_follow_each_other():
    steps = query_of(terms=[{"text": "a"}], then=[[{"text": "b"}], [{"text": "c"}]], within_s=5)
    assert isinstance(steps, Steps)
    assert [step.terms[0].text for step in steps.steps] == ["a", "b", "c"]
    assert steps.within_s == 5


@pytest.mark.parametrize("text", ["/etc/passwd", "./photo.jpg", "~/x.png", "file:///etc/passwd", "http://x/y.jpg"])
def test_a_text_is_a_text_whatever_it_looks_like(text):
    for query in (query_of(terms=[{"text": text}]), parse_sentence(text)):
        (term,) = query.terms
        assert (term.text, term.image) == (text, None)


@pytest.mark.parametrize(
    "url", ["http://example.org/a.jpg", "/etc/passwd", "file:///etc/passwd", "", "data:image/png,x", "data:;base64,%%"]
)
def test_a_picture_is_its_bytes_and_nothing_that_would_have_to_be_fetched(url):
    with pytest.raises(UsageError, match=r"not fetched|damaged"):
        query_of(terms=[{"image": url}])


@pytest.mark.parametrize("term", [{}, {"text": "a", "item": 1}, {"text": " "}])
def test_a_term_is_one_thing(term):
    with pytest.raises(UsageError):
        query_of(terms=[term])


@pytest.mark.parametrize(
    "fields",
    [
        {"terms": [{"text": "a", "wieght": 2}]},
        {"trems": []},
        {"limit": 0},
        {"limit": 10**6},
        {"cursor": "-1"},
        {"terms": [{"item": 2**63}]},
        {"terms": [{"text": "a", "weight": float("nan")}]},
        {"terms": [{"text": "a"}] * 17},
        {"only": "audio"},
    ],
)
def test_what_is_misspelt_or_out_of_range_is_refused(fields):
    with pytest.raises(ValidationError):
        AskedSearch(**fields)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("snow", [("snow", 1)]),
        ("a beach + snow - 2:people", [("a beach", 1), ("snow", 1), ("people", -2)]),
        ("a beach − people", [("a beach", 1), ("people", -1)]),
        ("+ snow − people", [("snow", 1), ("people", -1)]),
        ("- people + 0.5:snow", [("people", -1), ("snow", 0.5)]),
        ("a t-shirt, black-and-white", [("a t-shirt, black-and-white", 1)]),
        ("C++ book", [("C++ book", 1)]),
        ('"now and then" + 2:"salt - pepper"', [("now and then", 1), ("salt - pepper", 2)]),
        ("“a man + a dog” - people", [("a man + a dog", 1), ("people", -1)]),
        ('"a man + a dog', [("a man + a dog", 1)]),
        ('a 5" disk + a pen', [('a 5" disk', 1), ("a pen", 1)]),
        ("athens", [("athens", 1)]),
    ],
)
def test_a_sentence_says_what_to_add_and_what_to_take_away(sentence, expected):
    assert [(term.text, term.weight) for term in parse_sentence(sentence).terms] == expected


@pytest.mark.parametrize("sentence", ["", "  ", "- people", "+", "snow +", "snow + - people", "9" * 400 + ":snow"])
def test_a_sentence_that_says_nothing_to_look_for_is_refused(sentence):
    with pytest.raises(UsageError):
        parse_sentence(sentence)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ('"a person opens a door" then "a dog runs in"', [["a person opens a door"], ["a dog runs in"]]),
        ("a door then a dog + snow then a cat", [["a door"], ["a dog", "snow"], ["a cat"]]),
        ('"now and then" then a “then”', [["now and then"], ["a then"]]),
    ],
)
def test_then_in_a_sentence_makes_a_sequence(sentence, expected):
    query = parse_sentence(sentence, within_s=10)
    assert isinstance(query, Steps)
    assert [[term.text for term in step.terms] for step in query.steps] == expected
    assert query.within_s == 10


@pytest.mark.parametrize("sentence", ["then", "a dog then", "then a dog", "a then then b", "a dog then - people"])
def test_then_without_a_query_on_each_side_is_refused(sentence):
    with pytest.raises(UsageError, match=r"`then` needs a query|something to look for"):
        parse_sentence(sentence)


def test_seconds_between_steps_need_a_sequence():
    with pytest.raises(UsageError, match="need a sequence, as in"):
        parse_sentence("a dog", within_s=3)


def test_base64_comes_back_as_it_was():
    assert from_data_url("data:image/png;base64," + base64.b64encode(bytes(range(256))).decode()) == bytes(range(256))


@pytest.mark.parametrize("side", [2_000, 12_000, 60_000])
def test_a_picture_that_declares_too_many_pixels_is_refused_before_it_is_decoded(side):
    with pytest.raises(InputError, match=r"pixels; the service takes 1,000,000 at most|too large"):
        open_upload(png_of(side, side), target_px=224, most_pixels=1_000_000)


@pytest.mark.parametrize("content", [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_what_is_no_picture_is_said_to_be_none(content):
    with pytest.raises(InputError):
        open_upload(content, target_px=224, most_pixels=1_000_000)


def test_a_picture_is_opened(tmp_path):
    content = paint(tmp_path / "a.png", (200, 10, 10)).read_bytes()
    assert open_upload(content, target_px=32, most_pixels=10_000).getpixel((20, 20)) == (200, 10, 10)
