"""A table of pictures: CSV, TSV, JSONL, Parquet or SugarCrepe's JSON, a row a picture or a question.

    image, label                                       names or numbers of classes; `split` and `group` may stand beside
    image, caption                                     rows of one picture are its captions; a list of them works too
    image, caption, negative_caption                   SugarCrepe: the right text and a wrong one
    image_0, image_1, caption_0, caption_1, tag        Winoground: text i is right for picture i

Paths are relative to the table, or to a folder `images` beside it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from seesay.base.errors import DataError, reason
from seesay.base.texts import read_text
from seesay.data.classes import TEST_SPLITS, TRAIN_SPLITS, read_classes
from seesay.data.table import CAPTION_COLUMNS, IMAGE_COLUMNS, as_captions, read_records
from seesay.evaluation.dataset import Captions, Choices, Dataset, Labels
from seesay.evaluation.datasets.address import (
    VALIDATION_SPLITS,
    Asked,
    choose_split,
    split_beside,
)
from seesay.evaluation.datasets.labelling import make_labels
from seesay.evaluation.datasets.pictures import Files

LABEL_COLUMNS = ("label", "class", "target", "category")
GROUP_COLUMNS = ("group", "race", "gender")
NEGATIVE_COLUMNS = ("negative_caption", "false_caption", "wrong_caption")
TAG_COLUMNS = ("tag", "category", "type", "collapsed_tag")
_IMAGE_FOLDERS = ("", "images", "val2017")
_SUFFIXES = ("", ".png", ".jpg")

Row = Mapping[str, Any]


def open_manifest(asked: Asked) -> Dataset:
    """Open a table.

    Raises:
        DataError: it cannot be read, has no column that is known, or a row lacks a value.
    """
    rows = _read(asked.path)
    if not rows:
        raise DataError(f"{asked.path} has no rows")
    if "split" not in rows[0]:
        return _open_rows(rows, asked, None)
    by_split: dict[str, list[Row]] = {}
    for row in rows:
        by_split.setdefault(str(row["split"]), []).append(row)
    there = list(by_split)
    split = choose_split([name for name in there if name in TEST_SPLITS or name == asked.split], asked)
    train = split_beside(there, TRAIN_SPLITS, split) if asked.with_train else None
    validation = split_beside(there, VALIDATION_SPLITS, split) if train else None
    classes = _all_classes(rows)  # the same numbers in every split
    return replace(
        _open_rows(by_split[split], asked, classes),
        train=_open_rows(by_split[train], asked, classes) if train else None,
        validation=_open_rows(by_split[validation], asked, classes) if validation else None,
    )


def _open_rows(rows: list[Row], asked: Asked, classes: tuple[str, ...] | None) -> Dataset:
    columns = rows[0]
    if {"image_0", "image_1", "caption_0", "caption_1"} <= columns.keys():
        return _winoground(rows, asked)
    image = _column(columns, IMAGE_COLUMNS)
    if image is None:
        raise DataError(
            f"{asked.path} has no column for the picture: it has {', '.join(columns)}; call it {IMAGE_COLUMNS[0]}"
        )
    caption, negative = _column(columns, CAPTION_COLUMNS), _column(columns, NEGATIVE_COLUMNS)
    if caption and negative:
        return _sugarcrepe(rows, asked, (image, caption, negative))
    label, group = _column(columns, LABEL_COLUMNS), _column(columns, GROUP_COLUMNS)
    if label is None and caption is not None:
        return _captioned(rows, asked, image, caption)
    if label is None and group is None:
        raise DataError(
            f"{asked.path} has no column for labels ({', '.join(LABEL_COLUMNS)}) or captions "
            f"({', '.join(CAPTION_COLUMNS)}): it has {', '.join(columns)}"
        )
    return Dataset(
        name=asked.title,
        pictures=_files([_text(row, image, asked) for row in rows], asked),
        labels=_labels(rows, label, asked, classes) if label else None,
        groups=tuple(_text(row, group, asked) for row in rows) if group else (),
        reference=asked.entry.reference if asked.entry else (),
    )


def _labels(rows: list[Row], column: str, asked: Asked, classes: tuple[str, ...] | None) -> Labels:
    values = [_text(row, column, asked) for row in rows]
    if all(value.lstrip("-").isdigit() for value in values):
        named = read_classes(asked.path.parent)
        numbers = np.array([int(value) for value in values])
        return make_labels(numbers, named, entry=asked.entry, where=asked.path, is_named=named is not None)
    names = classes or _all_classes(rows) or ()
    place = {name: number for number, name in enumerate(names)}
    return make_labels(np.array([place[value] for value in values]), names, entry=asked.entry, where=asked.path)


def _all_classes(rows: list[Row]) -> tuple[str, ...] | None:
    column = _column(rows[0], LABEL_COLUMNS)
    return tuple(sorted({str(row[column]) for row in rows})) if column else None


def _captioned(rows: list[Row], asked: Asked, image: str, caption: str) -> Dataset:
    captions: dict[str, list[str]] = {}
    for row in rows:
        captions.setdefault(_text(row, image, asked), []).extend(as_captions(row[caption]))
    without = [name for name, texts in captions.items() if not texts]
    if without:
        raise DataError(f"{asked.path} has no caption for {len(without)} pictures, the first is {without[0]}")
    owners = [number for number, texts in enumerate(captions.values()) for _ in texts]
    return Dataset(
        name=asked.title,
        pictures=_files(list(captions), asked),
        captions=Captions(
            texts=tuple(text for texts in captions.values() for text in texts),
            image_of_text=np.array(owners, np.int64),
        ),
        reference=asked.entry.reference if asked.entry else (),
    )


def _sugarcrepe(rows: list[Row], asked: Asked, columns: tuple[str, str, str]) -> Dataset:
    image, caption, negative = columns
    names = list(dict.fromkeys(_text(row, image, asked) for row in rows))
    place = {name: number for number, name in enumerate(names)}
    tag = _column(rows[0], TAG_COLUMNS)
    return Dataset(
        name=asked.title,
        pictures=_files(names, asked),
        choices=Choices(
            images=tuple((place[_text(row, image, asked)],) for row in rows),
            texts=tuple((_text(row, caption, asked), _text(row, negative, asked)) for row in rows),
            tags=tuple(_text(row, tag, asked) if tag else asked.path.stem for row in rows),
        ),
    )


def _winoground(rows: list[Row], asked: Asked) -> Dataset:
    tag = _column(rows[0], TAG_COLUMNS)
    images = [_text(row, f"image_{number}", asked) for row in rows for number in (0, 1)]
    return Dataset(
        name=asked.title,
        pictures=_files(images, asked),
        choices=Choices(
            images=tuple((2 * number, 2 * number + 1) for number in range(len(rows))),
            texts=tuple((_text(row, "caption_0", asked), _text(row, "caption_1", asked)) for row in rows),
            tags=tuple(_text(row, tag, asked) if tag else "" for row in rows),
        ),
    )


def _files(names: Sequence[str], asked: Asked) -> Files:
    """The pictures, wherever of the usual places the first one lies."""
    root = asked.path.parent
    found = [
        (folder, suffix)
        for folder in _IMAGE_FOLDERS
        for suffix in _SUFFIXES
        if (root / folder / f"{names[0]}{suffix}").is_file()
    ]
    folder, suffix = found[0] if found else ("", "")
    return Files([root / folder / f"{name}{suffix}" for name in names], root)


def _read(path: Path) -> list[Row]:
    if path.suffix.lower() != ".json":
        return list(read_records(path))
    try:
        raw = json.loads(read_text(path))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {reason(error)}") from error
    rows = list(raw.values()) if isinstance(raw, dict) else raw
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{path} is no list of objects, and no object of objects as SugarCrepe's files are")
    return rows


def _column(columns: Row, names: Sequence[str]) -> str | None:
    return next((name for name in names if name in columns), None)


def _text(row: Row, column: str, asked: Asked) -> str:
    value = row.get(column)
    if value is None or not str(value).strip():
        raise DataError(f"{asked.path} has a row without {column}: {str(dict(row))[:200]}")
    return str(value).strip()
