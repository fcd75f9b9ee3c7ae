"""Queries: a weighted sum of texts, pictures and videos, and how it is typed.

"a dog on a beach"        one text
./photo.jpg               one picture
./clip.mp4                one video: the mean of eight of its frames
-                         the picture that comes in through a pipe, where a term is expected
"a beach" - "people"      like the first, unlike the second
./photo.jpg + 0.5:"snow"  a picture, moved half-way towards a text
"a door opens" then "a dog runs in"    one after the other, in the same video

In a search box it is one sentence, and never a path: `a beach + snow - 2:people`, `a door opens then a dog runs in`.
"""

import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from numbers import Real
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seesay.base.arguments import kind_of
from seesay.base.errors import UsageError
from seesay.encoders.encoder import Encoder, KnowsWords
from seesay.encoders.looking import look_at
from seesay.inputs.pictures import PICTURE_SUFFIXES
from seesay.inputs.video import VIDEO_SUFFIXES

_WEIGHT = re.compile(r"(\d+(?:\.\d*)?|\.\d+):(?=.)", re.DOTALL)
THEN = "then"
PIPED = "-"
MAX_WEIGHT = 1e6  # beside a text of weight 1 it is all that counts, and far from where float32 ends
_SIGN = re.compile(r"(?:^|\s+)([+−-])(?=\s|$)")
_THEN = re.compile(r"(?:^|(?<=\s))then(?=\s|$)")
_QUOTED = re.compile(r'(?:^|(?<=[\s:]))["“](.*?)(?:["”](?=\s|$)|$)', re.DOTALL)  # to the end where not closed
_SEQUENCE = 'as in "a door opens" then "a dog runs in"'
_OPERATORS = {"+": 1.0, "-": -1.0, "−": -1.0}  # the last is what phones type for a minus sign


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One part of a query and how much it counts (negative: unlike it). One of the first three is given."""

    text: str | None = None
    image: Path | Image.Image | None = None
    """A picture, or the path of one or of a video."""
    vector: NDArray[np.float32] | None = field(default=None, compare=False)
    """(E,) of length 1: what is known already, as of an item of the library."""
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what is of another type.

        Raises:
            UsageError: a part is.
        """
        given: tuple[tuple[str, Any, Any, str], ...] = (
            ("text", self.text, str | None, "a string"),
            ("image", self.image, str | os.PathLike | Image.Image | None, "a Path or a Pillow picture"),
            ("vector", self.vector, np.ndarray | None, "a NumPy array"),
            ("weight", self.weight, Real, "a number"),
        )
        for name, value, kinds, expected in given:
            if not isinstance(value, kinds):
                raise UsageError(f"the {name} of a term must be {expected}, got {kind_of(value)}")


@dataclass(frozen=True, slots=True)
class Query:
    """A sum of terms.

    Raises:
        UsageError: something in it is no term, there is none, nothing is asked for but what should not be there, or a
            weight is beyond all use.
    """

    terms: tuple[Term, ...]

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        _check_parts("terms", self.terms, Term)
        if not any(term.weight > 0 for term in self.terms):
            raise UsageError('a query needs something to look for, as in `"a beach" - "people"`')
        if not all(abs(term.weight) <= MAX_WEIGHT for term in self.terms):
            raise UsageError(f"the weight of a term is between -{MAX_WEIGHT:,.0f} and {MAX_WEIGHT:,.0f}")

    @property
    def is_one_text(self) -> bool:
        """Whether it is a text and nothing else: what a model's calibration speaks of."""
        return len(self.terms) == 1 and self.terms[0].text is not None

    def vector(self, encoder: Encoder) -> NDArray[np.float32]:
        """The direction to search in: (E,) float32 of length 1.

        Raises:
            InputError: a picture or text of the query cannot be read.
            UsageError: the terms cancel out.
        """
        total = np.zeros(encoder.dim, np.float32)
        for term in self.terms:
            if term.vector is not None:
                if term.vector.shape != total.shape or term.vector.dtype.kind not in "fiu":
                    raise UsageError(f"the vector of a term must be {total.shape} numbers, got {term.vector.shape}")
                total += term.weight * term.vector
            elif term.image is not None:
                total += term.weight * look_at(term.image, encoder)
            elif term.text is not None:
                total += term.weight * encoder.encode_texts([term.text])[0]
        length = float(np.linalg.norm(total))
        if length < 1e-6:
            raise UsageError("the parts of this query cancel out; change a word or a weight")
        return total / np.float32(length)


