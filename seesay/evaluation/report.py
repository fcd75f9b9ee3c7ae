"""Results as tables: rows for a screen, Markdown, CSV and JSON, with what published models get beside them.

Nothing is printed here.
"""

import csv
import dataclasses
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seesay.base.errors import DataError, UsageError
from seesay.base.paths import json_text
from seesay.base.paths import show as show_path
from seesay.evaluation.dataset import Dataset
from seesay.evaluation.measure import Difference, Measure, Result, difference

HEADER = ("dataset", "task", "measure", "value", "95 % interval", "samples", "chance", "reference")


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One measure of one result, as it is shown."""

    result: Result
    measure: Measure
    reference: tuple[str, float] | None
    """A published model and what it gets, on the same dataset by the same metric."""

    @property
    def cells(self) -> tuple[str, ...]:
        """Texts under `HEADER`."""
        measure = self.measure
        return (
            self.result.dataset,
            self.result.task,
            measure.name,
            show(measure.value),
            f"{show(measure.low)} to {show(measure.high)}",
            f"{measure.num_samples:,}",
            "" if measure.chance is None else show(measure.chance),
            "" if self.reference is None else f"{show(self.reference[1])} {self.reference[0]}",
        )


def make_rows(results: Sequence[Result], datasets: Sequence[Dataset]) -> list[Row]:
    """A row a measure, in the order of the results.

    Args:
        results: of one encoder or more.
        datasets: where the published figures stand.
    """
    published = {dataset.name: dataset.reference for dataset in datasets}
    return [
        Row(result=result, measure=measure, reference=_reference(result, measure, published.get(result.dataset, ())))
        for result in results
        for measure in result.measures
    ]


def compare(results: Sequence[Result], others: Sequence[Result]) -> list[tuple[Result, Difference]]:
    """The paired test of every measure that two encoders have of the same samples: the first less the second.

    Raises:
        UsageError: they have none in common.
    """
    by_place = {(other.dataset, other.task): other for other in others}
    found = []
    for result in results:
        other = by_place.get((result.dataset, result.task))
        theirs = {measure.name: measure for measure in other.measures} if other else {}
        for measure in result.measures:
            them = theirs.get(measure.name)
            if them is not None and measure.scores is not None and them.scores is not None:
                found.append((result, difference(measure, them)))
    if not found:
        raise UsageError("the two models have no measure of the same samples that could be compared")
    return found


def to_markdown(rows: Sequence[Row]) -> str:
    """A table for a document."""
    lines = [f"| {' | '.join(HEADER)} |", "|---|---|---|--:|---|--:|--:|---|"]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row.cells)} |" for row in rows]
    return "\n".join(lines) + "\n"


def to_csv(rows: Sequence[Row]) -> str:
    """A table for a spreadsheet: numbers in [0, 1], not rounded."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(
        (
            "encoder",
            "dataset",
            "task",
            "measure",
            "value",
            "low",
            "high",
            "samples",
            "chance",
            "reference_model",
            "reference",
        )
    )
    for row in rows:
        result, measure = row.result, row.measure
        model, value = row.reference or ("", "")
        writer.writerow(
            (
                result.encoder, result.dataset, result.task, measure.name, measure.value, measure.low, measure.high,
                measure.num_samples, "" if measure.chance is None else measure.chance, model, value,
            )
        )  # fmt: skip
    return file.getvalue()


def to_lines(rows: Sequence[Row], differences: Sequence[tuple[Result, Difference]] = ()) -> list[str]:
    """A JSON object a measure, then one a difference, which has a "p_value"."""
    found = [_as_dict(row) for row in rows] + [_of_pair(*pair) for pair in differences]
    return [json_text(one) for one in found]


def to_json(rows: Sequence[Row], differences: Sequence[tuple[Result, Difference]] = ()) -> str:
    """Everything but the arrays."""
    return json_text(
        {
            "results": [_as_dict(row) for row in rows],
            "differences": [_of_pair(*pair) for pair in differences],
            "unreadable": {
                row.result.dataset: row.result.details["unreadable"]
                for row in rows
                if "unreadable" in row.result.details
            },
        },
        indent=2,
    )


def write_report(
    folder: Path, rows: Sequence[Row], differences: Sequence[tuple[Result, Difference]] = ()
) -> list[Path]:
    """Write results.json, results.csv and results.md; ones that were there are replaced.

    Raises:
        DataError: the folder cannot be written.
    """
    files = {
        "results.json": to_json(rows, differences) + "\n",
        "results.csv": to_csv(rows),
        "results.md": to_markdown(rows),
    }
    make_folder(folder)
    try:
        for name, text in files.items():
            (folder / name).write_text(show_path(text), "utf-8")
    except OSError as error:
        raise DataError(f"{folder} cannot be written: {error.strerror or error}") from error
    return [folder / name for name in files]


def make_folder(folder: Path) -> None:
    """Make the folder that results go to; before the work is done, so that a wrong one costs nothing.

    Raises:
        DataError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder} cannot be made a folder for the results: {error.strerror or error}") from error


def show(value: float) -> str:
    """A share in percent, with the digit that ten thousand samples are worth."""
    return f"{100 * value:.1f}%"


def _reference(
    result: Result, measure: Measure, published: Sequence[tuple[str, str, float]]
) -> tuple[str, float] | None:
    """Of the same model where it is known, else of the nearest that everybody knows: ViT-B/32."""
    if result.task not in ("zeroshot", "retrieval"):
        return None  # what is published is zero-shot
    found = {model: value for model, metric, value in published if metric == measure.name}
    name = result.encoder.rpartition("@")[0]
    for model in (name, "openai/ViT-B-32", *found):
        if model in found:
            return model, found[model]
    return None


def _as_dict(row: Row) -> dict[str, Any]:
    result = row.result
    found = {"encoder": result.encoder, "dataset": result.dataset, "task": result.task, **_fields(row.measure)}
    if row.reference is not None:
        found["reference"] = {"model": row.reference[0], "value": row.reference[1]}
    return found


def _of_pair(result: Result, found: Difference) -> dict[str, Any]:
    return {"dataset": result.dataset, "task": result.task, **_fields(found)}


def _fields(one: Measure | Difference) -> Mapping[str, Any]:
    return {field.name: getattr(one, field.name) for field in dataclasses.fields(one) if field.name != "scores"}
