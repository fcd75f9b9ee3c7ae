"""From what a dataset says of its classes to the words that prompts are made of."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seesay.base.errors import DataError
from seesay.data.classes import is_imagenet, say_folders
from seesay.evaluation.catalog import Entry
from seesay.evaluation.dataset import Labels
from seesay.evaluation.prompts import find_prompts


def make_labels(
    labels: NDArray[Any], classes: Sequence[str] | None, *, entry: Entry | None, where: object, is_named: bool = False
) -> Labels:
    """Labels with names that prompts can say.

    Args:
        labels: (N,) numbers of classes, or (N, C) marks.
        classes: their names; None where the dataset only numbers them.
        entry: which published dataset it is, where that is known.
        where: the dataset, for messages.
        is_named: the names are what the dataset's makers want said; they stay as they are.

    Raises:
        DataError: the numbers have no names, or there are fewer names than numbers.
    """
    names = tuple(classes) if classes is not None else _numbered(entry, labels, where)
    if classes is not None and not is_named:
        names = _say(names, entry)
    is_several = labels.ndim == 2
    if is_several and labels.shape[1] != len(names):
        raise DataError(f"{where} marks {labels.shape[1]} classes and has names for {len(names)}")
    if not is_several and len(labels) and not 0 <= labels.min() <= labels.max() < len(names):
        raise DataError(
            f"{where} has labels from {labels.min()} to {labels.max()} and names for {len(names)} classes, which are "
            "counted from 0; say which dataset it is (NAME=ADDRESS), or correct its classes.txt"
        )
    metric = entry.metric if entry else ("mean_average_precision" if is_several else "accuracy")
    return Labels(
        classes=names,
        labels=labels.astype(np.bool_) if is_several else labels.astype(np.int64),
        prompts=entry.prompts if entry else ("imagenet" if is_imagenet(classes) else ""),
        metric=metric,
    )


def _numbered(entry: Entry | None, labels: NDArray[Any], where: object) -> tuple[str, ...]:
    if entry is not None and entry.is_numbered:
        return find_prompts(entry.prompts).names
    highest = labels.shape[1] - 1 if labels.ndim == 2 else int(labels.max(initial=0))
    raise DataError(
        f"{where} numbers its classes (0 to {highest}) and does not name them; put a classes.txt beside it with a name "
        "a line, or say which published dataset it is: NAME=ADDRESS, with a NAME from `seesay eval list`"
    )


def _say(names: tuple[str, ...], entry: Entry | None) -> tuple[str, ...]:
    """Folder names as words: WordNet ids by ImageNet's names, others by the paper's where they are the same."""
    if is_imagenet(names):
        return say_folders(names)
    papers = find_prompts(entry.prompts).names if entry is not None and entry.prompts else ()
    said = {_plain(name): name for name in papers}
    if entry is not None and entry.is_numbered and len(names) == len(papers) and not {*map(_plain, names)} & {*said}:
        # other words for the same classes: numbers, from 0 or 1 on, or codes in their order
        if all(name.isdigit() for name in names):
            numbers = [int(name) for name in names]
            if sorted(numbers) == list(range(min(numbers), min(numbers) + len(numbers))):
                return tuple(papers[number - min(numbers)] for number in numbers)
        return papers
    return tuple(said.get(_plain(name), words) for name, words in zip(names, say_folders(names), strict=True))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", name.lower())