@dataclass(frozen=True, slots=True)
class Steps:
    """Queries of which each follows the one before it, in the same video."""

    steps: tuple[Query, ...]
    within_s: float | None = None
    """Seconds between two steps at most; None for any."""

    def __post_init__(self) -> None:
        """Refuse what has no meaning.

        Raises:
            UsageError: fewer than two steps, or no time between them.
        """
        _check_parts("steps", self.steps, Query)
        within_s: Any = self.within_s
        if not isinstance(within_s, Real | None):
            raise UsageError(f"within_s must be a number of seconds, got {kind_of(within_s)}")
        if len(self.steps) < 2:
            raise UsageError('a sequence needs two queries, as in `"a door opens" then "a dog runs in"`')
        if self.within_s is not None and not (math.isfinite(self.within_s) and self.within_s > 0):
            raise UsageError(f"within must be a positive number of seconds, got {self.within_s!r}")


def _check_parts(name: str, parts: Any, kind: type) -> None:
    if not isinstance(parts, tuple) or not all(isinstance(part, kind) for part in parts):
        raise UsageError(f"{name} must be a tuple of {kind.__name__}, as in ({kind.__name__}(...),)")


Asked: TypeAlias = str | Path | Query | Steps | NDArray[np.float32]
"""What can be searched for: a text, the path of a picture, a sum of both, a sequence, or an (E,) vector."""


def texts_of(asked: Asked) -> list[str]:
    """The texts in it, also of what should not be there."""
    if isinstance(asked, str):
        return [asked]
    if not isinstance(asked, Query | Steps):
        return []
    steps = asked.steps if isinstance(asked, Steps) else (asked,)
    return [term.text for step in steps for term in step.terms if term.text is not None]


def unknown_words(asked: Asked, encoder: Encoder) -> list[str]:
    """Words of a query's texts that the model does not know, each once, as they were written.

    None where nobody can tell: a model tells that was given the words it knows (`KnowsWords`), today the starter.
    """
    if not isinstance(encoder, KnowsWords):
        return []
    return list(dict.fromkeys(word for text in texts_of(asked) for word in encoder.unknown_words(text)))


def parse(
    words: Sequence[str], *, within_s: float | None = None, piped: Callable[[], Image.Image] | None = None
) -> Query | Steps:
    """Read a query, or with the word `then` standing alone a sequence.

    Args:
        words: as a shell hands them over.
        within_s: seconds between two steps of a sequence at most.
        piped: gives the picture that `-` stands for; None: there is none.

    Raises:
        UsageError: as `parse_query`, or `within_s` without a sequence.
    """
    steps: list[list[str]] = [[]]
    for word in words:
        if word == THEN:
            steps.append([])
        else:
            steps[-1].append(word)
    if len(steps) == 1:
        if within_s is not None:
            raise UsageError(
                '--within is the time between the steps of a sequence: "a door opens" then "a dog runs in"'
            )
        return parse_query(words, piped=piped)
    if not all(steps):
        raise UsageError("`then` needs a query before and after it; to look for the word, quote it with others")
    return Steps(tuple(parse_query(step, piped=piped) for step in steps), within_s)


