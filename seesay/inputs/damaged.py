"""What a damaged picture file still holds: taken where nearly every pixel is there, else nothing.

A decoder refuses a file that lacks its last two bytes as it refuses one that lacks its half. Here the file is decoded
twice, each time with something else in place of what is missing: a pixel that comes out alike is the file's own.
Nothing of Pillow's global state is touched (`LOAD_TRUNCATED_IMAGES` would be of every thread).
"""

import io
import re
import struct
import zlib
from collections.abc import Callable
from typing import BinaryIO, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, JpegImagePlugin

from seesay.inputs.refusals import DECODER_ERRORS

NEARLY = 0.95
"""The least share of pixels that must be there."""

Open: TypeAlias = Callable[[BinaryIO], ImageFile.ImageFile]
"""Reads a file's header, and no pixel of it."""

PNG_SIGNATURE = b"\x89PNG"

_CURE = "copy or download it again"
_COARSER = f"the file is cut short: the picture is coarser than it was and was taken; {_CURE}"
_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # the others stand inside a scan
_ROWS = 256
_ANCILLARY = 0x20  # a bit of the first letter of a PNG's chunk


class Rescued(NamedTuple):
    """What was saved."""

    picture: Image.Image
    """Loaded; what is not there has any colour."""
    size: tuple[int, int]
    """Of the file."""
    problem: str


def rescue(content: bytes, open_header: Open) -> Rescued | None:
    """The picture of a file that could not be loaded; None where less than `NEARLY` all of it is there.

    Args:
        content: of the file.
        open_header: how to open it, or what is like it.
    """
    try:
        if content.startswith(_SOI):
            return _rescue_jpeg(content, open_header)
        if content.startswith(b"RIFF"):
            return _rescue_webp(content, open_header)
        if content.startswith((b"\x00\x00\x00\x0cjP", b"\xff\x4f\xff\x51")):
            return _rescue_jpeg2000(content.rstrip(b"\xff"), open_header)
        if content.startswith(PNG_SIGNATURE):
            content = _with_sound_chunks(content)
        return _rescue_rows(content, open_header)
    except (MemoryError, Image.DecompressionBombError):
        raise
    except DECODER_ERRORS:
        return None


