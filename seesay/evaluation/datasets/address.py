"""What an address asks for, and how it looks. Nothing is read here but names in folders."""

import dataclasses
import difflib
import functools
import logging
import os
import re
from pathlib import Path

import platformdirs

from seesay.base.errors import DataError, UnknownNameError
from seesay.base.paths import find
from seesay.data.classes import TEST_SPLITS
from seesay.data.table import MANIFESTS
from seesay.data.tars import is_tar_name, is_tars
from seesay.data.videos import is_video_address
from seesay.evaluation.catalog import Entry, find_entry, guess_entry

logger = logging.getLogger("seesay.evaluation")

HUGGINGFACE = "hf:"
VALIDATION_SPLITS = TEST_SPLITS[1:]
_NAMED = re.compile(r"([A-Za-z0-9][\w.-]*)=(.+)", re.DOTALL)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What is to be opened."""

    place: str
    """A path, a pattern of paths, or an address with ://."""
    split: str | None = None
    entry: Entry | None = None
    """The catalog's, where the address names one or looks like one."""
    with_train: bool = False
    name: str | None = None
    """What the user calls it, where that is no name of the catalog."""

    @property
    def path(self) -> Path:
        """The place as a path."""
        return Path(self.place).expanduser()

    @property
    def title(self) -> str:
        """What the dataset is called in a table."""
        if self.name is not None:
            return self.name
        if self.entry is not None:
            return self.entry.name
        stem = self.place.rstrip("/").removesuffix("/tree/main").rpartition("/")[2]
        return stem.removesuffix(".tar") or self.place

    def of_split(self, split: str | None) -> "Asked":
        """The same, of another split and without a split to train on."""
        return dataclasses.replace(self, split=split, with_train=False)


def read_address(address: str, *, with_train: bool = False) -> Asked:
    """Take an address apart; see `seesay.evaluation.datasets`.

    Raises:
        DataError: it is a name of the catalog and not on this machine.
        UnknownNameError: it is a bare word, and the catalog has no such dataset.
    """
    entry, place, name = None, address, None
    if (named := _NAMED.fullmatch(address)) and not find(address):
        place = named[2]
        entry, name = _called(named[1])
    if is_video_address(place):
        place, _, part = place.partition("#")
        return Asked(place=place, split=part or None, entry=entry, with_train=with_train, name=name)
    split = None
    if "#" in place and not find(place):
        place, _, split = place.rpartition("#")
    if not place:
        raise DataError("the address of a dataset is empty; the current folder is `.`")
    if entry is None and not find(place) and "/" not in place and "." not in place:
        # a bare word is a name; of one that nobody knows the error offers the nearest
        entry = find_entry(place)
        place = str(_at_home(entry))
    entry = entry or guess_entry(place)
    return Asked(place=place, split=split or None, entry=entry, with_train=with_train, name=name)


def kind_of(asked: Asked) -> str:
    """Which opener of `OPENERS` takes it.

    Raises:
        DataError: there is nothing, or nothing of a known kind.
    """
    place, path = asked.place, find(asked.place)
    if is_video_address(place):
        return "videos"
    if path is None and place.startswith(HUGGINGFACE):
        return "huggingface"
    if path is None and "://" in place:
        return "tar" if is_tar_name(place) else "webdataset"
    if path is not None and path.is_dir():
        has_tars = any(path.glob("*/nshards.txt")) or any(path.glob("*/*.tar")) or any(path.glob("*.tar"))
        return "webdataset" if has_tars else "folder"
    if path is not None and path.suffix.lower() in (*MANIFESTS, ".json"):
        return "manifest"
    if is_tars(place):
        return "tar"
    known = f"a folder, a .tar, a manifest ({', '.join(MANIFESTS)}), an address with ://, or {HUGGINGFACE}org/name"
    what = "is no dataset that is known" if path is not None else "is not there"
    raise DataError(f"{place} {what}; name {known}; names of published ones: `seesay eval list`")


def is_of_videos(address: str) -> bool:
    """Whether an address, with or without NAME=, is of videos."""
    return kind_of(read_address(address)) == "videos"


def choose_split(there: list[str], asked: Asked) -> str:
    """The split that was asked for, or the first that a test is run on.

    Args:
        there: the splits that there are.
        asked: what was asked for.

    Raises:
        DataError: there is no such split.
    """
    if asked.split is not None:
        if asked.split not in there:
            raise DataError(f"{asked.place} has no split {asked.split!r}; it has {', '.join(sorted(there)) or 'none'}")
        return asked.split
    for split in TEST_SPLITS:
        if split in there:
            return split
    raise DataError(
        f"{asked.place} has no split to test on, only {', '.join(sorted(there)) or 'none'}; name one: "
        f"{asked.place}#train"
    )


def split_beside(there: list[str], names: tuple[str, ...], taken: str) -> str | None:
    """The first of `names` that is there and is not the split that is tested on."""
    return next((name for name in names if name in there and name != taken), None)


def datasets_folder() -> Path:
    """Where datasets are looked for by name: `$SEESAY_DATASETS`, else in the user's data folder."""
    named = os.environ.get("SEESAY_DATASETS")
    return Path(named).expanduser() if named else Path(platformdirs.user_data_dir("seesay")) / "datasets"


def cache_folder() -> Path:
    """Where what can be made or fetched again is kept: `$SEESAY_CACHE`, else the user's cache folder."""
    named = os.environ.get("SEESAY_CACHE")
    return Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("seesay"))


@functools.cache  # or it would be said as often as an address is read
def _called(name: str) -> tuple[Entry | None, str | None]:
    """The dataset of the catalog that has a name; else the name, as the user's own."""
    try:
        return find_entry(name), None
    except UnknownNameError as error:
        if near := difflib.get_close_matches(name.lower(), error.known, n=1, cutoff=0.8):
            logger.warning("no published dataset is called %s, so it is a name of your own; is it %s?", name, near[0])
        return None, name


def _at_home(entry: Entry) -> Path:
    home = datasets_folder()
    for name in (entry.name, *entry.aliases):
        for path in (home / name, home / f"{name}.tar"):
            if path.exists():
                return path
    raise DataError(entry.how_to_get(home / entry.name))
