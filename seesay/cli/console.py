"""What the commands share: printing, the options that many have, and errors as exit codes."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seesay.base.errors import SeesayError, UsageError

if TYPE_CHECKING:
    from seesay.encoders.ready import BundleEncoder

NOTHING_FOUND, FAILED = 1, 2

LibraryOption = Annotated[
    Path | None,
    typer.Option("--library", envvar="SEESAY_LIBRARY", help="The library's folder; by default in your data folder."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def run(app: typer.Typer) -> None:
    """Run the command line and exit; what went wrong is one line on stderr. Commands end early with `typer.Exit`."""
    try:
        app()
    except SeesayError as error:
        say(f"seesay: {error}")
        sys.exit(FAILED)


def load_encoder(name: str = "starter") -> "BundleEncoder":
    """The model for texts that a person typed: one that is too long is cut, and said to be."""
    from seesay.encoders import load

    return load(name, truncate=True, on_cut=lambda sentence: say(f"seesay: {sentence}"))


def say(text: str) -> None:
    """A line for the person, on stderr, so that stdout stays for results."""
    sys.stderr.write(text.encode("utf-8", "backslashreplace").decode() + "\n")


def write(text: str) -> None:
    """A line of results. What the terminal cannot show comes out escaped, never as a crash."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def write_paths(paths: Iterable[str], *, end: bytes) -> None:
    """Paths as the bytes they are on disk, for pipes."""
    for path in paths:
        sys.stdout.buffer.write(os.fsencode(path) + end)
    sys.stdout.buffer.flush()


def name_unknown(words: list[str]) -> str:
    """A sentence that names words which the model does not know."""
    named = ", ".join(f"`{word}`" for word in words)
    return f"{named} is not a word this model knows" if len(words) == 1 else f"{named} are not words this model knows"


def check_png(path: Path) -> None:
    """Refuse what no PNG can be written to, before the work is done.

    Raises:
        UsageError: another kind of file, or a folder that is not there.
    """
    if path.suffix.lower() != ".png":
        raise UsageError(f"{path} should end in .png: that is what is drawn")
    if not path.parent.is_dir():
        raise UsageError(f"{path} cannot be written: the folder {path.parent} is not there")


def plural(count: int, noun: str) -> str:
    """`1 file`, `2 files`, `1,234 files`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
