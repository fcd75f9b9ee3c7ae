"""When a photograph or film was taken, as its file says. No pixel is decoded.

    pictures   EXIF DateTimeOriginal, else DateTimeDigitized; else XMP exif:DateTimeOriginal, photoshop:DateCreated or
               xmp:CreateDate; else EXIF DateTime, which editors change
    videos     com.apple.quicktime.creationdate, which has a zone; else the container's creation time (MP4, Matroska,
               AVI), else a date that somebody wrote (AVI's ICRD, iTunes' ©day)

A time without a zone is of the place where the camera was, which the file does not say: it is taken for local time of
this machine. EXIF's own zone (OffsetTimeOriginal) is used where it is there. MP4 keeps UTC; a camera that writes its
local time there is wrong by its zone, and nothing shows it.
"""

import math
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from seesay.base.errors import InputError
from seesay.inputs.metadata import Blocks, read_blocks, read_tags
from seesay.inputs.video import VIDEO_SUFFIXES

EARLIEST = 1826  # the first photograph
LATEST = 2261  # what nanoseconds in 64 bits reach
FIRST_CLOCK = 1990
"""No camera wrote a container's clock before; 1904 and 1970 are where clocks begin that were never set."""

_TAGS = {
    0x9003: "original", 0x9011: "original zone", 0x9291: "original fraction",
    0x9004: "digitized", 0x9012: "digitized zone", 0x9292: "digitized fraction",
    0x0132: "changed", 0x9010: "changed zone", 0x9290: "changed fraction",
}  # fmt: skip
_XMP_FIELDS = (b"exif:DateTimeOriginal", b"photoshop:DateCreated", b"xmp:CreateDate")
_DATE = re.compile(
    r"(\d{4})[-:/.](\d\d)[-:/.](\d\d)"
    r"(?:[T ]\s*(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?)?"
    r"\s*(Z|[+-]\d\d:?\d\d)?"
)
_ZONE = re.compile(r"(Z)|([+-])(\d\d):?(\d\d)")


def read_taken_ns(path: str | os.PathLike[str]) -> int | None:
    """When a picture or video was taken, in nanoseconds since 1970 UTC.

    Args:
        path: a file that can be opened.

    Returns:
        None where the file does not say, says what cannot be, or cannot be read: whoever decodes it says why.
    """
    place = Path(path)
    try:
        if place.suffix.lower() in VIDEO_SUFFIXES:
            return _of_video(place)
        with place.open("rb") as file:
            return _of_picture(read_blocks(file))
    except (OSError, InputError):
        return None


def _of_picture(blocks: Blocks) -> int | None:
    tags: dict[str, str] = {}
    for block in blocks.exif:
        tags = read_tags(block, _TAGS) | tags
    for name in ("original", "digitized"):
        if (time_ns := _of_exif(tags, name)) is not None:
            return time_ns
    for xmp in blocks.xmp:
        for field in _XMP_FIELDS:
            found = re.search(field + rb"(?:\s*=\s*[\"']|\s*>\s*)([^\"'<]+)", xmp)
            if found and (time_ns := to_ns(found[1].decode("ascii", "replace"))) is not None:
                return time_ns
    return _of_exif(tags, "changed")


def _of_exif(tags: Mapping[str, str], name: str) -> int | None:
    time_ns = to_ns(tags.get(name, ""), zone=tags.get(f"{name} zone", ""))
    fraction = tags.get(f"{name} fraction", "")
    if time_ns is None or not (fraction.isascii() and fraction.isdigit()):
        return time_ns
    return time_ns + int(fraction[:9].ljust(9, "0"))


def _of_video(path: Path) -> int | None:
    from seesay.inputs.video.container import opened

    with opened(path) as video:
        tags = {**video.stream.metadata, **video.container.metadata}
    tags = {name.lower(): value for name, value in tags.items()}
    if (time_ns := to_ns(tags.get("com.apple.quicktime.creationdate", ""))) is not None:
        return time_ns
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    created_ns = to_ns(tags.get("creation_time", ""))
    first_ns, last_ns = (
        math.floor(time.timestamp()) * 10**9 for time in (datetime(FIRST_CLOCK, 1, 1, tzinfo=UTC), tomorrow)
    )
    if created_ns is not None and first_ns <= created_ns <= last_ns:
        return created_ns
    return to_ns(tags.get("date_recorded") or tags.get("date", ""))


def to_ns(text: str, *, zone: str = "") -> int | None:
    """Nanoseconds since 1970 of a date as EXIF, XMP or a container writes it.

    Args:
        text: `2021:03:04 05:06:07`, `2021-03-04T05:06:07.25+01:00`, `2021-03-04`.
        zone: `+01:00`, where the text has none; empty for local time.

    Returns:
        None for what is no date, and for a year in which nothing can have been taken.
    """
    found = _DATE.match(text.strip())
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    if not EARLIEST <= year <= LATEST:
        return None
    try:
        time = datetime(year, month, day, hour, minute, min(second, 59))  # 60: a leap second
        zoned = time.replace(tzinfo=own) if (own := _zone(found[8] or zone)) else time.astimezone()
    except (ValueError, OverflowError, OSError):  # a 13th month; the last two: what this system's clock cannot count
        return None
    since = zoned - datetime(1970, 1, 1, tzinfo=UTC)
    whole_ns = (since.days * 86_400 + since.seconds) * 10**9
    return whole_ns + int((found[7] or "")[:9].ljust(9, "0"))


def _zone(text: str) -> timezone | None:
    """None where it says none, or one that cannot be."""
    found = _ZONE.fullmatch(text.strip())
    if found is None:
        return None
    if found[1]:
        return UTC
    minutes = int(found[3]) * 60 + int(found[4])
    return timezone(timedelta(minutes=-minutes if found[2] == "-" else minutes)) if minutes < 24 * 60 else None
