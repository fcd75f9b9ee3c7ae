"""Bars: a row for each dataset, encoders side by side, published figures and chance marked."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from seesay.base.errors import UsageError
from seesay.evaluation.figures.canvas import COLOURS, new_figure, shorten, spoken
from seesay.evaluation.measure import Measure, Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Reference: TypeAlias = Mapping[str, Sequence[tuple[str, str, float]]]
"""Dataset -> its published figures: (model, metric, value), as `Dataset.reference` has them."""


def draw_bars(results: Sequence[Result], reference: Reference | None = None) -> "Figure":
    """The first figure of each result as a bar with its interval, a row for each dataset.

    Encoders stand side by side, published figures are open marks, chance is a dotted line.

    Raises:
        UsageError: there is no result.
        MissingExtraError: matplotlib is not installed.
    """
    if not results:
        raise UsageError("a bar chart needs one result at least")
    datasets = list(dict.fromkeys(result.dataset for result in results))[::-1]  # the first on top
    encoders = list(dict.fromkeys(result.encoder for result in results))
    figure = new_figure(7.5, 1.6 + (0.26 + 0.22 * len(encoders)) * len(datasets))
    axes = figure.add_subplot()
    height = 0.8 / len(encoders)
    for result in results:
        measure, number = result.measures[0], encoders.index(result.encoder)
        place = datasets.index(result.dataset) + height * ((len(encoders) - 1) / 2 - number)
        _draw_bar(axes, place, height, measure, COLOURS[number % len(COLOURS)])
    names = {result.dataset: result.measures[0].name for result in results}
    published = _reference_of(names, reference or {})
    for number, model in enumerate(dict.fromkeys(model for _, model, _ in published)):
        own = [(value, datasets.index(dataset)) for dataset, this, value in published if this == model]
        marker = "Dosv^"[number % 5]
        axes.plot(*zip(*own, strict=True), marker, color="white", markeredgecolor="black", markersize=6, label=model)
    bars = [axes.barh([0], [0], color=COLOURS[i % len(COLOURS)], label=shorten(one)) for i, one in enumerate(encoders)]
    axes.set_yticks(range(len(datasets)), [f"{shorten(one)}\n{spoken(names[one])}" for one in datasets], fontsize=8)
    axes.set_ylim(-0.6, len(datasets) - 0.4)
    axes.set_xlim(min(0.0, *(result.measures[0].low for result in results)), 1.02)
    axes.grid(visible=True, axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.set_xlabel("value, with its 95 % interval; dotted: chance", fontsize=9)
    if len(bars) > 1 or published:
        figure.legend(loc="outside upper left", fontsize=8, ncols=3, frameon=False)
    else:
        axes.set_title(f"{results[0].task}: {shorten(encoders[0])}", fontsize=10, loc="left")
    return figure


def _draw_bar(axes: "Axes", place: float, height: float, measure: Measure, colour: str) -> None:
    ends = np.array([[max(0, measure.value - measure.low)], [max(0, measure.high - measure.value)]])
    axes.barh([place], [measure.value], height * 0.92, color=colour)
    axes.errorbar([measure.value], [place], xerr=np.nan_to_num(ends), color="black", linewidth=1, capsize=2)
    if measure.chance is not None:
        axes.plot([measure.chance] * 2, [place - height / 2, place + height / 2], color="black", linestyle=":")
    # beside the axes, where no marker of a published figure can lie over it
    axes.text(1.01, place, f"{measure.value:.3f}", transform=axes.get_yaxis_transform(), va="center", fontsize=8)


def _reference_of(names: Mapping[str, str], reference: Reference) -> list[tuple[str, str, float]]:
    """(dataset, model, value) of the metric that the bars show."""
    return [
        (dataset, shorten(model), value)
        for dataset, metric in names.items()
        for model, this, value in reference.get(dataset, ())
        if this == metric
    ]
