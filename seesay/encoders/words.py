"""Which words of a text a model knows. Only a model that ships a list of words can tell; today that is the starter.

A word is known when it is a token of the model's vocabulary, stands in the list, is a form of such a word ("dogs",
"skated", "happier"), or is put together of two listed words of four letters or more ("clownfish"), or of a prefix and
one. Names that only look like a word of the list, and slips of the pen that give another word ("cat" for "car"), cannot
be told.

Chinese and Japanese are written without spaces: there a run of signs is known when one of the model's own words is in
it.
"""

import gzip
import re
import unicodedata
import zlib
from collections.abc import Iterator
from functools import cached_property
from itertools import groupby
from pathlib import Path

import tokenizers

from seesay.base.errors import BundleError
from seesay.base.paths import ASSETS

LISTS = ASSETS / "words"
"""Lists of words, each named by the sha256 of the tokenizer that it belongs to, so that a model made from the starter
has the starter's. One word a line, as the tokenizer's normaliser writes it."""

SHORTEST = 3  # shorter ones are articles, units, initials
SHORTEST_PART = 4  # of a compound: with 3, every seventh misspelt word passed, with 4 every thirteenth

# Endings of English and what stood in their place, as in WordNet's morphology with comparison and -ly besides.
_ENDINGS = (
    ("s", ""), ("es", ""), ("ies", "y"), ("ves", "f"), ("ves", "fe"),
    ("ed", ""), ("ed", "e"), ("ied", "y"), ("ing", ""), ("ing", "e"),
    ("er", ""), ("er", "e"), ("ier", "y"), ("ers", ""), ("ers", "e"), ("est", ""), ("est", "e"), ("iest", "y"),
    ("ly", ""), ("ly", "le"), ("ily", "y"), ("ness", ""), ("iness", "y"), ("less", ""), ("like", ""), ("men", "man"),
)  # fmt: skip
_PREFIXES = frozenset({"anti", "inter", "mid", "mini", "mis", "multi", "non", "out", "over", "pre", "re", "semi", "un"})
_DOUBLING = ("ed", "ing", "er", "ers", "est")  # "stopped", "bigger"
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff]")  # kana, Chinese characters


def list_of(tokenizer_sha256: str) -> Path:
    """Where the list of the models with this tokenizer is, if there is one."""
    return LISTS / f"{tokenizer_sha256[:12]}.txt.gz"


class Words:
    """The words that a model knows.

    Args:
        path: of its list, which is read when the first word comes that is no token.
        backend: its tokenizer.
    """

    def __init__(self, path: Path, backend: tokenizers.Tokenizer) -> None:
        self._path, self._backend = path, backend

    @cached_property
    def _listed(self) -> frozenset[str]:
        try:
            return frozenset(gzip.decompress(self._path.read_bytes()).decode("utf-8").split())
        except (OSError, EOFError, ValueError, zlib.error) as error:
            raise BundleError(f"{self._path} cannot be read: {error}; fetch or make the model again") from error

    @cached_property
    def _unspaced(self) -> list[str]:
        """The model's own words that are written without spaces."""
        added = (token.content for token in self._backend.get_added_tokens_decoder().values())
        return [word for word in added if _UNSPACED.search(word)]

    def unknown(self, text: str) -> list[str]:
        """The words of a text that are not known, as they are written there, each once.

        Raises:
            BundleError: the list cannot be read.
        """
        return list(dict.fromkeys(word for word in split_words(text) if not self._knows(word)))

    def _knows(self, word: str) -> bool:
        if _UNSPACED.search(word):
            return any(own in word for own in self._unspaced)
        written = self.normalize(word)
        return len(written) < SHORTEST or self._is_form(written) or self._is_compound(written)

    def normalize(self, word: str) -> str:
        """A word without capitals and accents, as the model reads it."""
        return str(self._backend.normalizer.normalize_str(word)) if self._backend.normalizer else word

    def _is_word(self, written: str) -> bool:
        return self._backend.token_to_id(written) is not None or written in self._listed

    def _is_form(self, written: str) -> bool:
        return self._is_word(written) or any(map(self._is_word, _bases(written)))

    def _is_compound(self, written: str) -> bool:
        cuts = range(2, len(written) - SHORTEST_PART + 1)
        return any(self._begins(written[:cut]) and self._ends(written[cut:]) for cut in cuts)

    def _begins(self, part: str) -> bool:
        return part in _PREFIXES or (len(part) >= SHORTEST_PART and part in self._listed)

    def _ends(self, part: str) -> bool:
        return part in self._listed or any(base in self._listed for base in _bases(part))


def split_words(text: str) -> Iterator[str]:
    """The words of a text: runs of letters and their marks. What has a digit in it is no word."""
    for is_word, run in groupby(unicodedata.normalize("NFC", text), key=_is_part):
        word = "".join(run)
        if is_word and not any(unicodedata.category(letter).startswith("N") for letter in word):
            yield word


def _is_part(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "LMN"


def _bases(written: str) -> Iterator[str]:
    """What an English word may be a form of."""
    for ending, before in _ENDINGS:
        if written.endswith(ending):
            stem = written[: -len(ending)]
            if len(stem) + len(before) >= SHORTEST:
                yield stem + before
            if ending in _DOUBLING and len(stem) > SHORTEST and stem[-1] == stem[-2]:
                yield stem[:-1]
