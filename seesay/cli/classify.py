"""`seesay classify`: which of these labels fits a picture or video."""

import os
import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seesay.base.errors import UsageError, reason
from seesay.base.paths import json_path
from seesay.base.texts import read_text
from seesay.cli.console import (
    FAILED,
    JsonOption,
    load_encoder,
    name_unknown,
    plural,
    quoted,
    say,
    write,
    write_json,
)
from seesay.cli.piped import read_piped

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from seesay.encoders.encoder import Encoder
    from seesay.tasks.classify import Classified, Label

PIPED = "-"


def classify(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="PATHS...",
            help="Pictures, videos, folders with everything below; - for a picture that is piped in.",
        ),
    ],
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
    """Say which label fits each picture, without any training. Of a video, eight frames are averaged.

    A file that cannot be read is a line on stderr, and the rest goes on; the exit code then is 2.
    """
    from seesay.tasks.classify import DEFAULT_TEMPLATE, build_classifier

    names = read_labels(labels, labels_file)
    encoder = load_encoder(model)
    classifier = build_classifier(encoder, names, template or [DEFAULT_TEMPLATE])
    unknown = [word for name in names for word in encoder.unknown_words(name)]
    if unknown:
        say(name_unknown(list(dict.fromkeys(unknown))))
    is_alone = len(files) == 1 and not Path(files[0]).is_dir()
    failed = done = 0
    with _Counter() as counter:
        for found in _classify(encoder, files, names, classifier):
            done += 1
            counter.advance()
            if found.problem is not None:
                failed += 1
                say(f"seesay: {quoted(found.path)}: {found.problem}")
            else:
                _print(found.path, found.labels[:top], as_json=as_json, is_alone=is_alone)
    if not done:
        raise UsageError(f"there is no picture or video in {' '.join(files)}")
    if failed:
        if done > 1:
            say(f"{plural(failed, 'file')} of {done:,} could not be read")
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


def _classify(
    encoder: "Encoder", files: list[str], labels: list[str], classifier: "NDArray[np.float32]"
) -> "Iterator[Classified]":
    """An answer for each file, in the order of the arguments; a folder that cannot be listed is one with a problem."""
    from seesay.encoders.looking import look_at
    from seesay.tasks.classify import Classified, classify_files, rank_labels

    for is_piped, group in groupby(files, key=PIPED.__eq__):
        if is_piped:
            (ranked,) = rank_labels(encoder, look_at(read_piped(), encoder)[None], labels, classifier)
            yield from (Classified(PIPED, ranked) for _ in group)
            continue
        unreadable: dict[str, str] = {}
        yield from classify_files(encoder, _files_of(group, unreadable), labels, classifier)
        yield from (Classified(folder, [], reason) for folder, reason in unreadable.items())


def _files_of(arguments: Iterable[str], unreadable: dict[str, str]) -> Iterator[str]:
    """Files, named as they were, and the pictures and videos below folders; `unreadable` gets folders and reasons."""
    from seesay.search.walk import Walk

    for argument in arguments:
        if not Path(argument).is_dir():
            yield argument
            continue
        root = os.fsencode(Path(argument).absolute())
        walk = Walk([root])
        for listing in walk:
            shown = _typed(argument, root, listing.folder)
            yield from (str(shown / os.fsdecode(file.name)) for file in listing.found)
        unreadable |= {str(_typed(argument, root, folder)): reason for folder, reason in walk.unreadable.items()}


def _typed(argument: str, root: bytes, folder: bytes) -> Path:
    """A folder below an argument, named as that was."""
    return Path(argument) / os.fsdecode(os.path.relpath(folder, root))


class _Counter:
    """How many files are done, on stderr: only where that is a terminal and the results go elsewhere."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("classified"),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal or sys.stdout.isatty(),
        )
        self._task = self._progress.add_task("", total=None)

    def __enter__(self) -> "_Counter":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def advance(self) -> None:
        """One more."""
        self._progress.advance(self._task)


def _print(path: str, ranked: "list[Label]", *, as_json: bool, is_alone: bool) -> None:
    if as_json:
        found = [{"label": label.name, "probability": round(label.probability, 6)} for label in ranked]
        write_json({**json_path(path), "labels": found})
        return
    if not is_alone:
        write(quoted(path))
    for label in ranked:
        write(f"{label.probability:7.1%}  {label.name}")
