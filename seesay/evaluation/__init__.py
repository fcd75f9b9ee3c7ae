"""An encoder in, a table of numbers out.

A task is one file with a function `(view, ...) -> Result`, a line in `TASKS`, and a line in `NEEDS`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seesay.evaluation.dataset import Dataset

TASKS: dict[str, str] = {
    "zeroshot": "seesay.evaluation.zeroshot:zeroshot",
}

NEEDS: dict[str, tuple[str, ...]] = {
    "zeroshot": ("labels",),
}
"""Task -> what a dataset must have for it: "labels", "captions", "choices", "groups", "train"."""


def fits(task: str, dataset: "Dataset") -> bool:
    """Whether a dataset has what a task needs."""
    return all(getattr(dataset, need) not in (None, ()) for need in NEEDS[task])
