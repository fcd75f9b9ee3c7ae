"""Robustness: what is left of an accuracy where the pictures come from somewhere else.

ImageNet-A, R and ObjectNet have a part of ImageNet's classes. They are compared with ImageNet's pictures of the same
classes, chosen among the same classes, so that fewer classes do not pass for robustness.

Effective robustness is how far an accuracy under shift lies above what models trained on ImageNet alone get at the same
ImageNet accuracy: above a line fitted through them, both axes being logits. Source: arXiv:2007.00644, section 2;
CLIP, arXiv:2103.00020, section 3.3. The points come from the user: the testbed of that paper publishes a table,
robustness_top1s.csv, which is read as it is.

Shape legend: S models of the fit.
"""

import csv
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seesay.base.errors import DataError, UsageError, reason
from seesay.base.texts import open_text
from seesay.evaluation.measure import Measure, Result, function_of
from seesay.evaluation.prompts import Prompts
from seesay.evaluation.subset import SubsetView
from seesay.evaluation.view import View
from seesay.evaluation.zeroshot import require_labels, zeroshot

_END = 1e-4  # logits of 0 and 1 are infinite; testsets have some 10,000 pictures


def robustness(views: Sequence[View], *, points: Path | None = None, prompts: Prompts | None = None) -> Result:
    """Zero-shot accuracy on ImageNet and its shifts, class by class the same.

    Args:
        views: one encoder's; first the dataset that the others are shifts of (ImageNet), then one or more shifts. Which
            classes a shift has is known of the five natural shifts of ImageNet (`SHIFTS`); of others it is told by
            the names of the classes.
        points: a table of accuracies of standard models, for effective robustness; see `read_points`.
        prompts: other templates than the datasets' own.

    Returns:
        First "mean_shift_accuracy" over the shifts. Then of each shift, "accuracy[NAME]", "reference_accuracy[NAME]" on
        the same classes of the first dataset, "drop[NAME]" between the two and, with `points`,
        "effective_robustness[NAME]". Details: "shifts", the names, and "lines", slope and intercept of each.

    Raises:
        UsageError: fewer than two views, of several encoders, without labels, or without a class in common.
        DataError: `points` cannot be used.
    """
    if len(views) < 2 or len({view.encoder for view in views}) > 1:
        raise UsageError(
            "robustness compares one encoder on two datasets or more, first what the others are shifts of; got "
            + ", ".join(f"{view.dataset.name} ({view.encoder})" for view in views)
        )
    reference, *shifts = views
    measures: list[Measure] = []
    accuracies: list[Measure] = []
    lines: dict[str, Line] = {}
    for view in shifts:
        name = view.dataset.name
        same, shifted = match(reference, view)
        before, after = _accuracy(same, prompts), _accuracy(shifted, prompts)
        accuracies.append(after)
        measures += [
            replace(after, name=f"accuracy[{name}]"),
            replace(before, name=f"reference_accuracy[{name}]"),
            function_of(f"drop[{name}]", [before, after], lambda both: float(both[0] - both[1])),
        ]
        if points is not None:
            line = lines[name] = fit_line(read_points(points, find_shift(name).columns))
            measures.append(function_of(f"effective_robustness[{name}]", [before, after], partial(_above, line)))
    return Result(
        task="robustness",
        dataset=reference.dataset.name,
        encoder=reference.encoder,
        measures=(function_of("mean_shift_accuracy", accuracies, lambda all_: float(all_.mean())), *measures),
        details={"shifts": tuple(view.dataset.name for view in shifts), "lines": lines},
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Shift:
    """A natural distribution shift of ImageNet."""

    name: str
    columns: tuple[str, str]
    """Of the testbed's table: ImageNet on the shift's classes, and the shift."""
    classes: tuple[int, ...]
    """Numbers of ImageNet's classes that it has."""
    own: tuple[int, ...] | None = None
    """Of its own classes by folder name, those that ImageNet has too; None for all."""


def find_shift(name: str) -> Shift:
    """The known shift that a dataset's name means: "imagenet-a", "ImageNet_A", "wds_imagenet-a".

    Raises:
        UsageError: it is none of them.
    """
    plain = _plain(name).removeprefix("wds")
    for known, shift in load_shifts().items():
        # "imagenetv2-matched-frequency" is V2, but "imagenet-real" is not R
        is_letter = known in ("imagenet-a", "imagenet-r")
        if plain == _plain(known) or (plain.startswith(_plain(known)) and not is_letter):
            return shift
    raise UsageError(f"{name} is no known shift of ImageNet ({', '.join(SHIFTS)}); name the dataset like the one it is")


SHIFTS = ("imagenet-v2", "imagenet-sketch", "imagenet-a", "imagenet-r", "objectnet")


@cache
def load_shifts() -> Mapping[str, Shift]:
    """Name -> what is known of it; see shifts.json for the sources."""
    found = {}
    for name, entry in _facts()["shifts"].items():
        groups = entry.get("groups")
        classes = [i for _, some in groups for i in some] if groups else entry.get("classes", range(1000))
        found[name] = Shift(
            name=name,
            columns=tuple(entry["columns"]),
            classes=tuple(classes),
            own=tuple(place for place, _ in groups) if groups else None,
        )
    return found


def match(reference: View, shift: View) -> tuple[View, View]:
    """Both views cut down to the classes that they share.

    Classes go by their names, of equal names the first by the first. Where hardly any name is shared and the dataset is
    a known shift of ImageNet whose classes are called otherwise (ObjectNet), they go by number.

    Raises:
        UsageError: there is no class in common.
    """
    ours, theirs = require_labels(reference).classes, require_labels(shift).classes
    place = {name: number for number, name in enumerate(_numbered(theirs))}
    shared = [(number, place[name]) for number, name in enumerate(_numbered(ours)) if name in place]
    if len(shared) * 2 > len(theirs):
        same, own = [number for number, _ in shared], [number for _, number in shared]
    else:
        known = _known(reference, shift)
        same, own = list(known.classes), list(range(len(theirs)))
        if known.own is not None and len(theirs) > len(known.own):
            own = list(known.own)
    return _cut(reference, same), _cut(shift, own)


@dataclass(frozen=True, slots=True)
class Line:
    """logit(accuracy under shift) = slope * logit(accuracy) + intercept."""

    slope: float
    intercept: float
    num_models: int

    def __call__(self, accuracy: float) -> float:
        """What a standard model of this accuracy gets under shift."""
        return 1 / (1 + math.exp(-(self.slope * float(logit(accuracy)) + self.intercept)))


def fit_line(points: NDArray[np.float64]) -> Line:
    """Least squares in logits.

    Args:
        points: (S, 2) accuracies in [0, 1]: before and under shift, of each standard model.

    Raises:
        DataError: fewer than two models, or all of one accuracy.
    """
    x_S, y_S = logit(points[:, 0]), logit(points[:, 1])
    if len(points) < 2 or np.ptp(x_S) == 0:
        raise DataError(f"a line needs two models of different accuracy at least, there are {len(points)} points")
    slope = ((x_S - x_S.mean()) * (y_S - y_S.mean())).sum() / ((x_S - x_S.mean()) ** 2).sum()
    return Line(float(slope), float(y_S.mean() - slope * x_S.mean()), len(points))


def effective_robustness(accuracy: float, shift_accuracy: float, line: Line) -> float:
    """How far an accuracy under shift lies above the line, in [-1, 1]."""
    return shift_accuracy - line(accuracy)


def logit(accuracy: Any) -> NDArray[np.float64]:
    """log(a / (1 - a)), with 0 and 1 moved to where a testset can still tell them apart from it."""
    inside = np.clip(np.asarray(accuracy, np.float64), _END, 1 - _END)
    return np.asarray(np.log(inside / (1 - inside)))


def read_points(path: Path, columns: tuple[str, str]) -> NDArray[np.float64]:
    """Accuracies of standard models out of a table.

    Args:
        path: a CSV file with a row for each model and accuracies in percent, such as the testbed's. With a column
            "model", only the models that its authors count as standard are taken (no more data than ImageNet, no
            training for robustness), unless none of the file's is known.
        columns: the names of the two columns, before and under shift.

    Returns:
        (S, 2) accuracies in [0, 1]; rows without both numbers are left out.

    Raises:
        DataError: it cannot be read, a column is missing, or a number is no percentage.
    """
    try:
        with open_text(path) as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"the table of points {path} cannot be read: {reason(error)}") from error
    missing = [column for column in columns if not rows or column not in rows[0]]
    if missing:
        raise DataError(
            f"{path} has no column {missing[0]!r}; it needs {columns[0]!r} and {columns[1]!r}, in percent, with a row "
            "for each standard model, as robustness_top1s.csv of github.com/modestyachts/imagenet-testbed has them"
        )
    standard = set(_facts()["standard_models"])
    if any(row.get("model") in standard for row in rows):
        rows = [row for row in rows if row["model"] in standard]
    try:
        found = [[float(row[column]) / 100 for column in columns] for row in rows if all(row[c] for c in columns)]
    except ValueError as error:
        raise DataError(f"{path} has something that is no number: {reason(error)}") from error
    points = np.array(found).reshape(-1, 2)
    if not ((points >= 0) & (points <= 1)).all():
        raise DataError(f"{path} has accuracies that are no percentages: they go to {100 * points.max():g}")
    return points


