"""Words of other languages as tokens of their own, which a text tower reads as the English word.

A vocabulary made for English cuts "Fahrrad" into pieces that mean nothing, and has no 狗 at all. Here such a word
becomes one token. Where its translation is one token, it gets the same row of the embedding; where it is several, a row
is sought with which the tower makes of the word what it makes of the translation. Nothing else of the tower changes,
and a sentence of any language means about what its words do.

Shape legend: V tokens, W words, B texts, L tokens of the longest, D width.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, cast

import tokenizers
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from seesay.inputs.tokenizer import Tokenizer, Tokens

log = logging.getLogger("seesay.training.vocabulary")

FREQUENT = 5000
"""BERT's vocabulary is sorted: before this come marks, letters and the 3,000 most frequent words of English."""


class Word(NamedTuple):
    """A word of another language."""

    written: str
    """As the tokenizer sees it: without capitals and accents."""
    translation: str
    """English."""
    pieces: tuple[int, ...]
    """The translation's tokens."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A tokenizer that knows the words."""

    content: str
    """Of its tokenizer.json."""
    size: int
    """V, how many rows the embedding must have."""
    words: dict[int, Word]
    """By their tokens."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RowsConfig:
    """How rows are sought."""

    steps: int = 40
    """For each batch."""
    batch_size: int = 128
    """Words whose rows are sought together, each in every one of `contexts`."""
    lr: float = 1e-2
    contexts: tuple[str, ...] = ("{}", "a photo of a {}", "a {} and a dog on the street")


def add_words(
    content: str, common: Mapping[str, str], others: Mapping[str, str], *, is_english: Callable[[str], bool]
) -> Vocabulary:
    """Give every word a token, but for those that mean something in English.

    Chinese is found within a text, since it is written without spaces, the longest word first; anything else only
    between spaces and marks, and however it is written, in capitals or without accents.

    Args:
        content: of a BERT's tokenizer.json.
        common: from a word of another language, or several with spaces, to an English one; these also get tokens that
            the vocabulary has already, for what English borrowed ("und", "noir"), if they are rare.
        others: likewise, and these get no such tokens. Where two words are one without accents the first counts.
        is_english: whether a word, without capitals and accents, means something in English.
    """
    backend, reader = (tokenizers.Tokenizer.from_str(content) for _ in range(2))
    reader.no_padding()
    reader.no_truncation()
    chosen: dict[str, str] = {}
    for translations, taken_from in ((common, FREQUENT), (others, reader.get_vocab_size())):
        for word, translation in translations.items():
            written = word if is_chinese(word) else reader.normalizer.normalize_str(word)
            token = reader.token_to_id(written)
            is_taken = not is_chinese(word) and (is_english(written) or (token is not None and token < taken_from))
            if not is_taken:
                chosen.setdefault(written, translation)
    backend.add_tokens(
        [
            tokenizers.AddedToken(word, single_word=not is_chinese(word), normalized=not is_chinese(word))
            for word in chosen
        ]
    )
    words = {
        cast(int, backend.token_to_id(written)): Word(
            written, translation, tuple(reader.encode(translation, add_special_tokens=False).ids)
        )
        for written, translation in chosen.items()
    }
    return Vocabulary(content=backend.to_str(), size=backend.get_vocab_size(), words=words)


def is_short(word: str) -> bool:
    """Whether it is one word, or at most four Chinese characters: longer names of emoji describe them."""
    return len(word) <= 4 if is_chinese(word) else " " not in word


def is_chinese(word: str) -> bool:
    """Whether a Chinese character is in it."""
    return any("\u4e00" <= letter <= "\u9fff" for letter in word)


def grow(table_VD: Tensor, vocabulary: Vocabulary) -> Tensor:
    """An embedding with a row for every word: the mean of the rows of its translation."""
    grown_VD = table_VD.new_zeros(vocabulary.size, table_VD.shape[1])
    grown_VD[: len(table_VD)] = table_VD
    for token, word in vocabulary.words.items():
        grown_VD[token] = table_VD[list(word.pieces)].mean(dim=0)
    return grown_VD


def seek_rows(tower: nn.Module, vocabulary: Vocabulary, tokenizer: Tokenizer, config: RowsConfig) -> list[float]:
    """Find the rows of words whose translation has several tokens, in place.

    Args:
        tower: a text tower with a grown `token_embedding`, in its mode for use.
        vocabulary: what it was grown by.
        tokenizer: of that vocabulary.
        config: how.

    Returns:
        For each step of a batch the squared error of the tower's features, where their variance is 1, over all
        batches in the mean.
    """
    same: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for token, word in vocabulary.words.items():
        if len(word.pieces) > 1:
            same[word.pieces].append(token)
    groups = list(same.values())
    batches = [groups[start : start + config.batch_size] for start in range(0, len(groups), config.batch_size)]
    errors = [_seek(tower, batch, vocabulary, tokenizer, config) for batch in batches]
    log.info("%d rows sought for %d words", len(groups), sum(map(len, groups)))
    return [sum(step) / len(step) for step in zip(*errors, strict=True)]


def _seek(
    tower: nn.Module, groups: list[list[int]], vocabulary: Vocabulary, tokenizer: Tokenizer, config: RowsConfig
) -> list[float]:
    words = [vocabulary.words[tokens[0]] for tokens in groups]
    seen, wanted = (
        _tensors(tokenizer([context.format(name) for context in config.contexts for name in names]))
        for names in ([word.written for word in words], [word.translation for word in words])
    )
    with torch.no_grad():
        wanted_BD = tower(*wanted)
    variance = float(wanted_BD.var())
    embedding: nn.Embedding = tower.token_embedding  # type: ignore[assignment]
    table_VD = embedding.weight.detach()
    firsts_W = torch.tensor([tokens[0] for tokens in groups])
    rows_WD = table_VD[firsts_W].clone().requires_grad_()
    optimizer = torch.optim.Adam([rows_WD], lr=config.lr)
    errors = []
    for _ in range(config.steps):
        changed = {"token_embedding.weight": table_VD.index_copy(0, firsts_W, rows_WD)}
        error = F.mse_loss(functional_call(tower, changed, seen), wanted_BD) / variance
        (rows_WD.grad,) = torch.autograd.grad(error, [rows_WD])
        optimizer.step()
        errors.append(float(error.detach()))
    with torch.no_grad():
        for tokens, row_D in zip(groups, rows_WD, strict=True):
            embedding.weight[tokens] = row_D
    return errors


def _tensors(tokens: Tokens) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask)
