"""A dataset of the Hugging Face hub, or one that its library wrote: `hf:org/name`, `hf:org/name/config`, `hf:./folder`.

The library `datasets` is an extra. Pictures stay as the bytes that it stores; nothing is decoded by it.
"""

import dataclasses
import os
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from seesay.base.errors import DataError, InputError, MissingExtraError
from seesay.data.classes import TRAIN_SPLITS
from seesay.data.table import CAPTION_COLUMNS, as_captions
from seesay.evaluation.dataset import Captions, Dataset
from seesay.evaluation.datasets.address import (
    HUGGINGFACE,
    VALIDATION_SPLITS,
    Asked,
    choose_split,
    split_beside,
)
from seesay.evaluation.datasets.labelling import make_labels
from seesay.evaluation.datasets.manifest import LABEL_COLUMNS
from seesay.evaluation.datasets.pictures import digest_of

IMAGE_COLUMNS = ("image", "img", "picture")


class HubPictures:
    """The column of pictures of one split."""

    def __init__(self, rows: Any, column: str) -> None:
        self._rows, self._column = rows, column
        self.digest = digest_of([str(rows._fingerprint), column, str(len(rows))])

    def __len__(self) -> int:
        """N."""
        return len(self._rows)

    def __getitem__(self, number: int, /) -> bytes | Path:
        """The bytes of a picture, or where its file lies.

        Raises:
            InputError: the row has none.
        """
        cell = self._rows[number][self._column]
        if not cell or not (cell.get("bytes") or cell.get("path")):
            raise InputError("the row has no picture")
        return cell["bytes"] or Path(cell["path"])

    def key(self, number: int) -> str:
        """The number of the row."""
        return f"row {number}"


def open_huggingface(asked: Asked) -> Dataset:
    """Open a dataset of the hub.

    Raises:
        MissingExtraError: the library is not installed.
        DataError: there is no such dataset or split, or it has no pictures, labels or captions.
    """
    try:
        library = import_module("datasets")
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"reading {asked.place}", "datasets") from error
    name = asked.place.removeprefix(HUGGINGFACE)
    try:
        splits = _load(library, name)
    except (OSError, ValueError) as error:  # the library's own errors are of these kinds
        raise DataError(f"{asked.place} cannot be opened: {str(error).splitlines()[0]}") from error
    there = list(splits)
    split = choose_split(there, asked)
    train = split_beside(there, TRAIN_SPLITS, split) if asked.with_train else None
    validation = split_beside(there, VALIDATION_SPLITS, split) if train else None
    return dataclasses.replace(
        _open_split(library, splits[split], asked),
        train=_open_split(library, splits[train], asked) if train else None,
        validation=_open_split(library, splits[validation], asked) if validation else None,
    )


def _load(library: Any, name: str) -> Any:
    if Path(name).expanduser().is_dir():
        folder = os.fspath(Path(name).expanduser())
        is_saved = any(Path(folder).glob("**/state.json"))
        return library.load_from_disk(folder) if is_saved else library.load_dataset(folder)
    org, _, rest = name.partition("/")
    repo, _, config = rest.partition("/")
    return library.load_dataset(f"{org}/{repo}" if repo else org, config or None)


def _open_split(library: Any, rows: Any, asked: Asked) -> Dataset:
    image = next((name for name in IMAGE_COLUMNS if name in rows.column_names), None)
    label = next((name for name in LABEL_COLUMNS if name in rows.column_names), None)
    caption = next((name for name in CAPTION_COLUMNS if name in rows.column_names), None)
    if image is None or (label is None and caption is None):
        raise DataError(
            f"{asked.place} has columns {', '.join(rows.column_names)}; it needs one of {', '.join(IMAGE_COLUMNS)}, "
            f"and one of {', '.join((*LABEL_COLUMNS, *CAPTION_COLUMNS))}"
        )
    pictures = HubPictures(rows.cast_column(image, library.Image(decode=False)), image)
    found = Dataset(name=asked.title, pictures=pictures, reference=asked.entry.reference if asked.entry else ())
    if label is not None:
        names = getattr(rows.features[label], "names", None)
        numbers = np.array(rows[label])
        return dataclasses.replace(found, labels=make_labels(numbers, names, entry=asked.entry, where=asked.place))
    texts: list[str] = []
    owners: list[int] = []
    for number, value in enumerate(rows[caption]):
        captions = as_captions(value)
        texts += captions
        owners += [number] * len(captions)
    if set(owners) != set(range(len(pictures))):
        raise DataError(f"{asked.place} has pictures without a caption")
    return dataclasses.replace(found, captions=Captions(texts=tuple(texts), image_of_text=np.array(owners, np.int64)))