def _known(reference: View, shift: View) -> Shift:
    theirs, num_ours = require_labels(shift).classes, len(require_labels(reference).classes)
    try:
        known = find_shift(shift.dataset.name)
    except UsageError as error:
        raise UsageError(
            f"{shift.dataset.name} shares hardly a class name with {reference.dataset.name}, so that they cannot be "
            f"compared; {error}"
        ) from error
    # by number only where both datasets are whole
    whole = {len(known.classes) if known.own is None else len(known.own), 313 if known.own else 0}
    if num_ours != 1000 or len(theirs) not in whole:
        raise UsageError(
            f"{shift.dataset.name} shares hardly a class name with {reference.dataset.name}, and cannot be matched by "
            f"number: it has {len(theirs)} classes beside {num_ours}, not {max(whole)} beside ImageNet's 1000"
        )
    return known


def _above(line: Line, both: NDArray[np.float64]) -> float:
    return effective_robustness(float(both[0]), float(both[1]), line)


def _numbered(names: Sequence[str]) -> list[tuple[str, int]]:
    """Each name with how often it came before: ImageNet has two cranes."""
    seen: Counter[str] = Counter()
    found = []
    for name in map(_plain, names):
        found.append((name, seen[name]))
        seen[name] += 1
    return found


def _cut(view: View, classes: list[int]) -> View:
    return view if classes == list(range(len(require_labels(view).classes))) else SubsetView(view, classes)


def _accuracy(view: View, prompts: Prompts | None) -> Measure:
    measures = zeroshot(view, prompts=prompts).measures
    return next(measure for measure in measures if measure.name == "accuracy")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


@cache
def _facts() -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(Path(__file__).with_name("shifts.json").read_text("utf-8"))
    return facts
