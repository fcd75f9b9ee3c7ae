"""Preprocessing and tokenizers by family, and a tokenizer from a checkpoint's folder."""

import json

import pytest
import tokenizers

from seesay.base.errors import BundleError, UnknownNameError
from seesay.encoders import recipes
from seesay.inputs.openai import tokenizer_json
from seesay.inputs.tokenizer import Tokenizer

SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>"]


def write_tokenizer(folder, **settings):
    """A small tokenizer like Gemma's: tokenizer.json puts a start token before a text."""
    words = {word: number for number, word in enumerate([*SPECIAL, "a", "cat"])}
    backend = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<unk>"))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    backend.post_processor = tokenizers.processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 2)])
    backend.add_special_tokens(SPECIAL)
    backend.enable_padding(length=3)
    backend.enable_truncation(2)
    folder.mkdir(exist_ok=True)
    backend.save(str(folder / "tokenizer.json"))
    if settings:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def ids(folder, tmp_path, family="siglip2"):
    path = tmp_path / "ours.json"
    path.write_bytes(recipes.tokenizer_json(family, folder))
    config = recipes.text_config(family, 5)
    return Tokenizer(path, config)(["A cat!"]).ids[0].tolist()


def test_the_second_file_decides_about_start_and_end_tokens(tmp_path):
    write_tokenizer(
        tmp_path / "in", add_bos_token=False, add_eos_token=True, bos_token="<bos>", eos_token={"content": "<eos>"}
    )
    assert ids(tmp_path / "in", tmp_path) == [4, 5, 1, 0, 0]  # fixed padding, with the pad token 0


def test_without_its_word_the_first_file_decides(tmp_path):
    write_tokenizer(tmp_path / "in")
    assert ids(tmp_path / "in", tmp_path) == [2, 4, 5, 0, 0]


def test_a_token_that_the_first_file_lacks_is_an_error(tmp_path):
    write_tokenizer(tmp_path / "in", add_eos_token=True, eos_token="</s>")
    with pytest.raises(BundleError, match=r"asks for the eos token '</s>', which tokenizer\.json does not have"):
        recipes.read_tokenizer(tmp_path / "in")


def test_sentencepiece_alone_is_an_error_with_the_cure(tmp_path):
    (tmp_path / "spiece.model").write_bytes(b"")
    with pytest.raises(
        BundleError, match=r"has only spiece\.model, and a tokenizer\.json is needed; .*save_pretrained"
    ):
        recipes.tokenizer_json("siglip", tmp_path)


def test_no_tokenizer_and_no_folder_are_errors(tmp_path):
    with pytest.raises(BundleError, match="has no tokenizer, and"):
        recipes.tokenizer_json("siglip", tmp_path)
    with pytest.raises(BundleError, match=r"needs its own tokenizer\.json; give the checkpoint's whole folder"):
        recipes.tokenizer_json("siglip", None)


def test_a_broken_tokenizer_is_an_error(tmp_path):
    (tmp_path / "tokenizer.json").write_text("[]")
    with pytest.raises(BundleError, match="is no dictionary but list"):
        recipes.read_tokenizer(tmp_path)


def test_clip_and_pe_have_openais_tokenizer():
    assert recipes.tokenizer_json("clip", None) == recipes.tokenizer_json("pe", None) == tokenizer_json()
    assert recipes.text_config("pe", 32).context_length == 32
    assert recipes.text_config("clip", 77).padding == "longest"


def test_unknown_families_and_statistics_are_named():
    with pytest.raises(UnknownNameError, match="no family is called 'clp'; did you mean clip"):
        recipes.text_config("clp", 77)
    with pytest.raises(UnknownNameError, match="no set of statistics is called 'openia'; did you mean openai"):
        recipes.image_config("clip", 224, statistics="openia")
