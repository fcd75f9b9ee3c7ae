"""A dataset as one encoder sees it: what every task gets. Each picture was encoded once, however many tasks look.

Shape legend: N pictures, M texts, C classes, E embedding, D the image tower's own width.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seesay.evaluation.dataset import Dataset


class View(Protocol):
    """What a task may ask."""

    @property
    def encoder(self) -> str:
        """`Encoder.id`."""
        ...

    @property
    def dataset(self) -> Dataset:
        """What is looked at."""
        ...

    @property
    def scale(self) -> float:
        """What cosines are multiplied by before a softmax."""
        ...

    @property
    def train(self) -> "View | None":
        """The same of `dataset.train`."""
        ...

    @property
    def validation(self) -> "View | None":
        """The same of `dataset.validation`."""
        ...

    def images(self) -> NDArray[np.float32]:
        """(N, E) unit rows; zeros where a picture could not be read, which a task counts as wrong.

        Of `train` and `validation` such pictures are left out instead.
        """
        ...

    def features(self) -> NDArray[np.float32]:
        """(N, D) what the image tower says before the projection, not normalised; zeros as above.

        Raises:
            UsageError: this encoder does not give them.
        """
        ...

    def texts(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """(M, E) unit rows."""
        ...

    def prompts(self, sentences: Sequence[Sequence[str]]) -> NDArray[np.float32]:
        """(C, E) of each class the mean of its sentences' unit vectors, a unit row again; remembered on disk.

        Source: CLIP, arXiv:2103.00020, section 3.1.4: the ensemble is one of embeddings, not of probabilities.
        """
        ...
