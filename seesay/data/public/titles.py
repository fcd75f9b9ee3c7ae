"""Captions out of what people called their files: names, titles and keywords, without what says nothing.

Knows words only, no pictures. What makes two titles the same for a split is here too.
"""

import hashlib
import html
import re
import unicodedata
from collections.abc import Iterable

# what drawing programs and converters leave in a field
_NOISE = re.compile(r"HASH\(0x[0-9a-f]+\)|\b0x[0-9a-f]{5,}\b|https?://\S+|www\.\S+|\S+@\S+", re.IGNORECASE)
_MAKER = re.compile(r"^\s*clipart by [^-]+-\s*", re.IGNORECASE)
# "elefante01" and "horse#2" are the second picture of a kind, while "747" and "2 dogs" say something
_NUMBERED = re.compile(
    r"(?<=[^\W\d])\s*#?\s*(?:0\d+|\d{1,2})[a-z]?$|(?<=[^\W\d])#?\d+$|(?<=\d)\s+\d{1,2}$|\s#\s*\d+$|^0\d+\s+(?=\D)"
)
_VERSION = re.compile(r"\s+v?\d+\.\d+$|\s+md$|\s+r$", re.IGNORECASE)
_ABBREVIATIONS = {"bw": "black and white", "b&w": "black and white"}
_ARTICLES = frozenset({"a", "an", "the", "of", "in", "on", "with", "and", "by", "for", "to"})
_MOST_WORDS = 30


def clean_title(text: str) -> str:
    """A title as one would say it: spaces for underscores, no numbering, addresses or traces of a program.

    Returns:
        "" where nothing is left that says something.
    """
    text = _MAKER.sub("", _NOISE.sub(" ", html.unescape(unicodedata.normalize("NFC", text))))
    text = re.sub(r"[_\s]+", " ", text)
    text = text.strip(" -–.,;:!|/\\\"'")
    if " " not in text:
        text = text.replace("-", " ")  # a file name's hyphens are spaces; a sentence's are its own
        text = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", text)
    text, colours = _without_abbreviation(text)
    for _ in range(3):  # "tux08 2 v1.0"
        text = _VERSION.sub("", _NUMBERED.sub("", text)).strip(" -–.,;:#")
    words = text.split()
    if not any(len(re.sub(r"[\W\d_]", "", word)) > 2 for word in words):
        return ""
    return _balanced(" ".join(words[:_MOST_WORDS]) + colours)


def clean_keywords(words: Iterable[str], title: str, *, without: Iterable[str] = (), most: int = 5) -> list[str]:
    """Keywords that add to a title, in their order.

    Args:
        words: as they were given.
        title: what is said already.
        without: words that say nothing of the picture, in lower case.
        most: how many.
    """
    said, kept = set(title_key(title).split()), []
    dropped = {word.lower() for word in without}
    for word in words:
        clean = clean_title(word.lower())
        new = set(title_key(clean).split()) - said
        if clean and clean not in dropped and word.lower() not in dropped and new:
            said |= new
            kept.append(clean)
    return kept[:most]


def title_key(text: str) -> str:
    """What titles that say the same share: case, order, articles, plurals and numbering do not count.

    "Dogs, 2" and "the dog" have one key, as have "dog head" and "head of a dog".
    """
    plain = unicodedata.normalize("NFKD", text.lower())
    words = re.findall(r"[^\W\d_]+|\d+", "".join(letter for letter in plain if not unicodedata.combining(letter)))
    named = {_singular(word) for word in words if word not in _ARTICLES and not word.isdigit()}
    return " ".join(sorted(named or set(words)))


def is_held_out(key: str, share: float) -> bool:
    """Whether a title is kept for measuring. It hangs on the title alone, so it is the same in every set."""
    number = int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:8], "big")
    return number < share * 2**64


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def _without_abbreviation(text: str) -> tuple[str, str]:
    before, _, last = text.rpartition(" ")
    meant = _ABBREVIATIONS.get(last.lower())
    return (before, f" ({meant})") if before and meant else (text, "")


def _balanced(text: str) -> str:
    """Without a bracket that was cut off."""
    return text if text.count("(") == text.count(")") else text.replace("(", "").replace(")", "").strip()
