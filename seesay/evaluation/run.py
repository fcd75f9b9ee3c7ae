"""An encoder, datasets and tasks in; results out. Each picture is encoded once, however many tasks look at it.

Shape legend: N pictures, M texts, C classes, E embedding, D the image tower's own width.
"""

import dataclasses
import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seesay.base.errors import UnknownNameError, UsageError
from seesay.base.tables import resolve
from seesay.encoders.encoder import Encoder
from seesay.evaluation import COMPARISONS, NEEDS, TASKS, fits
from seesay.evaluation.adapters import Wrapped, unit_rows
from seesay.evaluation.dataset import Dataset
from seesay.evaluation.datasets.address import cache_folder
from seesay.evaluation.datasets.pictures import Part
from seesay.evaluation.measure import Result
from seesay.evaluation.vectors import (
    FEATURES,
    IMAGES,
    Encoded,
    Progress,
    encode_all,
    sight_of,
    slug,
    vectors_folder,
)
from seesay.evaluation.view import View

DEFAULT_TASKS = ("zeroshot", "retrieval", "composition")
"""What is run where nothing is asked for, on every dataset that it fits; the others take longer, or options."""

_TEXTS_AT_ONCE = 8192

Report: TypeAlias = Callable[[str, Progress], None]
"""Told what is encoded, and how far it is."""


def evaluate(
    encoder: Encoder | Wrapped,
    datasets: Sequence[Dataset],
    tasks: Sequence[str] = DEFAULT_TASKS,
    *,
    options: Mapping[str, Any] | None = None,
    cache: Path | None = None,
    report: Report = lambda what, progress: None,
) -> list[Result]:
    """Run every task on every dataset that it fits.

    Args:
        encoder: from `seesay.load`, or wrapped by `seesay.evaluation.adapters`.
        datasets: what to look at; see `seesay.evaluation.datasets.open_dataset`.
        tasks: names of `TASKS` and `COMPARISONS`; the latter look at all datasets together.
        options: keyword arguments for the tasks that have them, such as `prompts`.
        cache: where vectors are remembered; None for the user's cache folder.
        report: told how far it is.

    Returns:
        A result a task and dataset, in the order of the datasets. `details["unreadable"]` names the pictures that could
        not be read and why; they count as wrong.

    Raises:
        UnknownNameError: no such task or option.
        UsageError: a task fits none of the datasets.
    """
    _check_tasks(datasets, tasks)
    chosen = options or {}
    with_features = any("train" in NEEDS.get(task, ()) for task in tasks)
    views = [EncodedView(encoder, one, cache or cache_folder(), with_features, report) for one in datasets]
    functions = {task: resolve({**TASKS, **COMPARISONS}, task, kind="evaluation") for task in tasks}
    _check_options(functions, chosen)
    results = [
        _noted(functions[task](view, **_taken(functions[task], chosen)), [view])
        for view in views
        for task in tasks
        if task in TASKS and fits(task, view.dataset)
    ]
    return results + [
        _noted(functions[task](views, **_taken(functions[task], chosen)), views)
        for task in tasks
        if task in COMPARISONS
    ]


