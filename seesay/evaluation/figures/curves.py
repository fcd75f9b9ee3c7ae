"""Curves of one result: how far confidence can be trusted, and what labelled examples add."""

from typing import TYPE_CHECKING

import numpy as np

from seesay.evaluation.figures.canvas import COLOURS, GREY, new_figure, set_title
from seesay.evaluation.measure import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_reliability(result: Result) -> "Figure":
    """How often answers of each confidence are right: on the diagonal a probability means what it says.

    Args:
        result: with details "bins", rows with lower, upper, confidence, accuracy and count.
    """
    bins = result.details["bins"]
    bins = bins[bins["count"] > 0]
    figure = new_figure(4.6, 5.2)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    width = bins["upper"] - bins["lower"]
    confidence, accuracy = bins["confidence"], bins["accuracy"]
    common = np.minimum(confidence, accuracy)
    upper.bar(bins["lower"], common, width, align="edge", color=COLOURS[0], edgecolor="white")
    for gap, label, colour, hatch in (
        (confidence - accuracy, "surer than right", COLOURS[1], "///"),
        (accuracy - confidence, "more often right than sure", COLOURS[4], "..."),
    ):
        upper.bar(
            bins["lower"],
            np.maximum(gap, 0),
            width,
            bottom=common,
            align="edge",
            color=colour,
            alpha=0.6,
            hatch=hatch,
            edgecolor="white",
            label=label,
        )
    upper.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=1)
    upper.set(xlim=(0, 1), ylim=(0, 1))
    upper.set_ylabel("share of right answers", fontsize=9)
    upper.legend(
        fontsize=8, loc="upper left" if (confidence > accuracy).mean() > 0.5 else "lower right", framealpha=0.9
    )
    share = bins["count"] / bins["count"].sum()
    lower.bar(bins["lower"], share, width, align="edge", color=GREY, edgecolor="white")
    lower.set_ylabel("share of\npictures", fontsize=9)
    lower.set_xlabel("confidence", fontsize=9)
    error = float((share * np.abs(confidence - accuracy)).sum())
    set_title(figure, result, f"expected calibration error of these bins {error:.3f}")
    return figure


def draw_fewshot(result: Result) -> "Figure":
    """The paper's few-shot curve: accuracy over examples a class, beside zero-shot.

    Args:
        result: with details "shots", "mean", "low", "high" and, where they are known, "zeroshot" and "start".
    """
    details = result.details
    shots, mean = np.asarray(details["shots"], np.float64), np.asarray(details["mean"])
    figure = new_figure(5.2, 3.9)
    axes = figure.add_subplot()
    axes.fill_between(shots, details["low"], details["high"], color=COLOURS[0], alpha=0.2, linewidth=0)
    label = "linear probe from zero-shot" if details.get("start") == "zeroshot" else "linear probe"
    axes.plot(shots, mean, color=COLOURS[0], marker="o", markersize=5, label=label)
    zero = details.get("zeroshot")
    if zero is not None:
        axes.axhline(zero, color=COLOURS[5], linestyle="--", linewidth=1)
        axes.plot([shots.min() / 2], [zero], "*", color=COLOURS[5], markersize=12, label="zero-shot")
    places = [shots.min() / 2, *shots] if zero is not None else list(shots)
    axes.set_xscale("log", base=2)
    axes.set_xticks(places, ["0", *(f"{shot:g}" for shot in shots)][-len(places) :])
    axes.minorticks_off()
    axes.set_xlabel("labelled examples of each class", fontsize=9)
    axes.set_ylabel("accuracy", fontsize=9)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize=8, loc="lower right", frameon=False)
    set_title(figure, result, "")
    return figure
