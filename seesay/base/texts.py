"""Text files that a person hands over, from whichever program wrote them."""

import codecs
from pathlib import Path
from typing import Literal, TextIO

_MARKS = (  # byte order marks; of UTF-32 first, since UTF-16's begins like it
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def encoding_of(head: bytes) -> str:
    """The encoding of a text, by its first four bytes: as its byte order mark says, else UTF-8. The mark is no text."""
    return next((name for mark, name in _MARKS if head.startswith(mark)), "utf-8-sig")


def decode_text(content: bytes) -> str:
    """A text; bytes that its encoding does not have come out as U+FFFD."""
    return content.decode(encoding_of(content[:4]), "replace")


def open_text(path: Path, *, errors: Literal["strict", "replace"] = "strict") -> TextIO:
    """A text file to read, as `open` gives it; line ends are left as they are, for csv.

    Raises:
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        encoding = encoding_of(file.read(4))
    return path.open(encoding=encoding, errors=errors, newline="")


def read_text(path: Path, *, errors: Literal["strict", "replace"] = "strict") -> str:
    """A whole text file.

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: it is in an encoding that it does not name.
    """
    with open_text(path, errors=errors) as file:
        return file.read()
