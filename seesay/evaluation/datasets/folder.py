"""A folder a class, as torchvision's ImageFolder has it; or pictures with a text of captions beside each.

ROOT/[SPLIT/]CLASS/.../picture.jpg       classes.txt in ROOT or SPLIT names the classes in the folders' order
ROOT/[SPLIT/].../picture.jpg + .txt      a caption a line
"""

from pathlib import Path

import numpy as np

from seesay.base.errors import DataError
from seesay.base.texts import read_text
from seesay.data.classes import TRAIN_SPLITS, pictures_in, read_classes, split_folders, subfolders
from seesay.evaluation.dataset import Captions, Dataset
from seesay.evaluation.datasets.address import (
    VALIDATION_SPLITS,
    Asked,
    choose_split,
    split_beside,
)
from seesay.evaluation.datasets.labelling import make_labels
from seesay.evaluation.datasets.pictures import Files


def open_folder(asked: Asked) -> Dataset:
    """Open a folder of pictures.

    Raises:
        DataError: it has no pictures, a class has none, or its classes.txt does not fit.
    """
    there = [path.name for path in split_folders(asked.path, asked.split)]
    if not there:
        return _open_split(asked, asked.path)
    split = choose_split(there, asked)
    train = split_beside(there, TRAIN_SPLITS, split) if asked.with_train else None
    validation = split_beside(there, VALIDATION_SPLITS, split) if train else None
    opened = {name: _open_split(asked, asked.path / name) for name in (split, train, validation) if name}
    test = opened[split]
    _check_classes(test, [opened[name] for name in (train, validation) if name], asked)
    return Dataset(
        name=test.name,
        pictures=test.pictures,
        labels=test.labels,
        captions=test.captions,
        train=opened[train] if train else None,
        validation=opened[validation] if validation else None,
        reference=test.reference,
    )


def _open_split(asked: Asked, folder: Path) -> Dataset:
    captioned = _captioned(folder)
    reference = asked.entry.reference if asked.entry else ()
    if captioned is not None:
        files, captions = captioned
        return Dataset(name=asked.title, pictures=Files(files, folder), captions=captions, reference=reference)
    folders = subfolders(folder)
    if not folders:
        raise DataError(f"{folder} has no folder for each class, and no texts beside its pictures")
    files_by_class = [pictures_in(path) for path in folders]
    empty = [path.name for path, files in zip(folders, files_by_class, strict=True) if not files]
    if empty:
        raise DataError(
            f"{len(empty)} of {len(folders)} classes of {folder} have no picture, the first is {empty[0]}; remove the "
            "folder, or put pictures into it"
        )
    labels = np.repeat(np.arange(len(folders)), [len(files) for files in files_by_class])
    named = read_classes(folder) or read_classes(asked.path)
    if named is not None and len(named) != len(folders):
        raise DataError(f"{folder} has {len(folders)} folders, and its classes.txt {len(named)} names")
    classes = named or tuple(path.name for path in folders)
    return Dataset(
        name=asked.title,
        pictures=Files([file for files in files_by_class for file in files], folder),
        labels=make_labels(labels, classes, entry=asked.entry, where=folder, is_named=named is not None),
        reference=reference,
    )


def _captioned(folder: Path) -> tuple[list[Path], Captions] | None:
    """Pictures with their captions, where the first picture has a text beside it."""
    files = pictures_in(folder)
    if not files or not files[0].with_suffix(".txt").is_file():
        return None
    kept: list[Path] = []
    texts: list[str] = []
    owners: list[int] = []
    for file in files:
        text = file.with_suffix(".txt")
        lines = read_text(text, errors="replace").splitlines() if text.is_file() else []
        captions = [line.strip() for line in lines if line.strip()]
        if captions:
            texts += captions
            owners += [len(kept)] * len(captions)
            kept.append(file)
    return kept, Captions(texts=tuple(texts), image_of_text=np.array(owners, np.int64))


def _check_classes(test: Dataset, others: list[Dataset], asked: Asked) -> None:
    for other in others:
        if test.labels and other.labels and test.labels.classes != other.labels.classes:
            apart = sorted(set(test.labels.classes) ^ set(other.labels.classes))
            raise DataError(f"the splits of {asked.place} have other classes: {', '.join(apart[:5])} are not in both")