def cut_short(file: BinaryIO) -> str | None:
    """The reason of a file that says itself how long it is at least, and is shorter; of any other None.

    These are WebP, HEIC, AVIF and JPEG XL in boxes, and a TIFF whose table comes last.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(12)
    declared = 0
    if head[:4] == b"RIFF" and head[8:] == b"WEBP":
        declared = 8 + int.from_bytes(head[4:8], "little")
    elif head[:4] in (b"II*\0", b"MM\0*"):
        declared = int.from_bytes(head[4:8], "little" if head[:1] == b"I" else "big") + 2
    elif head[4:8] in (b"ftyp", b"JXL "):
        declared = _end_of_boxes(file, size)
    if declared <= size:
        return None
    return f"the file is cut short (at most {min(99, 100 * size // declared)} % of it is there); {_CURE}"


def _end_of_boxes(file: BinaryIO, size: int) -> int:
    """Where the boxes of a file end by their own lengths: ISO/IEC 14496-12, section 4.2."""
    end = 0
    while end + 8 <= size:
        file.seek(end)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:], "big")
        if length < 8:  # 0: to the end of the file
            return 0
        end += length
    return end


# --- JPEG ------------------------------------------------------------------------------------------------------------


def _rescue_jpeg(content: bytes, open_header: Open) -> Rescued | None:
    passes = _passes(content)
    content = content[: passes.end].rstrip(b"\xff")  # half a marker
    size = open_header(io.BytesIO(content)).size
    if passes.is_progressive:
        if not passes.has_details:
            return None
        one = _loaded(content + _EOI, open_header)
        return Rescued(one, size, _COARSER)
    if not passes.has_all_colours:
        return None
    one, other = (_loaded(content + rest, open_header) for rest in (_EOI, _noise() + _EOI))
    return _judged(one, other, size, rows=_rows_of_blocks(one))


def _noise() -> bytes:
    """Something that decodes as no real picture goes on: numbers, and after them every restart marker."""
    some = np.random.default_rng(0).integers(0, 255, 9 * 64, np.uint8).tobytes()  # 255 would begin a marker
    return b"".join(
        some[64 * number : 64 * number + 64] + bytes([0xFF, 0xD0 + number] if number < 8 else []) for number in range(9)
    )


def _rows_of_blocks(picture: Image.Image) -> int:
    """How many rows of pixels a JPEG's row of blocks has, at the scale that it was decoded at."""
    assert isinstance(picture, JpegImagePlugin.JpegImageFile)
    scale = picture.decoderconfig[0] if picture.decoderconfig else 1
    return int(max(8 * max(component[2] for component in picture.layer) // max(scale, 1), 1))


class _Passes(NamedTuple):
    """The passes (scans) of a JPEG through its blocks."""

    is_progressive: bool
    has_all_colours: bool
    """Every component has been begun."""
    has_details: bool
    """Of a progressive one: the colours of all blocks are whole, and so are the first details of its light."""
    end: int
    """Where the last whole segment ends, or the data of the pass that was cut."""


def _passes(content: bytes) -> _Passes:
    """Source: ITU-T T.81, sections B.2.2 and B.2.3."""
    is_progressive, components = False, [0]
    begun: set[int] = set()
    coarse: set[int] = set()
    fine: set[int] = set()
    place = 2
    while place + 4 <= len(content):
        marker, length = content[place + 1], int.from_bytes(content[place + 2 : place + 4], "big")
        if marker == 0xFF:  # any number of these may stand before a marker
            place += 1
            continue
        if marker == 0xD9 or place + 2 + length > len(content):
            break
        segment = content[place + 4 : place + 2 + length]
        place += 2 + length
        if 0xC0 <= marker <= 0xC2:
            is_progressive, components = marker == 0xC2, list(segment[6::3])
        elif marker == 0xDA:
            own = segment[1 : 1 + 2 * segment[0] : 2]
            begun.update(own)
            end = _NEXT_MARKER.search(content, place)
            place = end.start() if end else len(content)
            start, high = segment[1 + 2 * segment[0]], segment[3 + 2 * segment[0]] >> 4
            if end and high == 0:
                (fine if start else coarse).update(own)
    has_details = coarse >= set(components) and components[0] in fine
    return _Passes(is_progressive, begun >= set(components), has_details, place)


# --- WebP, PNG, and all others ---------------------------------------------------------------------------------------


def _rescue_webp(content: bytes, open_header: Open) -> Rescued | None:
    missing = 8 + int.from_bytes(content[4:8], "little") - len(content)
    if not 0 < missing <= (1 - NEARLY) * len(content):
        return None
    # No content of the same length: noise says more with a bit than a picture does, and must not come to the end.
    room = max(1 << 16, missing)
    noise = np.random.default_rng(0).integers(0, 256, room, np.uint8).tobytes()
    alike: list[Image.Image] = []
    for rest in (bytes(room), noise, b"\x55" * room, b"\xff" * room):
        try:
            alike.append(_loaded(_with_more(content, rest), open_header))
        except OSError:  # what stands there cannot be the rest of any picture
            continue
        if len(alike) == 2:
            one, other = alike
            return _judged(one, other, one.size, rows=16 if b"VP8 " in content[:4096] else 1)
    return None


def _with_more(content: bytes, rest: bytes) -> bytes:
    """A WebP whose last part, that of the pixels, goes on with `rest`; a cut one after that is left out.

    Raises:
        LookupError: there is no such part.
    """
    place = 12
    while place + 8 <= len(content):
        (length,) = struct.unpack_from("<I", content, place + 4)
        end = place + 8 + length + length % 2
        if end > len(content):
            break
        place = end
    if content[place : place + 3] == b"VP8":
        pixels = content[place + 8 :] + rest
        pixels += bytes(len(pixels) % 2)
        content = content[: place + 4] + len(pixels).to_bytes(4, "little") + pixels
    elif b"VP8 " in content[12:place] or b"VP8L" in content[12:place]:
        content = content[:place]
    else:
        raise LookupError("no pixels")
    return content[:4] + (len(content) - 8).to_bytes(4, "little") + content[8:]


def _rescue_jpeg2000(content: bytes, open_header: Open) -> Rescued | None:
    """Its packets go from coarse to fine, and an empty one is a zero: what is missing is detail."""
    start = content.find(b"jp2c") - 4
    length = int.from_bytes(content[start : start + 4], "big") if start >= 0 else 0
    part = content.rfind(b"\xff\x90\x00\x0a")  # the last part of a tile: its number, and its length
    end = start + length if length > 1 else part + int.from_bytes(content[part + 6 : part + 10], "big") + 2
    missing = end - len(content)
    if part < 0 or not 0 < missing <= (1 - NEARLY) * len(content):
        return None
    picture = _loaded(content + bytes(max(0, missing - 2)) + b"\xff\xd9", open_header)
    return Rescued(picture, picture.size, _COARSER)


def _with_sound_chunks(content: bytes) -> bytes:
    """A PNG without the damaged chunks that it can do without; its pixels must be as they were written.

    Raises:
        ValueError: a chunk that is needed is damaged.
    """
    kept, pixels, place = [content[:8]], [], 8
    is_sound = True
    while place + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, place)
        whole = content[place : place + 12 + length]
        own = zlib.crc32(whole[4 : 8 + length])
        if len(whole) < 12 + length or int.from_bytes(whole[-4:], "big") == own:
            kept.append(whole)
        elif kind in (b"IDAT", b"IEND"):
            is_sound &= kind != b"IDAT"
            kept.append(whole[:-4] + own.to_bytes(4, "big"))
        elif not kind[0] & _ANCILLARY:
            raise ValueError(f"the chunk {kind!r} is damaged")
        if kind == b"IDAT":
            pixels.append(whole[8 : 8 + length])
        place += len(whole)
    if not is_sound and not _is_whole(pixels):
        raise ValueError("the pixels are damaged")
    return b"".join(kept)


def _is_whole(pixels: list[bytes]) -> bool:
    """Whether a compressed stream ends with the checksum of what it holds, so that only the chunk's own was wrong."""
    stream = zlib.decompressobj()
    for data in pixels:
        while data and not stream.eof:  # piece by piece: it may be a bomb
            stream.decompress(data, 1 << 20)
            data = stream.unconsumed_tail
    return stream.eof


def _rescue_rows(content: bytes, open_header: Open) -> Rescued | None:
    """Any format whose decoder fills in the picture as it goes: what stays as it was before is not there."""
    one, other = (_filled(open_header(io.BytesIO(content)), value) for value in (0, 255))
    return _judged(one, other, one.size, rows=None)


def _filled(picture: ImageFile.ImageFile, value: int) -> Image.Image:
    """A picture as far as its decoder gets, on a ground of this value."""
    prepare = picture.load_prepare

    def fill() -> None:
        prepare()
        num_bands = len(picture.getbands())
        picture.im.paste(value if num_bands == 1 else (value,) * num_bands, (0, 0, *picture.size))

    setattr(picture, "load_prepare", fill)  # noqa: B010 (of this picture alone; a class for each format would do it too)
    try:
        picture.load()
    except DECODER_ERRORS:
        picture.tile = []  # else whoever looks at it decodes it again
    return picture


def _loaded(content: bytes, open_header: Open) -> Image.Image:
    picture = open_header(io.BytesIO(content))
    picture.load()
    return picture


def _judged(one: Image.Image, other: Image.Image, size: tuple[int, int], *, rows: int | None) -> Rescued | None:
    """The first of two decodings, if they are nearly alike.

    Args:
        one: what is missing is as calm as the decoder makes it.
        other: the same with another content of what is missing.
        size: of the file.
        rows: that a row of blocks has, where nothing after the first difference is the file's own; None: every pixel
            that is alike is.
    """
    differs_HW = _differs(one, other)
    height, width = differs_HW.shape
    missing = int(differs_HW.sum())
    if rows is not None and missing:
        # What lies right above a block may differ too: colours are smoothed, and edges are.
        top = min((int(differs_HW.any(1).argmax()) + rows // 2) // rows * rows, height - 1)
        left = int(differs_HW[top : top + rows].any(0).argmax())
        missing = (height - top) * width - left * min(rows, height - top)
    share = 1 - missing / (height * width)
    if share < NEARLY:
        return None
    there = "every pixel" if missing == 0 else f"{100 * min(share, 0.999):.1f} % of the picture"
    return Rescued(one, size, f"the file is cut short or damaged: {there} is there and was taken; {_CURE}")


def _differs(one: Image.Image, other: Image.Image) -> NDArray[np.bool_]:
    """(H, W) where two pictures of one size and mode are not alike; some rows at a time, for the memory."""
    differs_HW = np.empty((one.height, one.width), np.bool_)
    for top in range(0, one.height, _ROWS):
        part = (0, top, one.width, min(top + _ROWS, one.height))
        first, second = np.asarray(one.crop(part)), np.asarray(other.crop(part))
        differs_HW[top : part[3]] = (first != second).reshape(*first.shape[:2], -1).any(axis=2)
    return differs_HW
