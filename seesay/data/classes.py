"""Pictures in a folder for each class: what the classes are called, what is trained on, what is held out.

    ROOT/CLASS/.../picture.jpg                  a share can be held out by seed
    ROOT/{train,test}/CLASS/.../picture.jpg     parts of your own: "train" is trained on, "test" or "val" is held out

The folder's name is what the class is called, underscores as spaces; `classes.txt` in ROOT or in the part has other
names, one a line, in the folders' order. Evaluation reads the same layout by the same functions.
"""

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seesay.base.errors import DataError, reason
from seesay.base.paths import ASSETS
from seesay.base.texts import read_text
from seesay.data.source import Damaged, Example, Pass, Position, number_of
from seesay.inputs.pictures import PICTURE_SUFFIXES

TEST_SPLITS = ("test", "val", "validation", "valid", "dev")
TRAIN_SPLITS = ("train", "training")
CLASS_FILES = ("classes.txt", "classnames.txt", "class_names.txt")
TEMPLATES = ("a photo of a {}", "a photo of the {}", "a picture of a {}", "a photo of {}", "{}")
"""How a class is said while it is learned: as `seesay classify` asks, and the name alone, as people search."""
_LEAST_TO_SHARE = 4  # pictures of a class below which none is held out: one would be missed more than it tells
_WORDNET = re.compile(r"n\d{8}")


class Photo(NamedTuple):
    """A picture and its class."""

    path: Path
    name: str


class ClassTable:
    """Pictures with their classes as examples: captions are the class in each template, a group is a class.

    Args:
        classes: C names, in the folders' order.
        photos: what is trained on.
        test: what the folder itself keeps for a test; empty where it has no such part.
        num_loose: pictures beside the folders of the classes, which are of none.
    """

    def __init__(
        self, classes: Sequence[str], photos: Sequence[Photo], test: Sequence[Photo] = (), *, num_loose: int = 0
    ) -> None:
        self.classes, self.photos, self.test = tuple(classes), tuple(photos), tuple(test)
        self.num_loose = num_loose

    def __len__(self) -> int:
        return len(self.photos)

    def stream(self, one: Pass, start: Position = ()) -> Iterator[tuple[Example | Damaged, Position]]:
        """See `Source.stream`; a position is how many of this process's pictures are done."""
        for number, position in one.rows(len(self.photos), start):
            path, name = self.photos[number]
            captions = tuple(template.replace("{}", name) for template in TEMPLATES)
            yield Example(str(path), path, captions, name), position

    def split(self, share: float, seed: int) -> tuple["ClassTable", tuple[Photo, ...]]:
        """What to train on, and what is held out of it.

        A class of fewer than four pictures is trained on as a whole. Copies of a file are on one side.

        Args:
            share: of each class's pictures, 0 to 1; 0 for none. A folder with a test part of its own holds out that.
            seed: which ones.
        """
        if self.test or not share:
            return self, self.test
        held: set[Path] = set()
        for name in self.classes:
            copies: dict[bytes, list[Path]] = {}
            for photo in self.photos:
                if photo.name == name:
                    copies.setdefault(_digest(photo.path), []).append(photo.path)
            if len(copies) >= _LEAST_TO_SHARE:
                order = np.random.default_rng([seed, number_of(name) & (1 << 63) - 1]).permutation(len(copies))
                groups = list(copies.values())
                for number in order[: max(1, round(share * len(copies)))]:
                    held.update(groups[number])
        own = [photo for photo in self.photos if photo.path not in held]
        return ClassTable(self.classes, own), tuple(photo for photo in self.photos if photo.path in held)


def open_classes(root: Path) -> ClassTable:
    """Read which pictures of which classes a folder has; none is opened.

    Raises:
        DataError: fewer than two classes, a class without a picture or with another's name, no part to train on, or
            classes.txt does not fit.
    """
    parts = {path.name: path for path in split_folders(root)}
    if not parts:
        classes, photos = _read_part(root, root)
        return ClassTable(classes, photos, num_loose=_num_loose(root))
    train, test = (
        next((parts[name] for name in names if name in parts), None) for names in (TRAIN_SPLITS, TEST_SPLITS)
    )
    if train is None:
        raise DataError(f"{root} has no folder 'train', only {', '.join(sorted(parts))}: there is nothing to train on")
    classes, photos = _read_part(train, root)
    if test is None:
        return ClassTable(classes, photos, num_loose=_num_loose(train))
    others, held = _read_part(test, root)
    if unknown := sorted(set(others) - set(classes)):
        raise DataError(
            f"{test} has classes that {train} has not: {', '.join(unknown[:5])}; both need the same folders"
        )
    return ClassTable(classes, photos, held, num_loose=_num_loose(train))


