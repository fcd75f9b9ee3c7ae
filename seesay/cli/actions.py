"""`seesay actions`: what happens in a video, and when."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seesay.base.errors import InputError, UsageError
from seesay.base.paths import json_path
from seesay.cli.classify import read_labels
from seesay.cli.console import FAILED, NOTHING_FOUND, JsonOption, load_encoder, quoted, say, write, write_json

if TYPE_CHECKING:
    from seesay.encoders.ready import BundleEncoder
    from seesay.tasks.classify import Label
    from seesay.tasks.segments import Segment


def actions(
    files: Annotated[list[Path], typer.Argument(help="Videos, or folders of frames.")],
    labels: Annotated[str | None, typer.Option(help="Labels with commas between them: swimming,diving")] = None,
    labels_file: Annotated[
        str | None, typer.Option(help="A text file with one label a line; or ucf101, hmdb51, kinetics400.")
    ] = None,
    template: Annotated[
        list[str] | None,
        typer.Option(help="A sentence with {} for the label; several are averaged. [ActionCLIP's sixteen]"),
    ] = None,
    segments: Annotated[
        bool, typer.Option("--segments", help="Say when each label happens: start, end, label, score.")
    ] = False,
    every: Annotated[float, typer.Option(min=0.01, help="With --segments: seconds between two frames.")] = 0.5,
    top: Annotated[int, typer.Option(min=1, help="How many labels, or segments, to show.")] = 5,
    model: Annotated[str, typer.Option(help="The model; a folder of your own may hold a video model.")] = "starter",
    as_json: JsonOption = False,
) -> None:
    """Name the action in a video, without any training; or say when each happens."""
    from seesay.data.actions import TEMPLATES

    names = read_action_labels(labels, labels_file)
    encoder = load_encoder(model)
    templates = template or list(TEMPLATES)
    failed, found, is_alone = 0, 0, len(files) == 1
    for file in files:
        try:
            if segments:
                found += _when(encoder, file, names, templates, every, top, as_json=as_json, is_alone=is_alone)
            else:
                found += _what(encoder, file, names, templates, top, as_json=as_json, is_alone=is_alone)
        except InputError as error:
            failed += 1
            say(f"seesay: {quoted(str(file))}: {error}")
    if failed:
        raise typer.Exit(FAILED)
    if not found:
        say("nothing stands out from the rest of the video")
        raise typer.Exit(NOTHING_FOUND)


def read_action_labels(labels: str | None, labels_file: str | None) -> list[str]:
    """The labels of an option, of a file, or of a dataset that comes with seesay.

    Raises:
        UsageError: neither or both were given, or the file cannot be read.
    """
    from seesay.data.actions import LABEL_FILES, label_names

    if labels_file in LABEL_FILES and not Path(labels_file).exists():
        if labels is not None:
            raise UsageError("name the labels with either --labels swimming,diving or --labels-file FILE")
        return list(label_names(labels_file))
    return read_labels(labels, Path(labels_file) if labels_file is not None else None)


def _what(
    encoder: "BundleEncoder",
    file: Path,
    names: list[str],
    templates: list[str],
    top: int,
    *,
    as_json: bool,
    is_alone: bool,
) -> int:
    from seesay.encoders.video import as_video_encoder
    from seesay.tasks.actions import actions as name_actions

    (ranked,) = name_actions(as_video_encoder(encoder), [file], names, templates=templates)
    shown: list[Label] = ranked[:top]
    if as_json:
        found = [{"label": label.name, "probability": round(label.probability, 6)} for label in shown]
        write_json({**json_path(str(file)), "labels": found})
        return len(shown)
    if not is_alone:
        write(quoted(str(file)))
    for label in shown:
        write(f"{label.probability:7.1%}  {label.name}")
    return len(shown)


def _when(
    encoder: "BundleEncoder",
    file: Path,
    names: list[str],
    templates: list[str],
    every: float,
    top: int,
    *,
    as_json: bool,
    is_alone: bool,
) -> int:
    from seesay.tasks.segments import segments as find

    found: list[Segment] = find(encoder, file, names, templates=templates, every_s=every)[:top]
    if not is_alone and not as_json and found:
        write(quoted(str(file)))
    for one in found:
        if as_json:
            facts = {"start_s": round(one.start_s, 3), "end_s": round(one.end_s, 3), "label": one.label}
            write_json({**json_path(str(file)), **facts, "score": round(one.score, 6)})
        else:
            write(f"{clock(one.start_s)} to {clock(one.end_s)}  {one.score:6.3f}  {one.label}")
    return len(found)


def clock(seconds: float) -> str:
    """`1:02.5`, `1:00:02.5`."""
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"
