"""Pictures of results, as PNG files. They need the extra `plots`, and no display.

A kind of figure of one result is a file here, a line in `FIGURES`, and a line in `DETAILS`.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seesay.base.tables import resolve
from seesay.evaluation.dataset import Pictures
from seesay.evaluation.figures.bars import Reference, draw_bars
from seesay.evaluation.figures.canvas import save_figure
from seesay.evaluation.measure import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES: dict[str, str] = {
    "reliability": "seesay.evaluation.figures.curves:draw_reliability",
    "fewshot": "seesay.evaluation.figures.curves:draw_fewshot",
    "confusion": "seesay.evaluation.figures.confusion:draw_confusion",
    "examples": "seesay.evaluation.figures.examples:draw_examples",
}
"""Kind -> a function of a result; of the examples also of the pictures. Bars are of several results, always drawn."""

DETAILS: dict[str, tuple[str, ...]] = {
    "reliability": ("bins",),
    "fewshot": ("shots", "mean", "low", "high"),
    "confusion": ("confusion", "classes"),
    "examples": ("top5", "top5_probability", "classes", "labels"),
}
"""Kind -> the details that a result must have for it."""


def write_figures(
    results: Sequence[Result],
    folder: Path,
    *,
    pictures: Mapping[str, Pictures] | None = None,
    reference: Reference | None = None,
) -> list[Path]:
    """Every figure that the results have the numbers for.

    Args:
        results: of any tasks, datasets and encoders.
        folder: where to; it is made if it is not there.
        pictures: dataset -> its pictures, for the examples.
        reference: dataset -> published figures, for the bars.

    Returns:
        The files: "bars-TASK.png" for each task and "KIND-DATASET-ENCODER.png" for each of `FIGURES`.

    Raises:
        DataError: a file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    drawn: dict[str, Figure] = {}
    for task in dict.fromkeys(result.task for result in results):
        drawn[f"bars-{task}"] = draw_bars([one for one in results if one.task == task], reference)
    for result in results:
        for kind in FIGURES:
            if not set(DETAILS[kind]) <= set(result.details):
                continue
            draw, of = resolve(FIGURES, kind, kind="figure"), f"{kind}-{result.dataset}-{result.encoder}"
            if kind != "examples":
                drawn[of] = draw(result)
            elif pictures and result.dataset in pictures:
                drawn[of] = draw(result, pictures[result.dataset])
    return [save_figure(figure, folder / f"{_file_name(name)}.png") for name, figure in drawn.items()]


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name)[:150]
