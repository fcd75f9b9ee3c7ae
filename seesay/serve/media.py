"""What the library's files look like from outside: facts for a result, thumbnails, the originals.

A thumbnail is made once and kept beside the library, where it may be deleted at any time.
"""

import contextlib
import io
import mimetypes
import os
import re
import secrets
import stat
import threading
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

from seesay.base.paths import json_path, show
from seesay.search.hit import to_time
from seesay.search.picture import show_item
from seesay.search.rows import Facts, ItemRow
from seesay.serve.originals import check_original

THUMBNAILS = "thumbnails"
SIDES_PX = (128, 256, 512, 1024)
KEPT_BYTES = 512 << 20  # some 30,000 thumbnails of 256 pixels
_CHECK_EVERY = 500
_LARGEST_BYTES = 8 << 20  # of SIDES_PX[-1], and of noise, some 2 MB
_KEPT = re.compile(r"\d+-\d+\.jpg|\w+\.new")
_IDENTITY = re.compile(r"[0-9a-f]{32}")

# What a browser shows as it is and cannot run; anything else is offered as a download.
SHOWN = frozenset(
    {
        "image/apng", "image/avif", "image/bmp", "image/gif", "image/jpeg", "image/png", "image/webp",
        "video/mp4", "video/ogg", "video/quicktime", "video/webm", "video/x-matroska",
    }
)  # fmt: skip


def describe(path: str, facts: Facts | None) -> dict[str, Any]:
    """What every answer says of a file: what the index saw. The file is not asked: it may be gone, or hang.

    Args:
        path: of the file.
        facts: None where the library has none, or not any more.
    """
    folder, name = os.path.split(path)
    found: dict[str, Any] = {**json_path(path), "name": show(name), "folder": show(folder)}
    if facts is None:
        return found | {"size_bytes": None, "modified_at": None, "width_px": None, "height_px": None}
    found |= {
        "size_bytes": facts.size_bytes,
        "modified_at": to_time(facts.mtime_ns).astimezone(UTC).isoformat(),
        "width_px": facts.look.width_px,
        "height_px": facts.look.height_px,
    }
    return found if facts.look.duration_s is None else found | {"duration_s": facts.look.duration_s}


def media_type(path: str) -> str | None:
    """The type of a file that a browser may show; None for all others."""
    guessed = mimetypes.guess_type(path)[0]
    return guessed if guessed in SHOWN else None


class Thumbnails:
    """Small pictures of items, made when they are first asked for. Safe from any thread.

    They are kept in a folder that is named after the library, so that those of one that was made anew in the same place
    are not taken for this one's; others are removed. Links are not followed: the folder may come from somebody else.

    Args:
        folder: the library's.
        most_bytes: kept on disk; the longest unused go first.
    """

    def __init__(self, folder: Path, *, most_bytes: int = KEPT_BYTES) -> None:
        self._folder = folder / THUMBNAILS
        self._most_bytes = most_bytes
        self._num_made = 0
        self._slots = threading.BoundedSemaphore(max(2, os.cpu_count() or 1))  # a video's costs a seek and a decode

    def get(self, row: ItemRow, identity: str, *, side_px: int) -> bytes:
        """A JPEG that fits into a square of this side, or the nearest of `SIDES_PX` above.

        Args:
            row: the item.
            identity: of the library.
            side_px: of the square.

        Raises:
            InputError: its file cannot be read.
            NotFoundError: its file is gone, or another one than the index read.
        """
        side_px = next((side for side in SIDES_PX if side >= side_px), SIDES_PX[-1])
        name = f"{row.id}-{side_px}.jpg"
        with contextlib.suppress(OSError), self._open(identity) as place:
            content = _read(name, place)
            with contextlib.suppress(OSError):  # a read-only disk: nothing is ever deleted there either
                os.utime(name, dir_fd=place, follow_symlinks=False)
            return content
        with self._slots:
            check_original(row)
            out = io.BytesIO()
            show_item(row, side_px=side_px).save(out, "JPEG", quality=85)
        with contextlib.suppress(OSError):  # a full or read-only disk: it is made again the next time
            self._keep(name, identity, out.getvalue())
        return out.getvalue()

    def _keep(self, name: str, identity: str, content: bytes) -> None:
        with self._open(identity, is_made=True) as place:
            new = f"{secrets.token_hex(8)}.new"
            number = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=place)
            try:
                with os.fdopen(number, "wb") as file:
                    file.write(content)
                os.replace(new, name, src_dir_fd=place, dst_dir_fd=place)
            except OSError:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(new, dir_fd=place)
                raise
        self._num_made += 1
        if self._num_made % _CHECK_EVERY == 0:
            self.clean(identity)

    def clean(self, identity: str) -> None:
        """Delete the longest unused until the rest fits."""
        with self._open(identity) as place:
            found = [(name, os.stat(name, dir_fd=place, follow_symlinks=False)) for name in os.listdir(place)]  # noqa: PTH208 (an open folder, not a path)
            total = sum(facts.st_size for _, facts in found)
            for name, facts in sorted(found, key=lambda each: (each[1].st_mtime, each[0])):
                if total <= self._most_bytes:
                    return
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=place)
                total -= facts.st_size

    @contextlib.contextmanager
    def _open(self, identity: str, *, is_made: bool = False) -> Iterator[int]:
        """The folder for a library's, open; made where it is not there, and those of others removed then."""
        if is_made:
            self._folder.mkdir(mode=0o700, exist_ok=True)
        with _folder(self._folder) as above:
            if is_made and identity not in (names := os.listdir(above)):  # noqa: PTH208
                for other in names:
                    _remove(other, above)
                with contextlib.suppress(FileExistsError):
                    os.mkdir(identity, 0o700, dir_fd=above)
            with _folder(identity, above) as place:
                yield place


@contextlib.contextmanager
def _folder(path: str | Path, within: int | None = None) -> Iterator[int]:
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=within)
    try:
        yield number
    finally:
        os.close(number)


def _read(name: str, place: int) -> bytes:
    number = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place)
    with os.fdopen(number, "rb") as file:
        facts = os.fstat(number)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > _LARGEST_BYTES:
            raise OSError(f"{name} is no thumbnail")
        return file.read()


def _remove(name: str, place: int) -> None:
    """Thumbnails of another library, or of a seesay that did not tell them apart; nothing else."""
    with contextlib.suppress(OSError):
        if _KEPT.fullmatch(name):
            os.unlink(name, dir_fd=place)
        elif _IDENTITY.fullmatch(name):
            with _folder(name, place) as other:
                for each in os.listdir(other):  # noqa: PTH208
                    if _KEPT.fullmatch(each):
                        os.unlink(each, dir_fd=other)
            os.rmdir(name, dir_fd=place)
