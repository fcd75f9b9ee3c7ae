"""OpenAI's tokenizer and the cleaners, without a reference: facts, and what must hold for any text."""

import html
import json
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seesay.base.errors import InputError
from seesay.inputs import CLEANERS, cleaners
from seesay.inputs.openai import text_config, tokenizer_json
from seesay.inputs.tokenizer import Tokenizer

START, END = 49406, 49407


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    path = tmp_path_factory.mktemp("openai") / "tokenizer.json"
    path.write_bytes(tokenizer_json())
    return Tokenizer(path, text_config())


def test_the_vocabulary_has_49408_tokens():
    vocabulary = json.loads(tokenizer_json())["model"]["vocab"]
    assert sorted(vocabulary.values()) == list(range(49408))


def test_tokens_are_openais(tokenizer):
    # from OpenAI's notebook: "a photo of a cat" is 320 1125 539 320 2368
    assert tokenizer(["a photo of a cat"]).ids.tolist() == [[START, 320, 1125, 539, 320, 2368, END]]


def test_case_and_spaces_do_not_matter(tokenizer):
    first, second = tokenizer(["  A  Photo\tof\na CAT ", "a photo of a cat"]).ids
    assert first.tolist() == second.tolist()


def test_a_text_that_is_too_long_is_refused_with_its_length(tokenizer):
    with pytest.raises(InputError, match=r"has 102 tokens, and the model's context is 77; shorten it or pass truncate"):
        tokenizer(["word " * 100])


def test_truncating_keeps_the_end_token(tokenizer):
    cut = tokenizer(["word " * 100], truncate=True).ids[0]
    assert len(cut) == 77
    assert cut[0] == START
    assert cut[-1] == END
    assert END not in cut[:-1]


@pytest.mark.parametrize("text", ["", "  \n", "\u00a0", "&nbsp;"])
def test_a_text_without_words_is_refused(tokenizer, text):
    with pytest.raises(InputError, match="the text is empty; write at least one word"):
        tokenizer([text])


def test_special_tokens_written_in_a_text_are_plain_text(tokenizer):
    ids = tokenizer(["a dog <|endoftext|> and a cat"]).ids[0].tolist()
    assert ids.count(END) == 1
    assert ids.count(START) == 1


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_tokens_of_the_vocabulary_or_refused(tokenizer, text):
    try:
        ids = tokenizer([text], truncate=True).ids[0]
    except InputError:
        return
    assert ids[0] == START
    assert ids[-1] == END
    assert np.all(ids[1:-1] < START)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(max_codepoint=0x7F), max_size=40))
def test_the_short_way_for_plain_texts_changes_nothing(text):
    import ftfy

    assert cleaners.whitespace(text) == " ".join(html.unescape(html.unescape(ftfy.fix_text(text))).split())


@pytest.mark.parametrize(
    ("cleaner", "text", "cleaned"),
    [
        ("lower", "  CafÃ© &amp;amp; Bar\n", "café & bar"),
        ("whitespace", "  CafÃ© &amp;amp; Bar\n", "Café & Bar"),
        ("canonicalize", "A dog_house, (red) -- it's BIG!", "a dog house red its big"),
        ("lower", "“smart” ﬁsh", '"smart" fish'),
    ],
)
def test_cleaners_mend_and_fold(cleaner, text, cleaned):
    assert getattr(cleaners, cleaner)(text) == cleaned
    assert CLEANERS[cleaner] == f"seesay.inputs.cleaners:{cleaner}"


def test_plain_texts_need_no_ftfy(monkeypatch):
    monkeypatch.setitem(sys.modules, "ftfy", None)
    assert cleaners.lower("A photo of a dog, 3 years old.") == "a photo of a dog, 3 years old."
