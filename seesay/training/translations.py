"""Words in other languages, aligned with English ones through the emoji that carry them.

Unicode's CLDR gives every emoji a name and keywords in about 100 languages. Names of one emoji say the same. Keywords
are a set without order, but a word and its translation stand with nearly the same emoji.

Reads the JSON of the npm package `cldr-annotations-full`. Knows no model.

Source: Unicode Technical Standard #35, part 2, "Annotations".
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from seesay.base.errors import SeesayError

LEAST_SHARED = 0.6
"""Emoji that two keywords must share, of the mean number that each stands with (Dice), to be taken for the same."""


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
        raise SeesayError(f"{path} has no annotations of CLDR: {error}") from error
    return {
        emoji: (entry["tts"][0], tuple(entry.get("default", ()))) for emoji, entry in entries.items() if "tts" in entry
    }


def translate(
    theirs: Mapping[str, tuple[str, tuple[str, ...]]], english: Mapping[str, tuple[str, tuple[str, ...]]]
) -> dict[str, str]:
    """From words of a language to English ones: names by their emoji, keywords by the emoji that they share.

    A keyword that is also a name keeps the name's meaning.
    """
    shared = theirs.keys() & english.keys()
    of_theirs, of_english = (_emoji_of_keywords(side, shared) for side in (theirs, english))
    found = {}
    for word, emoji in of_theirs.items():
        candidates = {other for one in emoji for other in english[one][1]}
        score, best = max(
            ((_dice(emoji, of_english[other]), other) for other in candidates), default=(0.0, ""), key=_by_score
        )
        if score >= LEAST_SHARED:
            found[word] = best
    return found | {theirs[one][0]: english[one][0] for one in sorted(shared)}


def _emoji_of_keywords(annotations: Mapping[str, tuple[str, tuple[str, ...]]], shared: set[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for emoji in shared:
        for word in annotations[emoji][1]:
            found[word].add(emoji)
    return found


def _dice(one: set[str], other: set[str]) -> float:
    return 2 * len(one & other) / (len(one) + len(other))


def _by_score(candidate: tuple[float, str]) -> tuple[float, int, str]:
    """Of equals the shorter word, then the earlier in the alphabet's reverse: any rule, but always the same."""
    return (candidate[0], -len(candidate[1]), candidate[1])
