"""WebDatasets in the layout that CLIP_benchmark publishes, in a folder or at an address.

    ROOT/SPLIT/nshards.txt, 0.tar, 1.tar, ...     in a folder any *.tar will do
    ROOT/classnames.txt                           a class a line
    ROOT/zeroshot_classification_templates.txt    a template a line, {c} for the class
    ROOT/dataset_type.txt                         "retrieval" or "multilabel"; nothing for one label each

Source of the layout: github.com/LAION-AI/CLIP_benchmark, README and datasets/builder.py (MIT).
"""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from seesay.base.errors import DataError
from seesay.base.texts import read_text as read_file
from seesay.data.classes import TEST_SPLITS, TRAIN_SPLITS
from seesay.evaluation.dataset import Dataset
from seesay.evaluation.datasets.address import (
    VALIDATION_SPLITS,
    Asked,
    choose_split,
    split_beside,
)
from seesay.evaluation.datasets.download import fetch, raw_address, read_text
from seesay.evaluation.datasets.tar import dataset_of, index_tars

_TEMPLATES = "zeroshot_classification_templates.txt"


class _Root(NamedTuple):
    """A root in a folder or on the web."""

    read: Callable[[str], str | None]
    """The text of a file under it; None where there is none."""
    tars: Callable[[str], list[Path]]
    """A split's tars, fetched where they must be; empty where there is no such split."""


def open_webdataset(asked: Asked) -> Dataset:
    """Open a root.

    Raises:
        DataError: it has no split to test on, a tar is missing or damaged, or labels do not fit.
    """
    root = _on_the_web(asked.place) if "://" in asked.place else _in_a_folder(asked.path)
    candidates = dict.fromkeys((asked.split or "", *TEST_SPLITS, *TRAIN_SPLITS, ""))
    there = [split for split in candidates if _has(root, asked, split)]
    split = "" if there == [""] and asked.split is None else choose_split(there, asked)
    train = split_beside(there, TRAIN_SPLITS, split) if asked.with_train else None
    validation = split_beside(there, VALIDATION_SPLITS, split) if train else None
    return dataclasses.replace(
        _open_split(root, asked, split),
        train=_open_split(root, asked, train) if train else None,
        validation=_open_split(root, asked, validation) if validation else None,
    )


def _has(root: _Root, asked: Asked, split: str) -> bool:
    if "://" in asked.place:
        return bool(split) and root.read(f"{split}/nshards.txt") is not None
    return any((asked.path / split).glob("*.tar"))


def _open_split(root: _Root, asked: Asked, split: str) -> Dataset:
    kind = (root.read("dataset_type.txt") or "").strip().lower()
    names = [line.strip() for line in (root.read("classnames.txt") or "").splitlines() if line.strip()]
    templates = [line.strip() for line in (root.read(_TEMPLATES) or "").splitlines() if line.strip()]
    found = dataset_of(index_tars(root.tars(split)), asked, classes=names or None, is_retrieval=kind == "retrieval")
    if found.labels is None or not templates:
        return found
    return dataclasses.replace(found, labels=dataclasses.replace(found.labels, templates=tuple(templates)))


def _in_a_folder(folder: Path) -> _Root:
    def read(name: str) -> str | None:
        try:
            return read_file(folder / name, errors="replace")
        except OSError:
            return None

    def tars(split: str) -> list[Path]:
        found = sorted((folder / split).glob("*.tar"), key=_in_order)
        count = read(f"{split}/nshards.txt")
        if count is not None and len(found) != _number(count, folder / split):
            raise DataError(f"{folder / split} has {len(found)} tars, and its nshards.txt says {count.strip()}")
        return found

    return _Root(read, tars)


def _on_the_web(url: str) -> _Root:
    url = url.rstrip("/")

    def read(name: str) -> str | None:
        return read_text(raw_address(f"{url}/{name}", is_large=False))

    def tars(split: str) -> list[Path]:
        count = _number(read(f"{split}/nshards.txt") or "", f"{url}/{split}")
        return [fetch(raw_address(f"{url}/{split}/{number}.tar", is_large=True)) for number in range(count)]

    return _Root(read, tars)


def _number(text: str, where: object) -> int:
    if not text.strip().isdigit():
        raise DataError(f"{where} has no number of tars in its nshards.txt but {text.strip()[:50]!r}")
    return int(text)


def _in_order(path: Path) -> tuple[int, str]:
    """10.tar after 9.tar."""
    found = re.match(r"\d+", path.name)
    return (int(found[0]) if found else -1, path.name)
