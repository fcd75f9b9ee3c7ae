"""`seesay classify`: which of these labels fits a picture."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seesay.base.errors import InputError, UsageError, reason
from seesay.base.paths import json_path
from seesay.base.texts import read_text
from seesay.cli.console import FAILED, JsonOption, load_encoder, quoted, say, write, write_json

if TYPE_CHECKING:
    from seesay.tasks.classify import Label


def classify(
    files: Annotated[list[Path], typer.Argument(help="Pictures.")],
    labels: Annotated[str | None, typer.Option(help="Labels with commas between them: cat,dog")] = None,
    labels_file: Annotated[Path | None, typer.Option(help="A text file with one label a line.")] = None,
    template: Annotated[
        list[str] | None,
        typer.Option(help='A sentence with {} for the label; give several to average them. ["a photo of a {}"]'),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many labels to show.")] = 5,
    model: Annotated[str, typer.Option(help="The model.")] = "starter",
    as_json: JsonOption = False,
) -> None:
    """Say which label fits each picture, without any training."""
    from seesay.tasks.classify import DEFAULT_TEMPLATE, build_classifier, rank_labels

    names = read_labels(labels, labels_file)
    encoder = load_encoder(model)
    classifier = build_classifier(encoder, names, template or [DEFAULT_TEMPLATE])
    failed = 0
    for file in files:
        try:
            (ranked,) = rank_labels(encoder, encoder.encode_images([str(file)]), names, classifier)
        except InputError as error:
            failed += 1
            say(f"seesay: {quoted(str(file))}: {error}")
            continue
        _print(file, ranked[:top], as_json=as_json, is_alone=len(files) == 1)
    if failed:
        raise typer.Exit(FAILED)


def read_labels(labels: str | None, labels_file: Path | None) -> list[str]:
    """The labels of an option or of a file; blank lines and spaces around are dropped.

    Raises:
        UsageError: neither or both were given, or the file cannot be read.
    """
    if (labels is None) == (labels_file is None):
        raise UsageError("name the labels with either --labels cat,dog or --labels-file FILE")
    if labels_file is not None:
        try:
            found = read_text(labels_file).splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"the labels file {labels_file} cannot be read: {reason(error)}") from error
    else:
        found = (labels or "").split(",")
    return [label.strip() for label in found if label.strip()]


def _print(file: Path, ranked: "list[Label]", *, as_json: bool, is_alone: bool) -> None:
    if as_json:
        found = [{"label": label.name, "probability": round(label.probability, 6)} for label in ranked]
        write_json({**json_path(str(file)), "labels": found})
        return
    if not is_alone:
        write(quoted(str(file)))
    for label in ranked:
        write(f"{label.probability:7.1%}  {label.name}")
