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
from collections.abc import Collection, Iterator
from itertools import groupby
from pathlib import Path

import tokenizers

from seesay.base.errors import BundleError

FILE = "words.txt.gz"
"""In a bundle: one word a line, as the tokenizer's normaliser writes it."""

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


class Words:
    """The words that a model knows.

    Args:
        backend: its tokenizer.
        listed: its list, as the tokenizer's normaliser writes words.
    """

    def __init__(self, backend: tokenizers.Tokenizer, listed: Collection[str]) -> None:
        self._backend, self._listed = backend, frozenset(listed)
        added = (token.content for token in backend.get_added_tokens_decoder().values())
        self._unspaced = [word for word in added if _UNSPACED.search(word)]

    @classmethod
    def read(cls, folder: Path, tokenizer: Path) -> "Words | None":
        """Read a bundle's list; None where it has none.

        Raises:
            BundleError: the list or the tokenizer cannot be read.
        """
        if not (folder / FILE).is_file():
            return None
        try:
            listed = gzip.decompress((folder / FILE).read_bytes()).decode("utf-8").split()
            return cls(tokenizers.Tokenizer.from_file(str(tokenizer)), listed)
        except Exception as error:  # the tokenizers library raises bare Exception
            raise BundleError(
                f"the words of {folder} cannot be read: {error}; fetch or make the model again"
            ) from error

    def unknown(self, text: str) -> list[str]:
        """The words of a text that are not known, as they are written there, each once."""
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
        return written in self._listed or self._backend.token_to_id(written) is not None

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
