"""The film inside a photograph: phones append an MP4 to a JPEG or HEIC (motion photos).

Google puts it after the JPEG's end and says its length in the XMP data, Samsung after a mark of its own, and in HEIC it
is the content of a box `mpvd`. All are found in one way: a box `ftyp` of a film that other boxes follow.
Sources: developer.android.com/media/platform/motion-photo-format; ISO/IEC 14496-12, 4.2 and 4.3.
"""

import io
import mmap
import os
from pathlib import Path
from typing import BinaryIO, NamedTuple

FILM_SUFFIXES = frozenset({".heic", ".heif", ".hif", ".jfif", ".jpe", ".jpeg", ".jpg"})
"""Lower-case suffixes of the pictures in which phones keep films."""

_STILL_BRANDS = frozenset({b"avif", b"avis", b"heic", b"heim", b"heis", b"heix", b"mif1", b"msf1"})
_NEXT_BOXES = frozenset({b"free", b"mdat", b"moof", b"moov", b"skip", b"uuid", b"wide"})
_LONGEST_FTYP = 256


class Place(NamedTuple):
    """Where in a file a film lies."""

    start: int
    size: int


def film_inside(path: str | os.PathLike[str]) -> Place | None:
    """Where the film of a motion photo lies; None where there is none.

    Raises:
        OSError: the file cannot be read.
    """
    if Path(path).suffix.lower() not in FILM_SUFFIXES:
        return None
    with Path(path).open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            found = content.find(b"ftyp", 8)  # a HEIC begins with one of its own
            while found >= 0:
                if size := _film_bytes(content, found - 4):
                    return Place(found - 4, size)
                found = content.find(b"ftyp", found + 4)
    return None


def _film_bytes(content: mmap.mmap, start: int) -> int:
    """How long the film is whose first box begins here; 0 if none does."""
    size = int.from_bytes(content[start : start + 4], "big")
    brand, kind = content[start + 8 : start + 12], content[start + size + 4 : start + size + 8]
    if not 8 < size <= _LONGEST_FTYP or brand in _STILL_BRANDS or kind not in _NEXT_BOXES:
        return 0
    end = start
    while (box := _box_bytes(content, end)) and end + box <= len(content):
        end += box
    return end - start


def _box_bytes(content: mmap.mmap, start: int) -> int:
    """The length of the box that begins here; 0 where none does."""
    head = content[start : start + 16]
    size, kind = int.from_bytes(head[:4], "big"), head[4:8]
    if len(kind) < 4 or not kind.isalnum() or not kind.isascii():
        return 0
    size = int.from_bytes(head[8:16], "big") if size == 1 else size
    return size if size >= 8 else 0


class Part(io.RawIOBase):
    """A part of a file as a file of its own, for reading."""

    def __init__(self, file: BinaryIO, place: Place) -> None:
        """Read from an open file, which is closed with this."""
        super().__init__()
        self._file, self._place, self._at = file, place, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """See `io.IOBase`."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._place.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """See `io.IOBase`."""
        return self._at

    def read(self, size: int = -1) -> bytes:
        """See `io.RawIOBase`."""
        left = max(0, self._place.size - self._at)
        self._file.seek(self._place.start + self._at)
        content = self._file.read(left if size is None or size < 0 else min(size, left))
        self._at += len(content)
        return content

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
