"""The words that the starter knows, beside its tokens: `python -m seesay.training.recipes.starter_words`.

They are the words of WordNet 3.0, of every part of speech, names of places and persons too, with its irregular forms;
and some that are younger than it. The recipe of the starter writes the list too.
"""

import argparse
import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path

import tokenizers

from seesay.base.paths import ASSETS
from seesay.data.packages import Package, default_cache
from seesay.encoders.bundle import TOKENIZER, file_sha256
from seesay.encoders.words import SHORTEST, list_of, split_words

WORDNET = Package(registry="debian", name="wordnet-base")
PARTS_OF_SPEECH = ("noun", "verb", "adj", "adv")

YOUNGER = """
airbag app apps bandana barista bartend beatboxing bibimbap biryani bitcoin blog blogger bodyboard bodysurf bokeh
bruschetta burrata cannoli capoeira caprese carpaccio ceviche chai chia churro ciabatta cosplay cosplayer crocs
croque crossfit deadlift didgeridoo dirndl dodgeball dreadlocks ebike ebook edamame emoji emoticon falafel fidget
focaccia freerunning geocaching gif gnocchi goldendoodle gopro gyoza hackysack hashtag hoodie hoverboard hummus
inbox ipad iphone jetski jpeg jpg kimchi kitesurf kitesurfer kombucha labradoodle latte leggings livestream
longboard lunchbox macarena macchiato matcha meme minivan mojito naan nacho netbook onesie paddleboard paella
parkour pesto pho photobomb photobooth photoshop png podcast pokemon poutine quinoa ramen rollerblade saree
screenshot segway selfie shiitake skatepark skywriter slackline smartphone smartwatch smoothie snapchat snowcat
sriracha sudoku tapas taser timelapse tiramisu toolbar tortellini touchpad touchscreen tshirt twerk ukulele unbox
vape vlog vlogger vuvuzela wakeboard webcam webpage whiteboard wifi windsurf wok yarmulke youtube zipline zumba
"""
"""Things that people photograph and that are not in WordNet 3.0, or were spelt otherwise there; written for this."""


def main() -> None:
    """Write the list of the shipped model, or of another one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?", default=ASSETS / "starter", help="its folder")
    tokenizer = parser.parse_args().model / TOKENIZER
    write_words(WORDNET.unpack(default_cache()) / "usr/share/wordnet", tokenizer, list_of(file_sha256(tokenizer)))


def write_words(wordnet: Path, tokenizer: Path, out: Path) -> None:
    """Write the list of the models with a tokenizer.

    Args:
        wordnet: the folder with WordNet's files.
        tokenizer: the file.
        out: the list.
    """
    backend = tokenizers.Tokenizer.from_file(str(tokenizer))
    listed = {backend.normalizer.normalize_str(word) for word in words_of(wordnet)}
    content = "\n".join(sorted(word for word in listed if len(word) >= SHORTEST))
    # no time in it, so that the same words give the same bytes
    out.write_bytes(gzip.compress(content.encode("utf-8"), 9, mtime=0))


def words_of(wordnet: Path) -> Iterator[str]:
    """Every word that the list is made of, as it is written."""
    yield from YOUNGER.split()
    for part in PARTS_OF_SPEECH:
        lemmas = (line.split()[0].replace("_", " ") for line in _lines(wordnet / f"index.{part}"))
        forms = (line.replace("_", " ") for line in _lines(wordnet / f"{part}.exc"))
        for names in (lemmas, forms):
            yield from _words(names)


def _words(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        yield from split_words(name)


def _lines(path: Path) -> list[str]:
    """Without the licence, which is indented."""
    return [line for line in path.read_text("utf-8").splitlines() if not line.startswith("  ")]


if __name__ == "__main__":
    main()
