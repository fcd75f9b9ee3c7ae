"""An encoder in, a table of numbers out.

A task is one file with a function `(view, ...) -> Result`, a line in `TASKS`, and a line in `NEEDS`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seesay.evaluation.dataset import Dataset

TASKS: dict[str, str] = {
    "zeroshot": "seesay.evaluation.zeroshot:zeroshot",
    "retrieval": "seesay.evaluation.retrieval:retrieval",
    "composition": "seesay.evaluation.composition:composition",
    "bias": "seesay.evaluation.bias:bias",
    "probe": "seesay.evaluation.probe:probe",
    "fewshot": "seesay.evaluation.fewshot:fewshot",
    "calibration": "seesay.evaluation.calibration:calibration",
}

NEEDS: dict[str, tuple[str, ...]] = {
    "zeroshot": ("labels",),
    "retrieval": ("captions",),
    "composition": ("choices",),
    "bias": ("groups",),
    "probe": ("labels", "train"),
    "fewshot": ("single_labels", "train"),
    "calibration": ("single_labels",),
}
"""Task -> what a dataset must have for it: "labels", "captions", "choices", "groups", "train"."""

COMPARISONS: dict[str, str] = {
    "robustness": "seesay.evaluation.robustness:robustness",
    "overlap": "seesay.evaluation.overlap:overlap",
}
"""Tasks of several datasets: functions `(views, ...) -> Result` of one encoder's views, in the order named."""


def fits(task: str, dataset: "Dataset") -> bool:
    """Whether a dataset has what a task needs."""
    return all(getattr(dataset, need) not in (None, ()) for need in NEEDS[task])