class EncodedView:
    """A dataset as an encoder sees it, from vectors that are remembered; see `View`.

    Args:
        encoder: the model.
        dataset: the pictures.
        cache: where vectors are kept.
        with_features: encode features too, in the same pass.
        report: told how far it is.
    """

    def __init__(
        self, encoder: Encoder | Wrapped, dataset: Dataset, cache: Path, with_features: bool, report: Report
    ) -> None:
        self._model, self._cache, self._report = encoder, cache, report
        self._with_features = with_features
        self._dataset = dataset
        self._encoded: Encoded | None = None
        self._views: dict[str, View | None] = {}

    @property
    def encoder(self) -> str:
        """The encoder's id."""
        return self._model.id

    @property
    def dataset(self) -> Dataset:
        """What is looked at."""
        return self._dataset

    @property
    def scale(self) -> float:
        """What cosines are multiplied by before a softmax."""
        return self._model.scale

    @property
    def train(self) -> View | None:
        """The readable part of the split to train on."""
        return self._beside("train", self._dataset.train)

    @property
    def validation(self) -> View | None:
        """The readable part of the split to validate on."""
        return self._beside("validation", self._dataset.validation)

    @property
    def unreadable(self) -> dict[str, str]:
        """Of the pictures that were encoded so far: which could not be read -> why."""
        found = self._encoded.unreadable if self._encoded is not None else {}
        return {self._dataset.pictures.key(number): reason for number, reason in sorted(found.items())}

    def images(self) -> NDArray[np.float32]:
        """(N, E) unit rows; zeros where a picture could not be read."""
        return self._encode(self._with_features).rows[IMAGES]

    def features(self) -> NDArray[np.float32]:
        """(N, D) before the projection; zeros where a picture could not be read.

        Raises:
            UsageError: this encoder does not give them.
        """
        if isinstance(self._model, Wrapped):
            if self._model.probes_vectors:
                return self.images()
            raise UsageError(f"{self.encoder} gives no features before the projection, which a probe is fitted on")
        return self._encode(True).rows[FEATURES]

    def texts(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """(M, E) unit rows."""
        total = len(sentences)
        parts = []
        for start in range(0, total, _TEXTS_AT_ONCE):
            if total > _TEXTS_AT_ONCE:
                self._report("texts", Progress(start, total))
            parts.append(unit_rows(self._model.encode_texts(list(sentences[start : start + _TEXTS_AT_ONCE]))))
        if total > _TEXTS_AT_ONCE:
            self._report("texts", Progress(total, total))
        return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)

    def prompts(self, sentences: Sequence[Sequence[str]]) -> NDArray[np.float32]:
        """(C, E) of each class the mean of its sentences' unit vectors, a unit row again; remembered on disk."""
        digest = hashlib.blake2b(repr([list(some) for some in sentences]).encode(), digest_size=16).hexdigest()
        path = self._cache / "prompts" / slug(self.encoder) / f"{digest}.npy"
        try:
            known: NDArray[np.float32] = np.load(path)
        except (OSError, ValueError):
            known = self._average(sentences)
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = path.with_name(f".{path.name}.{id(self)}.npy")
            np.save(fresh, known)
            fresh.replace(path)
        return known

    def _average(self, sentences: Sequence[Sequence[str]]) -> NDArray[np.float32]:
        rows = self.texts([sentence for some in sentences for sentence in some])
        ends = np.cumsum([len(some) for some in sentences])
        means = [part.mean(axis=0) for part in np.split(rows, ends[:-1])]
        return unit_rows(np.stack(means))

    def _encode(self, with_features: bool) -> Encoded:
        wants_features = with_features and not isinstance(self._model, Wrapped)
        if self._encoded is None or (wants_features and FEATURES not in self._encoded.rows):
            pictures = self._dataset.pictures
            self._encoded = encode_all(
                pictures,
                sight_of(self._model, with_features=wants_features),
                vectors_folder(self._cache, self.encoder, pictures.digest),
                report=lambda progress: self._report(self._dataset.name, progress),
            )
        return self._encoded

    def _beside(self, name: str, dataset: Dataset | None) -> View | None:
        if dataset is None:
            return None
        if name not in self._views:
            whole = EncodedView(self._model, dataset, self._cache, self._with_features, self._report)
            encoded = whole._encode(self._with_features)
            if encoded.unreadable:
                kept = np.setdiff1d(np.arange(len(dataset.pictures)), list(encoded.unreadable))
                part = take(dataset, kept)
                whole = EncodedView(self._model, part, self._cache, self._with_features, self._report)
                whole._encoded = Encoded({kind: rows[kept] for kind, rows in encoded.rows.items()})
            self._views[name] = whole
        return self._views[name]


def take(dataset: Dataset, numbers: NDArray[np.int64]) -> Dataset:
    """A dataset with some of its pictures, and what is said of these; captions and choices are left out."""
    labels = dataset.labels
    return dataclasses.replace(
        dataset,
        pictures=Part(dataset.pictures, numbers),
        labels=dataclasses.replace(labels, labels=labels.labels[numbers]) if labels is not None else None,
        captions=None,
        choices=None,
        groups=tuple(dataset.groups[number] for number in numbers) if dataset.groups else (),
    )


def _check_tasks(datasets: Sequence[Dataset], tasks: Sequence[str]) -> None:
    if not datasets or not tasks:
        raise UsageError("an evaluation needs one dataset and one task at least")
    known = {**TASKS, **COMPARISONS}
    for task in tasks:
        if task not in known:
            raise UnknownNameError("evaluation", task, known)
        if tasks != DEFAULT_TASKS and task in TASKS and not any(fits(task, dataset) for dataset in datasets):
            raise UsageError(
                f"{task} needs a dataset with {' and '.join(NEEDS[task])}; "
                f"none of {', '.join(dataset.name for dataset in datasets)} has that"
            )
    if not any(fits(task, dataset) for task in tasks if task in TASKS for dataset in datasets) and not (
        set(tasks) & COMPARISONS.keys()
    ):
        raise UsageError(f"none of {', '.join(tasks)} fits {', '.join(dataset.name for dataset in datasets)}")


def _check_options(functions: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    known = {name for function in functions.values() for name in _keywords(function)}
    for name in options:
        if name not in known:
            raise UnknownNameError("option", name, known, cure=f"of {', '.join(functions)}")


def _taken(function: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name in _keywords(function)}


def _keywords(function: Any) -> set[str]:
    return {
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def _noted(result: Result, views: Sequence[EncodedView]) -> Result:
    """With the pictures that could not be read."""
    unreadable = {key: reason for view in views for key, reason in view.unreadable.items()}
    if not unreadable:
        return result
    return dataclasses.replace(result, details={**result.details, "unreadable": unreadable})
