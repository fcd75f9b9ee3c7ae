"""`seesay eval`: a model's numbers on datasets, as the paper has them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seesay.base.errors import UnknownNameError, UsageError
from seesay.cli.console import JsonOption, load_encoder, plain, say, write, write_json

if TYPE_CHECKING:
    from seesay.encoders.ready import BundleEncoder
    from seesay.evaluation.adapters import Wrapped
    from seesay.evaluation.dataset import Dataset
    from seesay.evaluation.measure import Difference, Result
    from seesay.evaluation.prompts import Prompts
    from seesay.evaluation.report import Row
    from seesay.evaluation.vectors import Progress

LIST = "list"
FLAGS = {"prompts": "--templates", "points": "--points"}
"""Option of a task -> what it is called here."""


def evaluate(
    model: Annotated[str, typer.Argument(help="A name from `seesay models`, a model's folder, or the word list.")],
    on: Annotated[
        list[str] | None,
        typer.Option("--on", metavar="DATASET", help="[NAME=]ADDRESS[#SPLIT]; any number of times."),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(
            "--task",
            help="From `seesay list evaluations` or `comparisons`; by default zeroshot, retrieval, composition.",
        ),
    ] = None,
    templates: Annotated[
        str | None,
        typer.Option(help="A file with a template a line, {} for the class; or a dataset's or language's name: de"),
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Compare with this model, sample by sample.")
    ] = None,
    points: Annotated[
        Path | None, typer.Option(help="For robustness: a CSV of standard models' accuracies, to fit the line through.")
    ] = None,
    views: Annotated[
        str, typer.Option(metavar="CLIPSxCROPS", help="Of videos: how often each is looked at; the paper's best: 10x3.")
    ] = "1x1",
    out: Annotated[Path | None, typer.Option(help="A folder for JSON, CSV, Markdown, and pictures.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Evaluate a model on datasets: zero-shot, retrieval, probes, robustness and more.

    An ADDRESS is a folder of classes, a folder or web address in CLIP_benchmark's layout, .tar files, a table (.csv,
    .jsonl, .parquet), hf:org/name, or a name from `seesay eval list`; of videos LAYOUT:PATH#PART, such as
    ucf101:UCF101#test1 (docs/actions.md). Each picture is encoded once and remembered; stop it whenever you like. Every
    figure comes with a 95 % interval.
    """
    if model == LIST and not on:
        list_datasets(as_json=as_json)
        return
    from seesay.evaluation.datasets import open_datasets
    from seesay.evaluation.report import compare, make_folder, make_rows, write_report
    from seesay.evaluation.run import DEFAULT_TASKS

    if not on:
        raise UsageError("name what to evaluate on with --on DATASET; the known ones: `seesay eval list`")
    tasks = tuple(task or DEFAULT_TASKS)
    datasets = open_datasets(on, with_train=_trains(tasks))
    options: dict[str, Any] = {"prompts": read_prompts(templates)} if templates else {}
    if points is not None:
        options["points"] = points
    if out is not None:
        make_folder(out)
    encoders = [load_encoder(name) for name in (model, against) if name]
    if len({encoder.id for encoder in encoders}) < len(encoders):
        raise UsageError(f"{model} and {against} are the same model, {encoders[0].id}; --against takes another one")
    seeing = [_see(encoder, on, views) for encoder in encoders]
    results, *rest = [_run(encoder, datasets, tasks, options) for encoder in seeing]
    others = rest[0] if rest else []
    differences = compare(results, others) if others else []
    rows = make_rows([*results, *others], datasets)
    _print(rows, differences, as_json=as_json)
    if out is not None:
        files = write_report(out, rows, differences)
        files += _draw([*results, *others], datasets, out)
        say(f"seesay: wrote {', '.join(path.name for path in files)} into {out}")


def list_datasets(*, as_json: bool) -> None:
    """Print the catalog of datasets."""
    import dataclasses

    from seesay.evaluation.catalog import entries

    if as_json:
        for entry in entries().values():
            write_json({**dataclasses.asdict(entry), "address": entry.address})
        return
    rows = [("name", "what", "classes", "pictures", "metric", "size", "from")]
    rows += [
        (
            entry.name,
            entry.title,
            f"{entry.classes or ''}",
            f"{entry.test:,}" if entry.test else "",
            entry.metric or entry.kind,
            entry.size,
            entry.page,
        )
        for entry in entries().values()
    ]
    for line in _aligned(rows, right=(2, 3, 5)):
        write(line)


