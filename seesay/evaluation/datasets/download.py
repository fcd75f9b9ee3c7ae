"""A file from the web onto this machine: whole or not at all, going on where an earlier try stopped.

Files lie in the user's cache folder under the address they came from, so each is fetched once. The standard library
does it: the base install has no HTTP client, and nothing here needs a login.
"""

import http.client
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import filelock

from seesay.base.errors import DataError
from seesay.base.texts import read_text as read_file
from seesay.evaluation.datasets.address import cache_folder

TIMEOUT_S = 60
_BLOCK = 1 << 20
_HUB_TREE = re.compile(r"(?P<head>https?://[^/]+/datasets/[^/]+/[^/]+)/tree/(?P<revision>[^/]+)(?P<rest>/.*)?")


class Fetching(NamedTuple):
    """How far a download is."""

    url: str
    done_bytes: int
    total_bytes: int | None


Report = Callable[[Fetching], None]


def fetch(url: str, *, report: Report | None = None) -> Path:
    """Bring a file; one that is there already is not asked for again.

    Args:
        url: http or https.
        report: told how far it is.

    Returns:
        Where it lies.

    Raises:
        DataError: it cannot be fetched; what came is kept for the next try.
    """
    path = place_of(url)
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(path.with_name(f"{path.name}.lock")):  # a second process waits, and finds it there
        if not path.is_file():
            _fetch(url, path, report or (lambda _: None))
    return path


def read_text(url: str) -> str | None:
    """A small text file from the web; None where there is none.

    Raises:
        DataError: the server cannot be reached or answers something else.
    """
    absent = place_of(f"{url}.absent")
    try:
        return read_file(fetch(url), errors="replace")
    except _NotThereError:
        absent.touch()  # for a day without a network: what was not there then need not be now
        return None
    except DataError:
        if absent.is_file():
            return None
        raise


def raw_address(url: str, *, is_large: bool) -> str:
    """An address in a file tree of the Hugging Face hub as that of the file itself; others stay.

    Args:
        url: such as `https://HOST/datasets/ORG/NAME/tree/main/test/0.tar`.
        is_large: the file is kept in the hub's store for large files.
    """
    if match := _HUB_TREE.fullmatch(url):
        kind = "resolve" if is_large else "raw"
        return f"{match['head']}/{kind}/{match['revision']}{match['rest'] or ''}"
    return url


def place_of(url: str) -> Path:
    """Where a file is kept."""
    parts = urlsplit(url)
    # the host and the path as folders, with whatever no file system takes quoted
    folders = [
        quote(part, safe="._-") for part in (parts.netloc, *parts.path.split("/")) if part not in ("", ".", "..")
    ]
    if parts.query:
        folders[-1] += quote(f"?{parts.query}", safe="")
    return cache_folder().joinpath("datasets", *folders)


class _NotThereError(DataError):
    """The server has no such file."""


def _fetch(url: str, path: Path, report: Report) -> None:
    part, note = path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.from")
    # the rest of another version would make a file that never was: without a tag it is fetched from the start
    tag = _read_note(note)
    done = part.stat().st_size if tag and part.is_file() else 0
    request = urllib.request.Request(_checked(url))  # noqa: S310  the scheme was checked
    if done:
        request.add_header("Range", f"bytes={done}-")
        request.add_header("If-Range", tag)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            total = _receive(answer, part, note, done, lambda got, of: report(Fetching(url, got, of)))
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # our part is longer than the file: it was of another version
            part.unlink(missing_ok=True)
        if error.code in (404, 410):
            raise _NotThereError(f"{url} is not there ({error.code})") from error
        raise DataError(f"{url} cannot be fetched: the server answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise DataError(_stopped(url, part, str(getattr(error, "reason", error)))) from error
    if total is not None and part.stat().st_size != total:
        raise DataError(_stopped(url, part, f"of {total:,} bytes; the connection closed"))
    part.replace(path)
    note.unlink(missing_ok=True)


def _receive(
    answer: http.client.HTTPResponse, part: Path, note: Path, done: int, report: Callable[[int, int | None], None]
) -> int | None:
    """Write an answer's body behind what is there, and return how long the file is to be."""
    is_rest = answer.status == 206
    done = done if is_rest else 0
    length = answer.headers.get("Content-Length")
    total = done + int(length) if length is not None else None
    if not is_rest:
        note.write_text(json.dumps(answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""), "utf-8")
    with part.open("ab" if is_rest else "wb") as file:
        while block := answer.read(_BLOCK):
            file.write(block)
            done += len(block)
            report(done, total)
        file.flush()
        os.fsync(file.fileno())
    return total


def _read_note(note: Path) -> str:
    try:
        tag = json.loads(note.read_text("utf-8"))
    except (OSError, ValueError):
        return ""
    # a weak tag promises the same meaning, not the same bytes
    return tag if isinstance(tag, str) and not tag.startswith("W/") else ""


def _checked(url: str) -> str:
    if urlsplit(url).scheme not in ("http", "https"):
        raise DataError(f"{url} is no address of the web; name one with http:// or https://, or a path")
    return url


def _stopped(url: str, part: Path, why: str) -> str:
    done = part.stat().st_size if part.is_file() else 0
    return f"fetching {url} stopped after {done:,} bytes ({why}); what came is kept, run it again to go on"
