"""Words in other languages, aligned with English ones through the emoji that carry them.

Unicode's CLDR gives every emoji a name and keywords in about 100 languages. Names of one emoji say the same. Keywords
are a set without order, but a word and its translation stand with nearly the same emoji.

Reads the JSON of the npm package `cldr-annotations-full`, and `common_words.tsv` for what no emoji says: articles,
numbers, colours, and what people ask for most. Knows no model.

Source: Unicode Technical Standard #35, part 2, "Annotations".
"""

import csv
import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

from seesay.base.errors import SeesayError, reason

LEAST_SHARED = 0.6
"""Emoji that two keywords must share, of the mean number that each stands with (Dice), to be taken for the same."""
SEEN, GUESSED, UNKNOWN = 2, 1, 0
"""How well it is known what a word looks like."""

_COMMON_WORDS = Path(__file__).with_name("common_words.tsv")


def read_common_words(language: str) -> dict[str, str]:
    """Words of a language, in all their forms, and English ones.

    Args:
        language: "de", "es", "fr" or "zh".
    """
    with _COMMON_WORDS.open(encoding="utf-8", newline="") as file:
        return {word: row["en"] for row in csv.DictReader(file, delimiter="\t") for word in row[language].split("|")}


def read_annotations(folder: Path, language: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Names and keywords of every emoji.

    Args:
        folder: of the unpacked package.
        language: as CLDR writes it: "en", "de", "zh".

    Returns:
        emoji -> its name and its keywords.

    Raises:
        SeesayError: the package has no such language, or another form.
    """
    path = folder / "annotations" / language / "annotations.json"
    try:
        entries = json.loads(path.read_text("utf-8"))["annotations"]["annotations"]
    except (OSError, ValueError, KeyError) as error:
        raise SeesayError(f"{path} has no annotations of CLDR: {reason(error)}") from error
    return {
        emoji: (entry["tts"][0], tuple(entry.get("default", ()))) for emoji, entry in entries.items() if "tts" in entry
    }


def translate(
    theirs: Mapping[str, tuple[str, tuple[str, ...]]],
    english: Mapping[str, tuple[str, tuple[str, ...]]],
    *,
    surety: Callable[[str], int],
) -> dict[str, str]:
    """From words of a language to English ones: names by their emoji, keywords by the emoji that they share.

    A keyword that is also a name keeps the name's meaning.

    Args:
        theirs: as `read_annotations` gives them.
        english: likewise.
        surety: how well it is known what an English word looks like: `SEEN`, `GUESSED` or `UNKNOWN`. Of words that
            share as many emoji the best known is taken. Where these are several, the shortest if they were seen, since
            such are mostly synonyms, and else none.
    """
    shared = theirs.keys() & english.keys()
    of_theirs, of_english = (_emoji_of_keywords(side, shared) for side in (theirs, english))
    found = {}
    for word, emoji in of_theirs.items():
        scores = {other: _dice(emoji, of_english[other]) for one in emoji for other in english[one][1]}
        most = max(scores.values(), default=0.0)
        if most >= LEAST_SHARED:
            equals = [other for other, score in scores.items() if score == most]
            best_known = max(map(surety, equals))
            best = [other for other in equals if surety(other) == best_known]
            if len(best) == 1 or best_known == SEEN:
                found[word] = min(best, key=lambda other: (len(other), other))
    return found | {theirs[one][0]: english[one][0] for one in sorted(shared)}


def _emoji_of_keywords(annotations: Mapping[str, tuple[str, tuple[str, ...]]], shared: set[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for emoji in sorted(shared):  # a set has another order in every process, and tokens are numbered in this one
        for word in annotations[emoji][1]:
            found[word].add(emoji)
    return found


def _dice(one: set[str], other: set[str]) -> float:
    return 2 * len(one & other) / (len(one) + len(other))
