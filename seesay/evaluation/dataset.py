"""What can be evaluated on: pictures in an order that never changes, and what is true of them.

Openers in `evaluation/datasets/` make these; tasks read them. No encoder is known here.

Shape legend: N pictures, M texts, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seesay.inputs.pictures import Source


class Pictures(Protocol):
    """N pictures that can be read one by one, in any order, any number of times."""

    @property
    def digest(self) -> str:
        """Changes when a picture or the order does; vectors are cached by it."""
        ...

    def __len__(self) -> int:
        """N."""
        ...

    def __getitem__(self, number: int, /) -> Source:
        """A path or the bytes of a picture file, not decoded.

        Raises:
            InputError: it cannot be read.
        """
        ...

    def key(self, number: int) -> str:
        """Where a picture came from, for messages and tables."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Labels:
    """Of each picture, what it shows."""

    classes: tuple[str, ...]
    """C names, as a prompt says them."""
    labels: NDArray[np.int64] | NDArray[np.bool_]
    """(N,) the number of the class, or (N, C) where a picture may show several."""
    prompts: str = ""
    """Name of the templates in `evaluation/prompts/`; "" for the general ones."""
    templates: tuple[str, ...] = ()
    """Templates that came with the dataset; where there are some, they stand in for those of `prompts`."""
    metric: str = "accuracy"
    """The paper's metric for it: a name in `evaluation.metrics.METRICS`."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Captions:
    """Texts that belong to pictures."""

    texts: tuple[str, ...]
    """M texts."""
    image_of_text: NDArray[np.int64]
    """(M,) the number of the picture that each belongs to; every picture has one at least."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Choices:
    """Questions of composition: which text is right for which picture.

    Winoground asks about two pictures and two texts (text i is right for picture i), SugarCrepe about one picture, its
    text, and a wrong one.
    """

    images: tuple[tuple[int, ...], ...]
    """Of each question, the numbers of its one or two pictures."""
    texts: tuple[tuple[str, str], ...]
    """Of each question, two texts: with one picture the first is right."""
    tags: tuple[str, ...]
    """Of each question, its kind, for a table by kind."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Dataset:
    """One split of a data set."""

    name: str
    pictures: Pictures
    labels: Labels | None = None
    captions: Captions | None = None
    choices: Choices | None = None
    groups: tuple[str, ...] = ()
    """(N,) of each picture a group to report by (such as who is shown), where there is one."""
    train: "Dataset | None" = None
    """The split to fit a probe on."""
    validation: "Dataset | None" = None
    """The split to choose its regularisation on; without one a part of `train` is set aside."""
    reference: "Sequence[tuple[str, str, float]]" = ()
    """Published figures: (model, metric, value in [0, 1]), with the source in the opener."""

    @property
    def single_labels(self) -> Labels | None:
        """`labels`, where each picture has one."""
        return self.labels if self.labels is not None and self.labels.labels.dtype != np.bool_ else None
