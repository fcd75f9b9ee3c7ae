"""What the commands share: printing, the options that many have, and errors as exit codes."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import click
import typer

from seesay.base.errors import SeesayError

OK, NOTHING_FOUND, FAILED, INTERRUPTED = 0, 1, 2, 130

LibraryOption = Annotated[
    Path | None,
    typer.Option(
        "--library", envvar="SEESAY_LIBRARY", help="The library's folder; by default in your data folder."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def run(app: typer.Typer) -> int:
    """Run a command line; say what went wrong in one line on stderr; return the exit code."""
    try:
        result = app(standalone_mode=False)
        sys.stdout.flush()
    except SeesayError as error:
        say(f"seesay: {error}")
        return FAILED
    except click.ClickException as error:
        error.show()
        return FAILED
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # `seesay search … | head` closed the pipe: that is a normal end. Python must not write to it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    return result if isinstance(result, int) else OK


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


def plural(count: int, noun: str) -> str:
    """`1 file`, `2 files`, `1,234 files`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