def is_class_folder(root: Path) -> bool:
    """Whether pictures lie in folders and none has a text beside it, which would be its caption."""
    num_filled = sum(bool(pictures_in(folder)) for folder in subfolders(root))
    is_mixed = num_filled == 1 and _num_loose(root) > 0
    if not num_filled or is_mixed:
        return False
    return not any(picture.with_suffix(".txt").is_file() for picture in pictures_in(root))


def split_folders(root: Path, asked: str | None = None) -> list[Path]:
    """The folders that are parts of a data set, such as "train" and "test"; none where the folders are its classes.

    Args:
        root: the folder.
        asked: a part that is called something else.
    """
    folders = subfolders(root)
    there = [path for path in folders if path.name in (*TEST_SPLITS, *TRAIN_SPLITS) or path.name == asked]
    if asked is None and len(there) < len(folders) and not any(subfolders(path) or _captioned(path) for path in there):
        return []  # "train" with nothing but pictures in it, among others, is the class
    return there


def subfolders(path: Path) -> list[Path]:
    """The folders in a folder, in order, hidden ones left out.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {reason(error)}") from error


def pictures_in(path: Path) -> list[Path]:
    """The pictures under a folder, at any depth, in order."""
    return sorted(file for file in path.rglob("*") if file.suffix.lower() in PICTURE_SUFFIXES and file.is_file())


def read_classes(folder: Path) -> tuple[str, ...] | None:
    """The names in a `classes.txt` or `classnames.txt`, one a line; None where there is no such file.

    Raises:
        DataError: it cannot be read, or a line is empty.
    """
    path = next((folder / name for name in CLASS_FILES if (folder / name).is_file()), None)
    if path is None:
        return None
    try:
        lines = [line.strip() for line in read_text(path).rstrip().splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {reason(error)}") from error
    if not all(lines):
        raise DataError(
            f"{path} has no name for class {lines.index('')}; write one a line, in the order of the classes"
        )
    return tuple(lines)


@cache
def imagenet_classes() -> dict[str, str]:
    """WordNet id -> name of ImageNet's 1,000 classes, in the order of their numbers."""
    return dict(json.loads((ASSETS / "imagenet-classes.json").read_text("utf-8"))["classes"])


def is_imagenet(names: Sequence[str] | None) -> bool:
    """Whether all names are WordNet ids of ImageNet's classes."""
    return bool(names) and all(_WORDNET.fullmatch(name) and name in imagenet_classes() for name in names or ())


def say_folders(names: Sequence[str]) -> tuple[str, ...]:
    """Folder names as words: WordNet ids by ImageNet's names, underscores as spaces."""
    if is_imagenet(names):
        return tuple(imagenet_classes()[name] for name in names)
    return tuple(name.replace("_", " ").strip() for name in names)


def _read_part(part: Path, root: Path) -> tuple[tuple[str, ...], list[Photo]]:
    folders = [folder for folder in subfolders(part) if not folder.name.startswith("@")]  # a NAS keeps its own there
    names = read_classes(part) or read_classes(root)
    if names is not None and len(names) != len(folders):
        raise DataError(f"{part} has {len(folders)} folders, and its classes.txt {len(names)} names")
    # a name that is no UTF-8 cannot be said to a model
    classes = names or say_folders([os.fsencode(folder.name).decode("utf-8", "replace") for folder in folders])
    _check_names(part, classes)
    photos = [Photo(path, name) for folder, name in zip(folders, classes, strict=True) for path in pictures_in(folder)]
    counts = Counter(photo.name for photo in photos)
    if empty := [folder for folder, name in zip(folders, classes, strict=True) if not counts[name]]:
        raise DataError(f"{empty[0]} has no picture in it; put pictures into it, or remove the folder")
    return classes, photos


def _num_loose(part: Path) -> int:
    return sum(file.suffix.lower() in PICTURE_SUFFIXES for file in part.iterdir())


def _check_names(part: Path, classes: Sequence[str]) -> None:
    if twice := [name for name, count in Counter(classes).items() if count > 1]:
        raise DataError(f"{part} has two classes called {twice[0]!r}; rename one of the folders")
    if not all(classes):
        raise DataError(f"{part} has a class without a name; rename its folder")
    if len(classes) < 2:
        has = f"one class only, {classes[0]!r}" if classes else "no folder of a class"
        raise DataError(
            f"{part} has {has}, and learning to tell classes apart takes two or more: put the pictures of each into a "
            "folder of its own; for one thing, add a folder 'something else' with pictures of other things"
        )


def _captioned(folder: Path) -> bool:
    files = pictures_in(folder)
    return bool(files) and files[0].with_suffix(".txt").is_file()


def _digest(path: Path) -> bytes:
    """Of a file's content; of one that cannot be read its name, so that whoever decodes it says why."""
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
    except OSError:
        return os.fsencode(path)
