"""Where a picture file keeps what its camera wrote: the EXIF and XMP blocks, found by headers alone.

    JPEG            segments APP1
    PNG             chunks eXIf and iTXt, also behind the pixels
    WebP            chunks EXIF and XMP
    PSD             image resources 1058 and 1060
    TIFF, raw       the file is one EXIF block itself: CR2 NEF ARW DNG PEF ORF RW2; of RAF the JPEG inside; of CR3 `CMT`
    HEIC            by libheif, the extra `heic`; AVIF by Pillow; JPEG XL and JPEG 2000 by their boxes

No pixel is decoded. Other formats (GIF, BMP, CRW, MRW, X3F) give nothing.
"""

import io
import os
import struct
from collections.abc import Iterator
from importlib import import_module
from typing import BinaryIO, NamedTuple

from PIL import Image

from seesay.inputs.quiet import QuietPillow

MOST_BYTES = 16 << 20  # of one block: EXIF has 64 kB at most where it is a segment of JPEG
_XMP_OF_JPEG, _EXIF_OF_JPEG = b"http://ns.adobe.com/xap/1.0/\0", b"Exif\0\0"
_XMP_OF_PNG = b"XML:com.adobe.xmp"
_CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")  # the box of a CR3 that holds its EXIF
_EXIF_OF_PHOTOSHOP, _XMP_OF_PHOTOSHOP = 1058, 1060
_EXIF_OF_JPEG_2000 = b"JpgTiffExif->JP2"
_XMP_OF_BOXES = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_TIFFS = (b"II*\0", b"MM\0*", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")  # the last four: Olympus and Panasonic
_AVIF_BRANDS = (b"avif", b"avis")
_EXIF_POINTER, _XMP_TAG = 0x8769, 700
_BYTE_KINDS = (1, 2, 7)  # numbers of eight bits, text, anything: some cameras write texts as the last
_MOST_TEXT = 256
_MOST_ENTRIES = 4096
_QUIET = QuietPillow()

# What Pillow and pi_heif let through on damaged files beside OSError; a KeyError also says that Pillow has no AVIF.
_DECODER_ERRORS = (
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    RuntimeError,
    MemoryError,
    struct.error,
    Image.DecompressionBombError,
)


class Blocks(NamedTuple):
    """What was found, in the order of the file."""

    exif: list[BinaryIO]
    """Each begins with the eight bytes of a TIFF."""
    xmp: list[bytes]


def read_blocks(file: BinaryIO) -> Blocks:
    """The blocks of an open picture file; those before the damage where it is damaged.

    Raises:
        OSError: it cannot be read, or not as what it begins as.
    """
    file.seek(0)
    head = file.read(16)
    found = Blocks([], [])
    if head.startswith(b"\xff\xd8"):
        _of_jpeg(file, 0, found)
    elif head.startswith(b"\x89PNG\r\n"):
        _of_png(file, found)
    elif head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        _of_webp(file, found)
    elif head.startswith(_TIFFS):
        found.exif.append(file)
        found.xmp.extend(_xmp_of_tiff(file))
    elif head.startswith(b"8BPS"):
        _of_photoshop(file, found)
    elif head.startswith(b"FUJIFILMCCD-RAW"):
        file.seek(84)
        _of_jpeg(file, int.from_bytes(file.read(4), "big"), found)
    elif head[4:8] in (b"ftyp", b"JXL ", b"jP  "):
        file.seek(8)
        _of_boxes(file, file.read(min(64, max(8, int.from_bytes(head[:4], "big")) - 8)), found)
    return found


def _of_jpeg(file: BinaryIO, start: int, found: Blocks) -> None:
    file.seek(start + 2)
    while True:
        marker = file.read(2)
        if len(marker) < 2 or marker[0] != 0xFF or marker[1] in (0xDA, 0xD9):  # the pixels begin, or the end
            return
        if marker[1] == 0xFF:  # filled up
            file.seek(-1, os.SEEK_CUR)
            continue
        size = int.from_bytes(file.read(2), "big") - 2
        after = file.tell() + size
        if marker[1] == 0xE1 and size > 0:
            content = file.read(size)
            if content.startswith(_EXIF_OF_JPEG):
                found.exif.append(io.BytesIO(content[6:]))
            elif content.startswith(_XMP_OF_JPEG):
                found.xmp.append(content[len(_XMP_OF_JPEG) :])
        if size < 0:
            return
        file.seek(after)


def _of_png(file: BinaryIO, found: Blocks) -> None:
    file.seek(8)
    while len(head := file.read(8)) == 8:
        size, kind = int.from_bytes(head[:4], "big"), head[4:]
        after = file.tell() + size + 4
        if kind == b"eXIf" and size <= MOST_BYTES:
            found.exif.append(io.BytesIO(file.read(size)))
        elif kind == b"iTXt" and size <= MOST_BYTES:
            content = file.read(size)
            if content.startswith(_XMP_OF_PNG + b"\0\0"):  # the second zero: it is not compressed
                found.xmp.append(content)
        file.seek(after)


def _of_webp(file: BinaryIO, found: Blocks) -> None:
    file.seek(12)
    while len(head := file.read(8)) == 8:
        kind, size = head[:4], int.from_bytes(head[4:], "little")
        after = file.tell() + size + size % 2
        if kind == b"EXIF" and size <= MOST_BYTES:
            found.exif.append(io.BytesIO(file.read(size).removeprefix(_EXIF_OF_JPEG)))
        elif kind == b"XMP " and size <= MOST_BYTES:
            found.xmp.append(file.read(size))
        file.seek(after)


def _of_photoshop(file: BinaryIO, found: Blocks) -> None:
    file.seek(26)
    file.seek(int.from_bytes(file.read(4), "big"), os.SEEK_CUR)  # the palette
    end = int.from_bytes(file.read(4), "big") + file.tell()
    while file.tell() < end and len(head := file.read(7)) == 7 and head.startswith(b"8BIM"):
        kind, name_size = int.from_bytes(head[4:6], "big"), head[6]
        file.seek(name_size + (name_size + 1) % 2, os.SEEK_CUR)
        size = int.from_bytes(file.read(4), "big")
        after = file.tell() + size + size % 2
        if kind == _EXIF_OF_PHOTOSHOP and size <= MOST_BYTES:
            found.exif.append(io.BytesIO(file.read(size)))
        elif kind == _XMP_OF_PHOTOSHOP and size <= MOST_BYTES:
            found.xmp.append(file.read(size))
        file.seek(after)


def _of_boxes(file: BinaryIO, brands: bytes, found: Blocks) -> None:
    """HEIC, AVIF, CR3, JPEG XL and JPEG 2000, all of which are boxes in boxes."""
    is_avif, brand = any(name in brands for name in _AVIF_BRANDS), brands[:4]
    if brand == b"crx ":
        for kind, size in _boxes(file, 0, None):
            if kind == b"moov":
                _of_canon(file, size, found)
                return
    elif is_avif or brand.startswith((b"mif1", b"msf1", b"hei", b"hev")):
        info = _info_of_avif(file) if is_avif else _info_of_heic(file)
        if exif := info.get("exif"):
            found.exif.append(io.BytesIO(exif.removeprefix(_EXIF_OF_JPEG)))
        if xmp := info.get("xmp"):
            found.xmp.append(xmp)
    else:
        for kind, size in _boxes(file, 0, None):
            if kind == b"Exif" and 4 <= size <= MOST_BYTES:
                skipped = int.from_bytes(file.read(4), "big")
                found.exif.append(io.BytesIO(file.read(size - 4)[skipped:].removeprefix(_EXIF_OF_JPEG)))
            elif kind == b"xml " and size <= MOST_BYTES:
                found.xmp.append(file.read(size))
            elif kind == b"uuid" and 16 <= size <= MOST_BYTES:
                name, content = file.read(16), file.read(size - 16)
                if name == _EXIF_OF_JPEG_2000:
                    found.exif.append(io.BytesIO(content.removeprefix(_EXIF_OF_JPEG)))
                elif name == _XMP_OF_BOXES:
                    found.xmp.append(content)


def _of_canon(file: BinaryIO, moov_size: int, found: Blocks) -> None:
    start = file.tell()
    for kind, size in _boxes(file, start, start + moov_size):
        if kind == b"uuid" and file.read(16) == _CANON:
            inside = file.tell()
            for inner, inner_size in _boxes(file, inside, inside + size - 16):
                if inner in (b"CMT1", b"CMT2") and inner_size <= MOST_BYTES:
                    found.exif.append(io.BytesIO(file.read(inner_size)))


def _boxes(file: BinaryIO, start: int, end: int | None) -> Iterator[tuple[bytes, int]]:
    """(kind, bytes of content) of each box from `start` on; the file then stands at its content."""
    while end is None or start + 8 <= end:
        file.seek(start)
        head = file.read(8)
        if len(head) < 8:
            return
        size, kind, used = int.from_bytes(head[:4], "big"), head[4:], 8
        if size == 1:
            size, used = int.from_bytes(file.read(8), "big"), 16
        elif size == 0:  # to the end of the file
            size = os.fstat(file.fileno()).st_size - start if end is None else end - start
        if size < used:
            return
        yield kind, size - used
        start += size


def _xmp_of_tiff(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    head = file.read(8)
    if len(head) < 8:
        return
    order = "<" if head.startswith(b"I") else ">"
    for tag, _, count, value in _entries(file, struct.unpack(f"{order}I", head[4:])[0], order):
        if tag == _XMP_TAG and 4 < count <= MOST_BYTES:
            file.seek(struct.unpack(f"{order}I", value)[0])
            yield file.read(count)


def _info_of_avif(file: BinaryIO) -> dict[str, bytes]:
    file.seek(0)
    try:
        with _QUIET:
            picture = Image.open(file, formats=("AVIF",))
    except _DECODER_ERRORS as error:
        raise OSError(str(error)) from error
    return {name: picture.info[name] for name in ("exif", "xmp") if picture.info.get(name)}


def _info_of_heic(file: BinaryIO) -> dict[str, bytes]:
    file.seek(0)
    try:
        info = import_module("pi_heif").open_heif(file).info
    except ImportError:  # without it the picture cannot be read either
        return {}
    except _DECODER_ERRORS as error:
        raise OSError(str(error)) from error
    return {name: info[name] for name in ("exif", "xmp") if info.get(name)}


def read_tags(block: BinaryIO, wanted: dict[int, str]) -> dict[str, str]:
    """Texts of an EXIF block: those of its first directory, and of the one that is EXIF's own.

    Args:
        block: begins with the eight bytes of a TIFF.
        wanted: names by the tags' numbers.

    Returns:
        Texts by these names, without spaces and zeros around. A block that is damaged gives what can be read.
    """
    block.seek(0)
    head = block.read(8)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        return {}
    found: dict[str, str] = {}
    waiting, seen = [struct.unpack(f"{order}I", head[4:])[0]], set()
    while waiting:
        at = waiting.pop()
        if at in seen:
            continue
        seen.add(at)
        for tag, kind, count, value in _entries(block, at, order):
            if tag == _EXIF_POINTER:
                waiting.append(struct.unpack(f"{order}I", value)[0])
            elif tag in wanted and kind in _BYTE_KINDS and 0 < count <= _MOST_TEXT and wanted[tag] not in found:
                if count > 4:
                    block.seek(struct.unpack(f"{order}I", value)[0])
                    value = block.read(count)
                found[wanted[tag]] = value[:count].partition(b"\0")[0].decode("ascii", "replace").strip()
    return found


def _entries(block: BinaryIO, at: int, order: str) -> list[tuple[int, int, int, bytes]]:
    """(tag, kind, count, the four bytes of the value or of where it is) of a directory."""
    block.seek(at)
    size = block.read(2)
    if len(size) < 2:
        return []
    number = min(struct.unpack(f"{order}H", size)[0], _MOST_ENTRIES)
    content = block.read(12 * number)
    return [
        (*struct.unpack_from(f"{order}HHI", content, 12 * place), content[12 * place + 8 : 12 * place + 12])
        for place in range(len(content) // 12)
    ]
