"""Confusions: what is taken for what.

Shape legend: C classes.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seesay.evaluation.figures.canvas import COLOURS, new_figure, set_title, shorten
from seesay.evaluation.measure import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MATRIX_CLASSES = 30  # up to so many, names can be read at the sides of a matrix
_PAIRS = 20


def draw_confusion(result: Result) -> "Figure":
    """What is taken for what: a matrix of up to 30 classes, of more the pairs that are confused most.

    Args:
        result: with details "confusion", (C, C) rows the truth and columns the answers, and "classes".
    """
    counts, classes = result.details["confusion"], result.details["classes"]
    return (
        _draw_matrix(result, counts, classes)
        if len(classes) <= _MATRIX_CLASSES
        else _draw_pairs(result, counts, classes)
    )


def most_confused(counts: NDArray[np.int64], *, num: int) -> list[tuple[int, int, int]]:
    """The pairs of classes that are confused most: (truth, answer, pictures), the most frequent first.

    Of pairs that are as frequent, the one that is the larger share of its class comes first.

    Args:
        counts: (C, C) rows the truth, columns the answers.
        num: how many at most.
    """
    truths, answers = np.nonzero(counts * ~np.eye(len(counts), dtype=bool))
    found = counts[truths, answers]
    order = np.lexsort((-found / counts.sum(axis=1)[truths], -found))[:num]
    return [(int(truths[i]), int(answers[i]), int(found[i])) for i in order]


def _draw_matrix(result: Result, counts: NDArray[np.int64], classes: Sequence[str]) -> "Figure":
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [shorten(name) for name in classes]
    side = 1.5 + 0.36 * len(classes) + 0.07 * max(map(len, names))  # inches, with room for the names
    figure = new_figure(side + 0.6, side)
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, shrink=0.7, label="share of the class")
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_xlabel("answer", fontsize=9)
    axes.set_ylabel("truth", fontsize=9)
    for row, column in zip(*np.nonzero(shares >= 0.005), strict=True):
        # dark text on light cells and the other way round
        colour = "black" if shares[row, column] > 0.6 else "white"
        axes.text(column, row, f"{100 * shares[row, column]:.0f}", ha="center", va="center", fontsize=7, color=colour)
    set_title(figure, result, "percent of each class")
    return figure


def _draw_pairs(result: Result, counts: NDArray[np.int64], classes: Sequence[str]) -> "Figure":
    pairs = most_confused(counts, num=_PAIRS)
    figure = new_figure(7.2, 1.2 + 0.27 * max(4, len(pairs)))
    axes = figure.add_subplot()
    of_class = counts.sum(axis=1)
    for place, (truth, _, count) in enumerate(pairs):
        axes.barh([-place], [count], 0.75, color=COLOURS[0])
        axes.annotate(
            f"{count} of {of_class[truth]}",
            (count, -place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
        )
    labels = [f"{shorten(classes[truth])} → {shorten(classes[answer])}" for truth, answer, _ in pairs]
    axes.set_yticks([-place for place in range(len(pairs))], labels, fontsize=8)
    axes.set_xlabel("pictures of the first taken for the second", fontsize=9)
    axes.locator_params(axis="x", integer=True)
    axes.margins(x=0.12)
    wrong = int(counts.sum() - np.trace(counts))
    covered = sum(count for *_, count in pairs)
    set_title(figure, result, f"the {len(pairs)} most frequent of {wrong} confusions ({covered} pictures)")
    return figure