def parse_query(words: Sequence[str], *, piped: Callable[[], Image.Image] | None = None) -> Query:
    """Read a query as a shell hands it over: one item an argument.

    Neighbouring words without a sign between them are one text, so quotes may be left out.
    A word is a picture or video when it has such a suffix, or looks like a path. `-` is the piped picture where a
    term is expected and none follows: alone, before a sign, at the end after a sign, or with a weight.

    Raises:
        UsageError: a sign without a term, a picture that is not there, or nothing to look for.
    """
    terms: list[Term] = []
    sign: float | None = 1.0  # None: the last word may still grow
    for word, following in zip_longest(words, words[1:]):
        is_piped = word == PIPED and sign is not None and (following is None or following in _OPERATORS)
        if word in _OPERATORS and not (is_piped and piped is not None):
            if sign is not None and terms:
                raise UsageError(f"two signs follow each other before {word!r}; put a word between them")
            sign = _OPERATORS[word]
            continue
        term = _term(word, sign or 1.0, piped)
        last = terms[-1] if terms else None
        if sign is None and last and last.text is not None and term.text is not None and term.weight == 1.0:
            terms[-1] = Term(text=f"{last.text} {term.text}", weight=last.weight)
        else:
            terms.append(term)
        sign = None
    if sign is not None and terms:
        raise UsageError("the query ends with a sign; say what to add or subtract")
    return Query(tuple(terms))


def parse_sentence(sentence: str, *, within_s: float | None = None) -> Query | Steps:
    """Read a query as it is typed into a search box: `a beach + snow - 2:people`, or `a door opens then a dog runs in`.

    A sign or `then` stands alone, so that "t-shirt" is one word; in quotes neither is one. Nothing is ever taken for a
    path.

    Raises:
        UsageError: a sign without a text, `then` without a query on each side, nothing to look for, or `within_s`
            without a sequence.
    """
    steps = list(_split(_THEN, sentence))
    if len(steps) == 1:
        if within_s is not None:
            raise UsageError(f"the seconds between two steps need a sequence, {_SEQUENCE}")
        return _parse_sum(sentence)
    if not all(step.strip() for step in steps):
        raise UsageError("`then` needs a query before and after it; to look for the word, quote it with others")
    return Steps(tuple(_parse_sum(step) for step in steps), within_s)


def _parse_sum(sentence: str) -> Query:
    first, *rest = _split(_SIGN, sentence.strip())
    if rest and not first:
        signed = list(zip(rest[::2], rest[1::2], strict=True))
    else:
        signed = [("+", first), *zip(rest[::2], rest[1::2], strict=True)]
    return Query(tuple(_text_term(text, _OPERATORS[sign]) for sign, text in signed))


def _split(between: re.Pattern[str], sentence: str) -> Iterator[str]:
    """As `re.split` with the groups of the pattern, but not inside quotes."""
    masked = _QUOTED.sub(lambda match: "x" * len(match[0]), sentence)
    start = 0
    for match in between.finditer(masked):
        yield sentence[start : match.start()]
        yield from match.groups()
        start = match.end()
    yield sentence[start:]


def _text_term(text: str, weight: float) -> Term:
    text = text.strip()
    if match := _WEIGHT.match(text):
        weight *= float(match[1])
        text = text[match.end() :]
    text = _QUOTED.sub(r"\1", text).strip()
    if not text:
        raise UsageError("a text of the query is empty")
    return Term(text=text, weight=weight)


def _term(word: str, sign: float, piped: Callable[[], Image.Image] | None) -> Term:
    weight = sign
    if match := _WEIGHT.match(word):
        weight *= float(match[1])
        word = word[match.end() :]
    if word == PIPED and piped is not None:
        return Term(image=piped(), weight=weight)
    path = Path(word).expanduser()
    if path.suffix.lower() in PICTURE_SUFFIXES | VIDEO_SUFFIXES or word.startswith(("./", "../", "/", "~/")):
        if not path.exists():
            raise UsageError(f"there is no picture or video {word}")
        return Term(image=path, weight=weight)
    if not word.strip():
        raise UsageError("a text of the query is empty")
    return Term(text=word, weight=weight)
