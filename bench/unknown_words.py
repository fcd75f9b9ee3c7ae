"""How often the starter names a word as unknown, and should or should not: false alarms and slips of the pen.

    python bench/unknown_words.py [--wordnet /usr/share/wordnet] [--english /usr/share/dict/american-english]
        [--captions cc12m-32.tar] [--prompts paper-prompts.json] [--model starter]

* WordNet's nouns are in the list itself, so all of them being known says that the list is whole, and no more.
* `--english` is a list of words that ours was not made from (Debian's `wamerican`, from SCOWL): its words in small
  letters are a fair sample of English, its capitalised ones of names. Every word counts the same there, the rarest form
  like the commonest word; the captions of photographs count words as often as they are written.
* Slips: of WordNet's nouns that are also tokens, so common ones, with one letter left out, added or replaced, or two
  swapped. A slip that is a word itself cannot be told, and counts as missed.
* Other languages: the seventeen animals and things below, in languages that the starter was not taught. Some are spelt
  as a word of English, or of a language that it was taught.
"""

import argparse
import json
import random
import string
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from seesay.encoders import load
from seesay.encoders.words import split_words
from seesay.training.wordnet import WordNet

NUM_SLIPS = 4000
FOREIGN = {
    "Finnish": "kissa koira hevonen lehmä lintu kala talo auto vene silta puu kukka omena leipä pöytä tuoli lumi",
    "Polish": "kot pies koń krowa ptak ryba dom samochód łódka most drzewo kwiat jabłko chleb stół krzesło śnieg",
    "Turkish": "kedi köpek at inek kuş balık ev araba tekne köprü ağaç çiçek elma ekmek masa sandalye kar",
    "Swedish": "katt hund häst ko fågel fisk hus bil båt bro träd blomma äpple bröd bord stol snö",
    "Russian": "кошка собака лошадь корова птица рыба дом машина лодка мост дерево цветок яблоко хлеб стол стул снег",
}


def main() -> None:
    """Print a line for each kind of text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"))
    parser.add_argument("--english", type=Path, default=Path("/usr/share/dict/american-english"))
    parser.add_argument("--captions", type=Path)
    parser.add_argument("--prompts", type=Path)
    parser.add_argument("--model", default="starter")
    arguments = parser.parse_args()
    encoder = load(arguments.model)
    print(encoder.id)

    def count(name: str, texts: Iterable[str]) -> None:
        words = [word for text in texts for word in split_words(text)]
        named = [word for word in words if encoder.unknown_words(word)]
        shown = " ".join(random.Random(0).sample(named, min(10, len(named))))
        print(
            f"{name}: {len(named):,} of {len(words):,} words named, {len(named) / max(1, len(words)):.2%}  {shown}",
            flush=True,
        )

    nouns = sorted({name for synset in WordNet.read(arguments.wordnet) for name in synset.names})
    flagged = sum(bool(encoder.unknown_words(noun)) for noun in nouns)
    print(f"WordNet's nouns: {flagged:,} of {len(nouns):,} have a word that is named")
    count("plurals of WordNet's nouns of one word", (f"{noun}s" for noun in nouns if noun.isalpha()))
    english = [word for word in arguments.english.read_text("utf-8").split() if "'" not in word]
    count("English, small letters", (word for word in english if word.islower()))
    count("English, names", (word for word in english if not word.islower()))
    if arguments.captions:
        count("captions of photographs", captions_of(arguments.captions))
    if arguments.prompts:
        count(
            "labels of the paper's datasets", sorted(set(strings_in(json.loads(arguments.prompts.read_text("utf-8")))))
        )
    count(
        "slips of the pen", slips([noun for noun in nouns if noun.isalpha() and noun.islower()], encoder.bundle.folder)
    )
    for language, words in FOREIGN.items():
        count(language, words.split())


def captions_of(path: Path) -> Iterator[str]:
    """The texts of a WebDataset tar."""
    with tarfile.open(path) as tar:
        for member in tar:
            if member.name.endswith(".txt") and (file := tar.extractfile(member)):
                yield file.read().decode("utf-8").replace("<PERSON>", "")


def strings_in(tree: Any) -> Iterator[str]:
    """All strings of a JSON value."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, dict | list):
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from strings_in(part)


def slips(nouns: list[str], folder: Path) -> Iterator[str]:
    """Common nouns, each with one mistake."""
    tokens = json.loads((folder / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    chance = random.Random(0)
    for noun in chance.sample([noun for noun in nouns if noun in tokens and len(noun) >= 4], NUM_SLIPS):
        at = chance.randrange(len(noun) - 1)
        letter = chance.choice(string.ascii_lowercase)
        slip = chance.choice(
            [
                noun[:at] + noun[at + 1 :],
                noun[:at] + letter + noun[at:],
                noun[:at] + letter + noun[at + 1 :],
                noun[:at] + noun[at + 1] + noun[at] + noun[at + 2 :],
            ]
        )
        if slip != noun:
            yield slip


if __name__ == "__main__":
    main()