def read_prompts(name: str) -> "Prompts":
    """Templates by the name of a file, a dataset of the paper or a language.

    Raises:
        UsageError: there is no such file and no such name, or a line has no place for the class.
    """
    from seesay.evaluation.prompts import find_prompts, read_templates

    path = Path(name).expanduser()
    return read_templates(path) if path.is_file() else find_prompts(name)


def _see(encoder: "BundleEncoder", on: Sequence[str], views: str) -> "BundleEncoder | Wrapped":
    """The encoder as the datasets take it: of pictures, or of videos.

    Raises:
        UsageError: both kinds at once, or views that are no two numbers.
    """
    from seesay.evaluation.datasets.address import is_of_videos

    num_videos = sum(map(is_of_videos, on))
    if not num_videos:
        return encoder
    if num_videos < len(on):
        raise UsageError("evaluate videos and pictures one after the other")
    from seesay.encoders.video import as_video_encoder
    from seesay.evaluation.adapters import from_video

    clips, _, crops = views.partition("x")
    if not (clips.isdigit() and crops in ("1", "3") and int(clips)):
        raise UsageError(f"--views takes how many clips and 1 or 3 crops, such as 10x3; got {views!r}")
    return from_video(as_video_encoder(encoder, num_views=int(clips), num_crops=int(crops)))


def _run(
    encoder: "BundleEncoder | Wrapped",
    datasets: "Sequence[Dataset]",
    tasks: Sequence[str],
    options: "Mapping[str, Any]",
) -> "list[Result]":
    from seesay.evaluation.run import evaluate as run

    with _Bar(encoder.id) as bar:
        try:
            results = run(encoder, datasets, tasks, options=options, report=bar.update)
        except UnknownNameError as error:
            if error.kind != "option":
                raise
            raise UsageError(f"{FLAGS[error.name]} is of no use to {', '.join(tasks)}; leave it out") from error
    said: set[str] = set()
    for result in results:
        for key, reason in result.details.get("unreadable", {}).items():
            if key not in said:
                said.add(key)
                say(f"seesay: {result.dataset}: {key} cannot be read and counts as wrong: {reason}")
    return results


def _trains(tasks: Sequence[str]) -> bool:
    from seesay.evaluation import NEEDS

    return any("train" in NEEDS.get(task, ()) for task in tasks)


def _print(rows: "Sequence[Row]", differences: "Sequence[tuple[Result, Difference]]", *, as_json: bool) -> None:
    from seesay.evaluation.report import HEADER, show, to_lines

    if as_json:
        for line in to_lines(rows, differences):
            write_json(json.loads(line))
        return
    encoders = list(dict.fromkeys(row.result.encoder for row in rows))
    for encoder in encoders:
        write(encoder)
        for line in _aligned([HEADER, *(row.cells for row in rows if row.result.encoder == encoder)], right=(3, 5, 6)):
            write(line)
        write("")
    if differences:
        write(f"{encoders[0]} less {encoders[-1]}")
        lines = [("dataset", "task", "measure", "difference", "95 % interval", "p", "samples")]
        lines += [
            (
                result.dataset,
                result.task,
                found.name,
                f"{100 * found.value:+.1f}%",
                f"{show(found.low)} to {show(found.high)}",
                f"{found.p_value:.3f}",
                f"{found.num_samples:,}",
            )
            for result, found in differences
        ]
        for line in _aligned(lines, right=(3, 5, 6)):
            write(line)


def _aligned(rows: Sequence[Sequence[str]], *, right: Sequence[int]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _draw(results: "Sequence[Result]", datasets: "Sequence[Dataset]", out: Path) -> list[Path]:
    """Pictures, where matplotlib is there to draw them."""
    from seesay.base.errors import MissingExtraError
    from seesay.evaluation.figures import write_figures

    try:
        return write_figures(
            results,
            out,
            pictures={dataset.name: dataset.pictures for dataset in datasets},
            reference={dataset.name: dataset.reference for dataset in datasets},
        )
    except MissingExtraError as error:
        say(f"seesay: no pictures: {error}")
        return []


class _Bar:
    """How far a pass is, on stderr; silent where there is no terminal."""

    def __init__(self, model: str) -> None:
        from rich import progress as rich_progress
        from rich.console import Console

        console = Console(stderr=True)
        self._model = model
        self._progress = rich_progress.Progress(
            rich_progress.TextColumn("{task.description}"),
            rich_progress.BarColumn(),
            rich_progress.MofNCompleteColumn(),
            rich_progress.TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, rich_progress.TaskID] = {}

    def __enter__(self) -> "_Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, what: str, progress: "Progress") -> None:
        """Show how far it is."""
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(
                plain(f"{self._model}: {what}").replace("[", r"\["), total=progress.total
            )
        self._progress.update(self._tasks[what], completed=progress.done, total=progress.total)
