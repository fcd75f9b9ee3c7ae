"""What the library's files look like from outside: facts for a result, thumbnails, the originals.

A thumbnail is made once and kept beside the library, where it may be deleted at any time.
"""

import contextlib
import io
import mimetypes
import os
import tempfile
import threading
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from seesay.base.errors import InputError, MissingExtraError
from seesay.base.paths import json_path, show
from seesay.inputs.quiet import QuietPillow
from seesay.inputs.video import is_video, read_info
from seesay.search.picture import show_item
from seesay.search.rows import ItemRow

THUMBNAILS = "thumbnails"
SIDES_PX = (128, 256, 512, 1024)
KEPT_BYTES = 512 << 20  # some 30,000 thumbnails of 256 pixels
_CHECK_EVERY = 500
_QUIET = QuietPillow()

# What a browser shows as it is and cannot run; anything else is offered as a download.
SHOWN = frozenset(
    {
        "image/apng", "image/avif", "image/bmp", "image/gif", "image/jpeg", "image/png", "image/webp",
        "video/mp4", "video/ogg", "video/quicktime", "video/webm", "video/x-matroska",
    }
)  # fmt: skip


class Facts(NamedTuple):
    """What a file's header says; None where it cannot be read."""

    width_px: int | None
    height_px: int | None
    duration_s: float | None


@lru_cache(maxsize=65_536)
def facts_of(path: str, mtime_ns: int) -> Facts:
    """Size of a picture or video as a person sees it. `mtime_ns` is for the cache alone."""
    try:
        if is_video(path):
            info = read_info(path)
            return Facts(info.width_px, info.height_px, info.duration_s or None)
        with _QUIET, Image.open(path) as header:
            width, height = header.size
            is_turned = header.getexif().get(0x0112) in (5, 6, 7, 8)  # orientation: a quarter turn
        return Facts(height, width, None) if is_turned else Facts(width, height, None)
    except (InputError, MissingExtraError, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return Facts(None, None, None)


def describe(path: str) -> dict[str, Any]:
    """What every answer says of a file."""
    folder, name = os.path.split(path)
    found: dict[str, Any] = {**json_path(path), "name": show(name), "folder": show(folder)}
    try:
        stat = Path(path).stat()
    except OSError:
        return found | {"size_bytes": None, "modified_at": None, "width_px": None, "height_px": None}
    facts = facts_of(path, stat.st_mtime_ns)
    found |= {
        "size_bytes": stat.st_size,
        "modified_at": datetime.fromtimestamp(stat.st_mtime, UTC).isoformat(),
        "width_px": facts.width_px,
        "height_px": facts.height_px,
    }
    return found if facts.duration_s is None else found | {"duration_s": facts.duration_s}


def media_type(path: str) -> str | None:
    """The type of a file that a browser may show; None for all others."""
    guessed = mimetypes.guess_type(path)[0]
    return guessed if guessed in SHOWN else None


class Thumbnails:
    """Small pictures of items, made when they are first asked for. Safe from any thread.

    Args:
        folder: the library's.
        most_bytes: kept on disk; the longest unused go first.
    """

    def __init__(self, folder: Path, *, most_bytes: int = KEPT_BYTES) -> None:
        self._folder = folder / THUMBNAILS
        self._most_bytes = most_bytes
        self._num_made = 0
        self._slots = threading.BoundedSemaphore(max(2, os.cpu_count() or 1))  # a video's costs a seek and a decode

    def get(self, row: ItemRow, *, side_px: int) -> bytes:
        """A JPEG that fits into a square of this side, or the nearest of `SIDES_PX` above.

        Raises:
            InputError: its file cannot be read.
        """
        side_px = next((side for side in SIDES_PX if side >= side_px), SIDES_PX[-1])
        path = self._folder / f"{row.id}-{side_px}.jpg"
        with contextlib.suppress(OSError):
            content = path.read_bytes()
            with contextlib.suppress(OSError):  # a read-only disk: nothing is ever deleted there either
                os.utime(path)
            return content
        with self._slots:
            out = io.BytesIO()
            show_item(row, side_px=side_px).save(out, "JPEG", quality=85)
        with contextlib.suppress(OSError):  # a full or read-only disk: it is made again the next time
            self._keep(path, out.getvalue())
        return out.getvalue()

    def _keep(self, path: Path, content: bytes) -> None:
        self._folder.mkdir(exist_ok=True)
        file = tempfile.NamedTemporaryFile(dir=self._folder, suffix=".new", delete=False)  # noqa: SIM115
        try:
            with file:
                file.write(content)
            Path(file.name).replace(path)
        except OSError:
            Path(file.name).unlink(missing_ok=True)
            raise
        self._num_made += 1
        if self._num_made % _CHECK_EVERY == 0:
            self.clean()

    def clean(self) -> None:
        """Delete the longest unused until the rest fits."""
        files = sorted((entry.stat().st_mtime, entry.stat().st_size, entry.path) for entry in os.scandir(self._folder))
        total = sum(size for _, size, _ in files)
        for _, size, path in files:
            if total <= self._most_bytes:
                return
            with contextlib.suppress(FileNotFoundError):
                Path(path).unlink()
            total -= size
