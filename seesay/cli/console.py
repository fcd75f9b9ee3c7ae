"""What the commands share: printing, the options that many have, and errors as exit codes."""

import contextlib
import errno
import json
import logging
import os
import re
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seesay.base.errors import SeesayError, UsageError, reason
from seesay.base.paths import UNSAFE, json_text, show

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
        try:
            app()
        finally:
            sys.stdout.flush()  # here, where a full disk behind it can still be said
    except SeesayError as error:
        say(f"seesay: {error}")
        sys.exit(FAILED)
    except BrokenPipeError:  # whoever read the results has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(NOTHING_FOUND)
    except OSError as error:
        if error.errno is None:
            raise
        _say_disk(error)
        sys.exit(FAILED)


def _say_disk(error: OSError) -> None:
    """What the system says of a disk, wherever a command came upon it."""
    place = f"{quoted(os.fspath(error.filename))}: " if isinstance(error.filename, str | bytes | os.PathLike) else ""
    cure = "; make room and run it again" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    say(f"seesay: {place}{reason(error)}{cure}")
    with contextlib.suppress(OSError):  # what is still to be written to a full disk behind stdout is lost anyway
        sys.stdout.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def refuse_empty(arguments: Sequence[str]) -> None:
    """Refuse `--under ""` and `index ""`, as a shell makes them of a variable that is not set.

    Args:
        arguments: the command, and what follows it.

    Raises:
        UsageError: one of them is empty, or ends with its `=`.
    """
    before = "seesay"
    for argument in arguments:
        name = argument.removesuffix("=") if argument.startswith("--") else argument
        if argument == "" or (name != argument and "=" not in name):
            after = name if argument else before
            raise UsageError(
                f"the argument after `{after}` is empty; a shell variable may not be set. The current folder is `.`"
            )
        before = argument


def load_encoder(name: str = "starter") -> "BundleEncoder":
    """The model for texts that a person typed: one that is too long is cut, and said to be."""
    from seesay.encoders import load

    return load(name, truncate=True, on_cut=lambda sentence: say(f"seesay: {sentence}"))


def say(text: str) -> None:
    """A line for the person, on stderr, so that stdout stays for results."""
    sys.stderr.write(plain(text) + "\n")


def write(text: str) -> None:
    """A line of results. What the terminal cannot show comes out escaped, never as a crash."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(plain(text).encode(encoding, "backslashreplace").decode(encoding) + "\n")


def write_json(found: Mapping[str, Any]) -> None:
    """An object as a line: readable, but in ASCII where stdout is not UTF-8, and what would command a terminal."""
    line = UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", json_text(found))
    is_utf8 = (sys.stdout.encoding or "utf-8").lower().replace("-", "") == "utf8"
    sys.stdout.write((line if is_utf8 else json.dumps(json.loads(line))) + "\n")


def write_paths(paths: Iterable[str], *, end: bytes) -> None:
    """Paths as the bytes they are on disk, for pipes; on a terminal a line each, quoted where a shell needs it."""
    if sys.stdout.isatty():
        for path in paths:
            write(quoted(path) if UNSAFE.search(path) else shlex.quote(path))
        return
    for path in paths:
        sys.stdout.buffer.write(os.fsencode(path) + end)
    sys.stdout.buffer.flush()


def plain(text: str) -> str:
    r"""Text in one line that commands no terminal: `\n`, `\x1b`, and `\u202e`, which turns the writing around.

    Names and captions of files may hold anything: colours, another window title, a line that looks like a result.
    """
    return show(UNSAFE.sub(_escape, text))


class PlainFormatter(logging.Formatter):
    """Messages of the log as lines that command no terminal: they may name files."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging."""
        return plain(super().format(record))


def quoted(path: str | bytes) -> str:
    r"""A path as it is, or, where it would command the terminal or is not UTF-8, as bash and zsh read it: `$'a\nb'`."""
    text = os.fsdecode(path)
    if not UNSAFE.search(text):
        return text
    parts = re.sub(r"[\\']", r"\\\g<0>", text)
    return f"$'{UNSAFE.sub(_escape_bytes, parts)}'"


_NAMED = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xD800 <= code <= 0xDFFF:
        return match[0]  # `show` knows what it stands for
    return _NAMED.get(match[0]) or (f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}")


def _escape_bytes(match: re.Match[str]) -> str:
    content = match[0].encode("utf-8", "surrogateescape")
    return _NAMED.get(match[0]) or "".join(f"\\x{byte:02x}" for byte in content)


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
