"""Which words a model knows."""

import gzip

import pytest
import tokenizers
from encoders import ColourEncoder

import seesay
from seesay.base.errors import BundleError
from seesay.base.paths import ASSETS
from seesay.encoders.bundle import file_sha256
from seesay.encoders.encoder import KnowsWords
from seesay.encoders.words import Words, list_of, split_words
from seesay.training.recipes.starter_words import write_words

TOKENIZER = ASSETS / "starter" / "tokenizer.json"
LIST = list_of(file_sha256(TOKENIZER))


def read(path):
    return Words(path, tokenizers.Tokenizer.from_file(str(TOKENIZER)))


@pytest.fixture(scope="module")
def words():
    return read(LIST)


@pytest.mark.parametrize(
    "text",
    [
        "a dog on a beach",
        "Two dogs' bowls, a wolf's den; geese and mice",
        "the happiest runner was stopped, skating and waving prettily",
        "a clownfish beside a didgeridoo player",
        "an 18th-century house, 4k, DSC00123.jpg and mp3",
        "naïve CAFÉ",
        "ein Hund, un perro, un chien, 一只猫, Fahrrad",
        "selfies on hoverboards",
        "",
        "?! 12 \U0001f600",
    ],
)
def test_what_is_known_is_not_named(words, text):
    assert words.unknown(text) == []


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("kissa", ["kissa"]),
        ("a Kissa and a kissa", ["Kissa", "kissa"]),
        ("an elephnat in the gardne", ["elephnat", "gardne"]),
        ("Eichh\u00f6rnchen", ["Eichhörnchen"]),
        ("Eichho\u0308rnchen", ["Eichhörnchen"]),
        ("кошка на пляже", ["кошка", "пляже"]),
        ("ねこ", ["ねこ"]),
        ("हिन्दी", ["हिन्दी"]),
    ],
)
def test_what_is_not_known_is_named_as_it_is_written(words, text, unknown):
    assert words.unknown(text) == unknown


def test_the_starter_names_words_and_says_so_by_its_protocol():
    starter = seesay.load()
    assert isinstance(starter, KnowsWords)
    assert starter.unknown_words("a kissa") == ["kissa"]
    assert not isinstance(ColourEncoder(), KnowsWords)


def test_a_tokenizer_without_a_list_names_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr("seesay.encoders.words.LISTS", tmp_path)
    assert seesay.load().unknown_words("kissa") == []


def test_a_broken_list_is_an_error(tmp_path):
    whole = LIST.read_bytes()
    for content in (b"no gzip", whole[:1000], whole[:50] + bytes(50) + whole[100:]):
        (tmp_path / "broken.txt.gz").write_bytes(content)
        with pytest.raises(BundleError, match=r"broken.txt.gz cannot be read: .*; fetch or make the model again"):
            read(tmp_path / "broken.txt.gz").unknown("kissa")


def test_the_list_is_made_of_every_part_of_wordnet(tmp_path):
    licence = "  1 This software and database is being provided to you\n"
    for part, lemma, forms in (
        ("noun", "zyzzyva_weevil n 1", "zyzzen zyzza\n"),
        ("verb", "zwack v 1", ""),
        ("adj", "zyx-like a 1", ""),
        ("adv", "zwackly r 1", ""),
    ):
        (tmp_path / f"index.{part}").write_text(f"{licence}{lemma} 0 1\n")
        (tmp_path / f"{part}.exc").write_text(forms)
    out = tmp_path / "list.txt.gz"
    write_words(tmp_path, TOKENIZER, out)
    listed = set(gzip.decompress(out.read_bytes()).decode().split())
    assert {"zyzzyva", "weevil", "zyzzen", "zyzza", "zwack", "zyx", "like", "zwackly", "selfie"} <= listed
    made = read(out)
    assert made.unknown("a zwack in the zwackster") == ["zwackster"]
    first = out.read_bytes()
    write_words(tmp_path, TOKENIZER, out)
    assert out.read_bytes() == first


def test_words_are_runs_of_letters():
    assert list(split_words("Don't re-use  e\u0301t\u00e9, 3D a1b2 x_y")) == [
        "Don",
        "t",
        "re",
        "use",
        "\u00e9t\u00e9",
        "x",
        "y",
    ]


def test_the_list_is_small():
    assert LIST.stat().st_size < 500_000
