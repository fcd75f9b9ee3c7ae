"""Words of other languages become tokens, which the tower reads as the English word."""

import numpy as np
import pytest
import tokenizers
import torch
from tokenizers import models, normalizers, pre_tokenizers, processors

from seesay.inputs.tokenizer import TextConfig, Tokenizer
from seesay.models.bert import Bert, BertConfig
from seesay.training.vocabulary import FREQUENT, RowsConfig, add_words, grow, is_short, seek_rows

FREQUENT_WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "photo", "of", "and", "on", "the", "street", "der")
RARE_WORDS = (
    "dog",
    "cat",
    "bicycle",
    "fire",
    "truck",
    "black",
    "noir",
    "casa",
    "haus",
    "po",
    "##mmel",
    "fah",
    "##rrad",
)
TEXT_CONFIG = TextConfig(context_length=16, pad_id=0, padding="longest", cleaner="none")
CONFIG = BertConfig(
    vocabulary_size=FREQUENT + len(RARE_WORDS),
    context_length=16,
    width=24,
    num_layers=1,
    num_heads=2,
    mlp_dim=48,
    norm_eps=1e-12,
    pooling="mean",
)


@pytest.fixture(scope="module")
def content():
    frequent = (*FREQUENT_WORDS, *(f"[unused{number}]" for number in range(FREQUENT - len(FREQUENT_WORDS))))
    vocabulary = {word: token for token, word in enumerate((*frequent, *RARE_WORDS))}
    backend = tokenizers.Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    backend.enable_padding(length=12)  # as the published file has it
    return backend.to_str()


def nothing_is_english(_word):
    return False


def words_in(vocabulary, text):
    """The words of the vocabulary that are found, as their translations."""
    backend = tokenizers.Tokenizer.from_str(vocabulary.content)
    backend.no_padding()
    return [vocabulary.words[token].translation for token in backend.encode(text).ids if token in vocabulary.words]


def test_chinese_is_found_within_a_text_the_longest_word_first(content):
    words = {"猫": "cat", "车": "truck", "自行车": "bicycle", "和": "and"}
    vocabulary = add_words(content, words, {}, is_english=nothing_is_english)
    assert words_in(vocabulary, "一只猫和自行车") == ["cat", "and", "bicycle"]
    assert words_in(vocabulary, "车") == ["truck"]


def test_other_words_are_found_whole_in_any_writing(content):
    words = {"Fahrrad": "bicycle", "camion de pompiers": "fire truck", "bête": "dog"}
    vocabulary = add_words(content, words, {}, is_english=nothing_is_english)
    assert words_in(vocabulary, "ein FAHRRAD, fahrrad.") == ["bicycle", "bicycle"]
    assert words_in(vocabulary, "un camion de pompiers") == ["fire truck"]
    assert words_in(vocabulary, "Bete") == ["dog"]
    assert words_in(vocabulary, "Fahrradkette") == []


def test_english_keeps_its_words(content):
    words = {"chat": "cat", "der": "the", "thé": "cat"}
    vocabulary = add_words(content, words, words, is_english=lambda word: word == "chat")
    # "chat" is English, "der" and "the" are frequent in it
    assert vocabulary.words == {}
    assert vocabulary.size == CONFIG.vocabulary_size


def test_a_common_word_takes_a_rare_token_over_and_no_other_does(content):
    vocabulary = add_words(content, {"noir": "black"}, {"casa": "dog"}, is_english=nothing_is_english)
    (token,) = vocabulary.words
    assert token == FREQUENT + RARE_WORDS.index("noir")
    assert vocabulary.size == CONFIG.vocabulary_size


def test_of_two_words_that_are_one_without_accents_the_first_counts(content):
    vocabulary = add_words(content, {"pêche": "dog"}, {"pèche": "cat"}, is_english=nothing_is_english)
    assert words_in(vocabulary, "peche") == ["dog"]


def test_what_is_english_is_asked_without_capitals_and_accents(content):
    asked = []
    add_words(content, {"Pâté": "dog", "猫": "cat"}, {}, is_english=lambda word: bool(asked.append(word)))
    assert asked == ["pate"]


def test_rows_are_the_mean_of_the_translations_rows(content):
    vocabulary = add_words(content, {"Feuerwehrauto": "fire truck", "Hund": "dog"}, {}, is_english=nothing_is_english)
    table_VD = torch.randn(CONFIG.vocabulary_size, 3)
    grown_VD = grow(table_VD, vocabulary)
    fire, truck, dog = (FREQUENT + RARE_WORDS.index(word) for word in ("fire", "truck", "dog"))
    assert grown_VD.shape == (vocabulary.size, 3)
    torch.testing.assert_close(grown_VD[: len(table_VD)], table_VD)
    torch.testing.assert_close(grown_VD[len(table_VD)], table_VD[[fire, truck]].mean(dim=0))
    torch.testing.assert_close(grown_VD[len(table_VD) + 1], table_VD[dog])


def test_rows_are_sought_that_the_tower_reads_as_the_translation(content, tmp_path):
    torch.manual_seed(0)
    words = {"Feuerwehrauto": "fire truck", "消防车": "fire truck", "Knauf": "pommel", "Hund": "dog"}
    vocabulary = add_words(content, words, {}, is_english=nothing_is_english)
    (tmp_path / "tokenizer.json").write_text(vocabulary.content, "utf-8")
    tokenizer = Tokenizer(tmp_path / "tokenizer.json", TEXT_CONFIG)
    tower = Bert(CONFIG).eval()
    torch.nn.init.normal_(tower.token_embedding.weight)
    tower.token_embedding = torch.nn.Embedding.from_pretrained(grow(tower.token_embedding.weight.detach(), vocabulary))

    def distance():
        with torch.inference_mode():
            read = [
                tower(*(torch.from_numpy(array) for array in tokenizer([context.format(word) for word in side])))
                for context in ("{}", "a photo of a {} and a cat")  # the second is none of those learned with
                for side in (list(words), list(words.values()))
            ]
        return np.array([((read[row] - read[row + 1]) ** 2).mean(dim=1).numpy() for row in (0, 2)])

    before, state = distance(), {name: tensor.clone() for name, tensor in tower.state_dict().items()}
    errors = seek_rows(tower, vocabulary, tokenizer, RowsConfig(steps=60, batch_size=1, lr=3e-2))
    after = distance()
    assert len(errors) == 60
    assert errors[-1] < errors[0] / 2
    assert (after[0, :3] < before[0, :3] / 3).all()
    assert (after[1, :3] < before[1, :3] / 1.2).all()
    np.testing.assert_allclose(after[:, 3], 0, atol=1e-9)
    changed = {name for name, tensor in tower.state_dict().items() if not torch.equal(tensor, state[name])}
    assert changed == {"token_embedding.weight"}
    tables = tower.token_embedding.weight, state["token_embedding.weight"]
    moved = {int(token) for token in (tables[0] != tables[1]).any(dim=1).nonzero()}
    assert {vocabulary.words[token].written for token in moved} == {"feuerwehrauto", "消防车", "knauf"}
    assert all(parameter.grad is None for parameter in tower.parameters())


@pytest.mark.parametrize(
    ("word", "short"), [("Hund", True), ("camion de pompiers", False), ("自行车", True), ("三颗爱心的笑脸", False)]
)
def test_names_that_describe_an_emoji_are_not_short(word, short):
    assert is_short(word) == short
