"""Titles: what says nothing goes, what says something stays, and titles that say the same share a key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seesay.data.public.titles import clean_keywords, clean_title, is_held_out, title_key


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("elefante01", "elefante"),
        ("horse#1", "horse"),
        ("glace_01", "glace"),
        ("arrow08 4", "arrow"),
        ("papua_new_guinea", "papua new guinea"),
        ("bluewhale-md", "bluewhale"),
        ("scorpion-md-v0.1", "scorpion"),
        ("Clipart by Nicu Buculei - contour_chipmunk", "contour chipmunk"),
        ("HASH(0x862bbb8)", ""),
        ("ralf@ark.in-berlin.de", ""),
        ("0x8863bcc Chateau", "Chateau"),
        ("01", ""),
        ("Smith &amp; Wesson", "Smith & Wesson"),
        ("Bus1 BW", "Bus (black and white)"),
        ("frying pan (padella in italian", "frying pan padella in italian"),
        ("2 dead frogs", "2 dead frogs"),
        ("Boeing 747", "Boeing 747"),
        ("LED Rounded H (Blue)", "LED Rounded H (Blue)"),
        ("A tiger.", "A tiger"),
    ],
)
def test_noise_goes_and_words_stay(raw, clean):
    assert clean_title(raw) == clean


@given(st.text(max_size=60))
def test_a_clean_title_is_one_line_and_stays_as_it_is(raw):
    title = clean_title(raw)
    assert title == " ".join(title.split())
    assert "_" not in title
    assert clean_title(title) in ("", title) or len(clean_title(title)) < len(title)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The dog", "dogs"),
        ("dog head", "Head of a dog"),
        ("clock 3", "Clock"),
        ("cherries", "a cherry"),
        ("café", "CAFE"),
        ("man running, dark skin tone", "man running: dark skin tone"),
    ],
)
def test_titles_that_say_the_same_share_a_key(one, other):
    assert title_key(one) == title_key(other)


@pytest.mark.parametrize(("one", "other"), [("dog", "cat"), ("glass", "glas pane"), ("bus", "bu"), ("1", "2")])
def test_titles_that_say_something_else_do_not(one, other):
    assert title_key(one) != title_key(other)


def test_keywords_add_what_the_title_does_not_say():
    given_words = ["HASH(0x1)", "tool", "Unsorted", "tools", "red_car", "wrench", "metal"]
    assert clean_keywords(given_words, "a wrench", without={"unsorted"}) == ["tool", "red car", "metal"]
    assert clean_keywords(["one", "two", "six"], "number", most=2) == ["one", "two"]


def test_the_share_of_held_out_titles_is_the_one_asked_for_and_grows_with_it():
    keys = [f"thing {number}" for number in range(4000)]
    small, large = ({key for key in keys if is_held_out(key, share)} for share in (0.1, 0.3))
    assert 0.08 < len(small) / len(keys) < 0.12
    assert 0.27 < len(large) / len(keys) < 0.33
    assert small < large
    assert not any(is_held_out(key, 0.0) for key in keys)
