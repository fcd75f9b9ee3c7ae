"""What a program handed over is what a library can use, or a sentence says what was expected.

A wrong type would otherwise come out somewhere below, in the words of Python or NumPy.
"""

import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from seesay.base.arguments import as_sent, kind_of
from seesay.base.errors import UsageError
from seesay.inputs.video import Every, KeyFrames, Shots
from seesay.search.detail import Detail
from seesay.search.query import Query, Steps

LARGEST_ID = 2**63 - 1  # what SQLite counts to


def check_query(query: Any) -> None:
    """Refuse what is no query.

    Raises:
        UsageError: it is of another type.
    """
    is_numbers = isinstance(query, np.ndarray) and query.dtype.kind in "fiu"
    if not isinstance(query, str | Path | Query | Steps) and not is_numbers:
        raise UsageError(
            f"a query is a text, a picture's Path, a Query, Steps, or a vector of numbers; got {kind_of(query)}"
        )


def check_moment(name: str, value: Any) -> None:
    """Refuse what is no time.

    Raises:
        UsageError: it is of another type.
    """
    if not isinstance(value, datetime | None):
        raise UsageError(f"{name} must be a datetime, got {as_sent(value)}")


def check_detail(value: Any) -> None:
    """Refuse what does not say how finely to look.

    Raises:
        UsageError: it is of another type.
    """
    if not isinstance(value, Detail | None):
        raise UsageError(f"detail must be a Detail, as in Detail(tiles=True), got {kind_of(value)}")
    if value is not None and not isinstance(value.moments, Every | KeyFrames | Shots):
        raise UsageError(f"the moments of a Detail are Every, KeyFrames or Shots, got {kind_of(value.moments)}")


def absolute(paths: Iterable[Any]) -> list[bytes]:
    """Absolute paths, `~` put in.

    Raises:
        UsageError: one is of another type, or no path at all.
    """
    found = []
    for path in paths:
        if not isinstance(path, str | bytes | os.PathLike):
            raise UsageError(f"a path is a text, bytes or a Path; got {kind_of(path)}")
        if path in ("", b""):
            raise UsageError("a path is empty; the current folder is `.`")
        try:
            own = os.fsencode(os.path.expanduser(path))
        except UnicodeEncodeError as error:
            raise UsageError(f"no path can be {path!r}") from error
        if b"\0" in own:
            raise UsageError(f"no file has a name with a zero byte in it, as {os.fsdecode(path)!r} has")
        found.append(os.path.abspath(own))
    return found
