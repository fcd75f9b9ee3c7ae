"""The tokenizer around a tokenizer.json: rows, masks, what is cut and what is refused."""

import json

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, normalizers, pre_tokenizers, processors

from seesay.base.errors import BundleError, InputError, UsageError
from seesay.inputs.tokenizer import TextConfig, Tokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "photo", "of", "dog", "##s", "\ufffd", "😀"]
PAD, UNK, CLS, SEP, A, PHOTO, OF, DOG, PLURAL, BROKEN, SMILE = range(len(WORDS))
SECTION = {"context_length": 8, "pad_id": PAD, "padding": "longest", "cleaner": "none"}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A WordPiece tokenizer.json with its own padding and truncation, which must not matter."""
    backend = tokenizers.Tokenizer(
        models.WordPiece({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    backend.normalizer = normalizers.Sequence([normalizers.Lowercase()])
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)]
    )
    backend.add_special_tokens(WORDS[:4])
    backend.enable_padding(length=128)
    backend.enable_truncation(3)
    path = tmp_path_factory.mktemp("bundle") / "tokenizer.json"
    backend.save(str(path))
    return path


def make(path, **changes):
    return Tokenizer(path, TextConfig.from_dict({**SECTION, **changes}))


def test_rows_are_padded_to_the_longest_of_the_batch(path):
    tokens = make(path)(["a photo of dogs", "Dog"])
    assert tokens.ids.tolist() == [[CLS, A, PHOTO, OF, DOG, PLURAL, SEP], [CLS, DOG, SEP, PAD, PAD, PAD, PAD]]
    assert tokens.mask.tolist() == [[1] * 7, [1] * 3 + [0] * 4]
    assert tokens.ids.dtype == tokens.mask.dtype == np.int64


def test_fixed_rows_have_the_whole_context(path):
    tokens = make(path, padding="fixed", pad_id=9)(["dog"])
    assert tokens.ids.tolist() == [[CLS, DOG, SEP, 9, 9, 9, 9, 9]]
    assert tokens.mask.sum() == 3


def test_no_texts_are_no_rows(path):
    assert make(path)([]).ids.shape == (0, 0)
    assert make(path, padding="fixed")([]).mask.shape == (0, 8)


@settings(deadline=None, max_examples=50)
@given(texts=st.lists(st.lists(st.sampled_from(["a", "photo", "dogs", "xyz"]), min_size=1, max_size=3), min_size=1))
def test_a_text_has_the_same_tokens_alone_and_in_any_batch(path, texts):
    tokenizer = make(path)
    batch = tokenizer([" ".join(words) for words in texts])
    for row, mask, words in zip(batch.ids, batch.mask, texts, strict=True):
        assert row[mask == 1].tolist() == tokenizer([" ".join(words)]).ids[0].tolist()
        assert (row[mask == 0] == PAD).all()
    assert batch.ids.shape[1] == batch.mask.sum(1).max()


@pytest.mark.parametrize("text", ["", "  ", "\n\t", "\u2003"])
def test_an_empty_text_is_refused(path, text):
    with pytest.raises(InputError, match=r"^the text is empty; write at least one word$"):
        make(path)([text])
    with pytest.raises(InputError, match="text 1 of 2 is empty"):
        make(path)(["dog", text])


def test_a_text_without_a_known_word_is_refused(path, tmp_path):
    described = json.loads(path.read_text())
    described["normalizer"] = {"type": "Replace", "pattern": {"String": "~"}, "content": " "}
    (tmp_path / "tokenizer.json").write_text(json.dumps(described))
    with pytest.raises(InputError, match="the text, '~~', has nothing that this model's tokenizer knows as a word"):
        make(tmp_path / "tokenizer.json")(["~~"])


def test_a_text_longer_than_the_context_is_refused_with_the_cure(path):
    tokenizer = make(path)
    assert tokenizer(["dog " * 6]).ids.shape == (1, 8)
    with pytest.raises(
        InputError, match=r"'dog dog.*…', has 32 tokens, and the model's context is 8; shorten.*truncate"
    ):
        tokenizer(["dog " * 30])


def test_truncating_keeps_the_end_token(path):
    tokens = make(path)(["a photo of " + "dog " * 30, "a"], truncate=True)
    assert tokens.ids[0].tolist() == [CLS, A, PHOTO, OF, DOG, DOG, DOG, SEP]
    assert tokens.ids[1].tolist() == [CLS, A, SEP] + [PAD] * 5


def test_truncating_a_tokenizer_without_an_end_token_keeps_its_first_words(path, tmp_path):
    described = json.loads(path.read_text())
    described["post_processor"] = None
    (tmp_path / "tokenizer.json").write_text(json.dumps(described))
    tokens = make(tmp_path / "tokenizer.json", context_length=3)(["a photo of dogs"], truncate=True)
    assert tokens.ids.tolist() == [[A, PHOTO, OF]]


def test_broken_unicode_becomes_the_replacement_character(path):
    assert make(path)(["\ud83d dog \udcff"]).ids.tolist() == [[CLS, BROKEN, DOG, BROKEN, SEP]]
    assert make(path)(["😀"]).ids.tolist() == [[CLS, SMILE, SEP]]


@settings(deadline=None, max_examples=200)
@given(text=st.text(st.characters()))
def test_any_text_gives_tokens_or_an_input_error(path, text):
    try:
        assert make(path)([text], truncate=True).ids.shape[1] <= 8
    except InputError:
        assert not text.strip()


def test_what_is_no_list_of_strings_is_refused(path):
    tokenizer = make(path)
    with pytest.raises(UsageError, match="number 1 is of type int"):
        tokenizer(["dog", 3])
    with pytest.raises(UsageError, match="this is one string; put it in a list"):
        tokenizer("dog")


# --- files and configs -----------------------------------------------------------------------------------------------


def test_a_file_that_is_no_tokenizer_is_refused(tmp_path):
    path = tmp_path / "tokenizer.json"
    for content, message in (
        (None, r"tokenizer\.json cannot be read: No such file"),
        (b"{", r"tokenizer\.json is not JSON"),
        (b"\xff\xfe", r"tokenizer\.json is not JSON"),
        (b"{}", r"tokenizer\.json is not a tokenizer that this version"),
    ):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(BundleError, match=message):
            make(path)


def test_a_context_without_room_for_a_word_is_refused(path):
    with pytest.raises(BundleError, match="context_length is 2, and the tokenizer adds 2 tokens"):
        make(path, context_length=2)
    assert make(path, context_length=3)(["dog"]).ids.shape == (1, 3)


def test_a_config_survives_json():
    config = TextConfig.from_dict(SECTION)
    assert TextConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"context_length": 0}, r"text\.context_length must be a whole number, at least 1; got 0"),
        ({"pad_id": -1}, r"text\.pad_id must be a whole number, at least 0; got -1"),
        ({"pad_id": None}, r"text\.pad_id .* got None"),
        ({"padding": "short"}, r"text\.padding must be one of longest, fixed; got 'short'"),
        ({"cleaner": "soap"}, r"text\.cleaner must be one of none.*; got 'soap'"),
        ({"contextlength": 3}, r"'contextlength' is not known \(did you mean 'context_length'\?\)"),
    ],
)
def test_a_config_that_no_model_can_mean_is_refused_with_its_key(changes, message):
    with pytest.raises(BundleError, match=message):
        TextConfig.from_dict({**SECTION, **changes})


@pytest.mark.parametrize("key", SECTION)
def test_a_config_without_a_key_names_it(key):
    with pytest.raises(BundleError, match=f"'text' of config.json does not fit: '{key}' is missing"):
        TextConfig.from_dict({name: value for name, value in SECTION.items() if name != key})
