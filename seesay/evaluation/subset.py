"""Part of a view: some of the classes with their pictures, as if the dataset had only these.

Nothing is encoded again: rows are taken out of what the whole view has.

Shape legend: N pictures, C classes, E embedding, D the image tower's own width.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from seesay.base.errors import UsageError
from seesay.evaluation.dataset import Dataset
from seesay.evaluation.datasets.pictures import Part
from seesay.evaluation.view import View


class SubsetView:
    """A view of the pictures of some classes, with only these classes to choose from.

    Args:
        view: the whole; its dataset has one label a picture.
        classes: numbers of the classes to keep; in the subset they are numbered in this order.

    Raises:
        UsageError: the dataset has no such labels or classes, or the classes have no picture.
    """

    def __init__(self, view: View, classes: Sequence[int]) -> None:
        labels = view.dataset.labels
        if labels is None or labels.labels.dtype == np.bool_:
            raise UsageError(
                f"{view.dataset.name} does not have one label a picture, and cannot be cut down to classes"
            )
        if not classes or min(classes) < 0 or max(classes) >= len(labels.classes):
            raise UsageError(
                f"{view.dataset.name} has {len(labels.classes)} classes, from 0 on; got {list(classes)[:9]}"
            )
        number_of_class = np.full(len(labels.classes), -1)
        number_of_class[list(classes)] = np.arange(len(classes))
        new_labels_N = number_of_class[labels.labels]
        self._rows = np.flatnonzero(new_labels_N >= 0)
        if not len(self._rows):
            raise UsageError(f"{view.dataset.name} has no picture of any of the {len(classes)} classes asked for")
        self._view = view
        self._dataset = replace(
            view.dataset,
            pictures=Part(view.dataset.pictures, self._rows),
            labels=replace(labels, classes=tuple(labels.classes[i] for i in classes), labels=new_labels_N[self._rows]),
            groups=tuple(view.dataset.groups[i] for i in self._rows) if view.dataset.groups else (),
            captions=None,
            choices=None,
            train=None,
            validation=None,
            reference=(),
        )

    @property
    def encoder(self) -> str:
        """The whole's."""
        return self._view.encoder

    @property
    def dataset(self) -> Dataset:
        """What is left."""
        return self._dataset

    @property
    def scale(self) -> float:
        """The whole's."""
        return self._view.scale

    @property
    def train(self) -> None:
        """None: the subset is for measuring only."""

    @property
    def validation(self) -> None:
        """None."""

    def images(self) -> NDArray[np.float32]:
        """(N, E) rows of the pictures that are left."""
        return self._view.images()[self._rows]

    def features(self) -> NDArray[np.float32]:
        """(N, D) likewise."""
        return self._view.features()[self._rows]

    def texts(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """The whole's."""
        return self._view.texts(sentences)

    def prompts(self, sentences: Sequence[Sequence[str]]) -> NDArray[np.float32]:
        """The whole's."""
        return self._view.prompts(sentences)
