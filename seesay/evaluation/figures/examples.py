"""The paper's zero-shot figure: pictures beside their likeliest classes, the right one marked."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from seesay.base.errors import InputError, UsageError
from seesay.evaluation.dataset import Pictures
from seesay.evaluation.figures.canvas import RIGHT, WRONG, new_figure, plain, set_title, shorten
from seesay.evaluation.measure import Result
from seesay.inputs.pictures import open_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_examples(result: Result, pictures: Pictures, *, num: int = 12, seed: int = 0) -> "Figure":
    """The paper's zero-shot figure: pictures beside their five likeliest classes, the right one coloured.

    They are drawn by lot, not picked. Source: CLIP, arXiv:2103.00020, figure 21.

    Args:
        result: of `zeroshot`, with details "top5", "top5_probability", "classes" and "labels".
        pictures: those that it is about.
        num: how many to show.
        seed: of the draw.

    Raises:
        UsageError: the numbers do not match, or no picture can be read.
        MissingExtraError: matplotlib is not installed.
    """
    details = result.details
    if len(pictures) != len(details["top5"]):
        raise UsageError(f"{result.dataset} has {len(pictures)} pictures, the result is about {len(details['top5'])}")
    order = np.random.default_rng(seed).permutation(len(pictures))
    shown: list[tuple[int, Any]] = []
    for number in map(int, order):
        try:
            shown.append((number, open_picture(pictures[number], target_px=256)))
        except InputError:
            continue
        if len(shown) == num:
            break
    if not shown:
        raise UsageError(f"none of the {len(pictures)} pictures of {result.dataset} can be read")
    columns = min(4, len(shown))
    rows = math.ceil(len(shown) / columns)
    figure = new_figure(2.9 * columns, 3.7 * rows + 0.5)
    grid = figure.add_gridspec(rows * 2, columns, height_ratios=[1.7, 1] * rows)
    for place, (number, picture) in enumerate(shown):
        row, column = divmod(place, columns)
        _draw_picture(figure.add_subplot(grid[2 * row, column]), picture, _truth(details, number))
        _draw_answers(figure.add_subplot(grid[2 * row + 1, column]), details, number)
    set_title(figure, result, f"{len(shown)} of {len(pictures)} pictures, drawn by lot")
    return figure


def _draw_picture(axes: "Axes", picture: Any, truth: Sequence[str]) -> None:
    axes.imshow(np.asarray(picture))
    axes.set_axis_off()
    axes.set_title(plain(", ".join(map(shorten, truth))), fontsize=9)


def _draw_answers(axes: "Axes", details: Mapping[str, Any], number: int) -> None:
    names, labels = details["classes"], details["labels"][number]
    for place, (answer, probability) in enumerate(
        zip(details["top5"][number], details["top5_probability"][number], strict=True)
    ):
        is_right = bool(labels[answer]) if np.ndim(labels) else int(labels) == int(answer)
        axes.barh([-place], [probability], 0.85, color=RIGHT if is_right else WRONG)
        text = f"{'✓ ' if is_right else ''}{shorten(names[int(answer)])}"
        axes.text(0.02, -place, text, fontsize=8, va="center", weight="bold" if is_right else "normal")
        axes.text(1.13, -place, f"{100 * probability:.0f} %", fontsize=7, va="center", ha="right", color="#404040")
    axes.set(xlim=(0, 1.13), yticks=[], xticks=[])
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)


def _truth(details: Mapping[str, Any], number: int) -> list[str]:
    labels, names = details["labels"][number], details["classes"]
    return [names[int(i)] for i in np.flatnonzero(labels)] if np.ndim(labels) else [names[int(labels)]]
