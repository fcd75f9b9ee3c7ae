"""WordNet's nouns: what a thing is called, what kind of thing it is, and what is said of it.

Reads the database files as Debian's `wordnet-base` installs them. Knows no model.

Source: wndb(5WN), "Data File Format".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Synset:
    """One meaning."""

    wnid: str
    """`n` and eight digits; ImageNet names its classes so."""
    names: tuple[str, ...]
    """Its synonyms, the most usual first, with spaces for underscores."""
    gloss: str
    """The definition, without the usage examples."""
    domain: int
    """The lexicographer's file: 5 animals, 6 artifacts, 13 food, 20 plants, ..."""
    parents: tuple[str, ...] = field(repr=False)
    """wnids of its hypernyms, instances included."""


class WordNet:
    """All noun synsets of one database."""

    def __init__(self, synsets: dict[str, Synset], first_senses: Mapping[str, str]) -> None:
        self._synsets = synsets
        self._first_senses = first_senses

    @classmethod
    def read(cls, folder: Path) -> "WordNet":
        """Read `data.noun` and `index.noun` of a folder."""
        synsets = [_parse(line) for line in _lines(folder / "data.noun")]
        # lemma, part of speech, number of senses, ..., then that many offsets, the most usual sense first
        entries = [line.split() for line in _lines(folder / "index.noun")]
        first_senses = {entry[0].replace("_", " "): f"n{entry[-int(entry[2])]}" for entry in entries}
        return cls({synset.wnid: synset for synset in synsets}, first_senses)

    def first_sense(self, name: str) -> str | None:
        """The wnid of what a name means most often; None if it is no noun that WordNet knows."""
        return self._first_senses.get(name.lower())

    def __getitem__(self, wnid: str) -> Synset:
        """The synset of a wnid; KeyError if there is none."""
        return self._synsets[wnid]

    def __iter__(self) -> Iterator[Synset]:
        """Every synset, in the file's order."""
        return iter(self._synsets.values())

    def ancestors(self, wnid: str) -> dict[str, int]:
        """Every hypernym above `wnid`, nearest first, with its distance in steps."""
        found: dict[str, int] = {}
        level, distance = list(self[wnid].parents), 1
        while level:
            found |= {parent: distance for parent in level if parent not in found}
            level = [above for parent in level for above in self[parent].parents if above not in found]
            distance += 1
        return found


def _lines(path: Path) -> list[str]:
    """Without the licence, which is indented."""
    return [line for line in path.read_text("utf-8").splitlines() if not line.startswith("  ")]


def _parse(line: str) -> Synset:
    fields, _, gloss = line.partition(" | ")
    parts = fields.split()
    num_words = int(parts[3], 16)
    names = tuple(parts[4 + 2 * index].replace("_", " ") for index in range(num_words))
    pointers = parts[5 + 2 * num_words :]
    parents = tuple(
        f"n{target}"
        for symbol, target, kind in zip(pointers[0::4], pointers[1::4], pointers[2::4], strict=False)
        if symbol in ("@", "@i") and kind == "n"
    )
    return Synset(f"n{parts[0]}", names, gloss.partition('; "')[0].strip(), int(parts[1]), parents)
