"""Why a picture is refused: its size, what it is instead, or what its decoder or the system said.

Every reason is one short line without the path. Must not open anything.
"""

import math
import struct
import zlib
from importlib import import_module
from typing import Any

from PIL import Image

from seesay.base.errors import InputError, MissingExtraError

MAX_PIXELS = 500_000_000
"""The most pixels a file may declare. It bounds time: a JPEG of this size takes some 2 s even at reduced scale. Phones
make 200 million, single-shot cameras 150 million."""

MAX_BYTES = 2 << 30
"""The most memory that reading one picture may take, in bytes, by `_BYTES_PER_PIXEL` and the size that the file
declares. A progressive JPEG also holds every coefficient, 2 bytes each, whatever the scale. Formats other than JPEG end
at Pillow's own limit before, 179 million pixels, unless the process has set another."""

MAX_FILE_BYTES = 1 << 30
"""The largest file that is opened, in bytes: some decoders take the whole file into memory. A TIFF of 150 megapixels
with 16 bits a channel has 0.9 of this."""

# The peak while a decoded pixel becomes sRGB, measured with 24 megapixels on Pillow 13, plus what alpha takes where
# the format has it. Pillow itself needs 4 for RGB and 4 more for a converted copy.
_BYTES_PER_PIXEL = {"JPEG": 8, "WEBP": 20, "AVIF": 16, "JPEG2000": 24, "HEIC": 20, "JXL": 24, "RAW": 16, "PSD": 28}
_BYTES_PER_PLAIN_PIXEL = 12

# Everything that Pillow, pi_heif and the plugins were seen to raise on damaged or hostile files, or that their code
# lets through. Pillow promises OSError alone, and does not keep to it.
DECODER_ERRORS = (
    OSError,  # UnidentifiedImageError too
    SyntaxError,
    ValueError,  # UnicodeDecodeError too
    TypeError,
    LookupError,  # IndexError, KeyError
    EOFError,
    ArithmeticError,  # OverflowError, ZeroDivisionError
    AttributeError,
    AssertionError,
    RuntimeError,  # NotImplementedError and RecursionError too
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)

_BEGINNINGS = (
    (b"\x89PNG", "a damaged PNG"),
    (b"GIF8", "a damaged GIF"),
    (b"II*\x00", "a damaged TIFF"),
    (b"MM\x00*", "a damaged TIFF"),
    (b"\x00\x00\x00\x0cjP", "a damaged JPEG 2000"),
    (b"RIFF", "a damaged WebP, or a sound or video"),
    (b"%PDF", "not a picture but a PDF document"),
    (b"<", "not a picture but a web page or other markup"),
    (b"PK\x03\x04", "not a picture but a ZIP archive"),
    (b"\x1aE\xdf\xa3", "not a picture but a video"),
    (bytes(16), "not a picture but zeros, as a broken copy leaves them"),
)
_AVIF_BRANDS = (b"avif", b"avis", b"mif1", b"msf1")

_CUT_SHORT = ("truncated", "end of file", "incomplete")  # how the messages of Pillow, libheif and libjxl say it


def import_extra(module: str, *, what: str, extra: str) -> Any:
    """An optional package.

    Raises:
        MissingExtraError: it is not installed; the text names the cure.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(what, extra) from error


def check_size(
    size: tuple[int, int], kind: str | None, stored: tuple[int, int] | None = None, *, bytes_per_stored: int = 0
) -> None:
    """Refuse, before its pixels are read, what would take too much memory or time.

    Args:
        size: width and height as they will be decoded.
        kind: the format.
        stored: width and height as the file has them, where they differ.
        bytes_per_stored: memory for each stored pixel, on top of that for the decoded ones.
    """
    num_stored = math.prod(stored or size)
    num_bytes = math.prod(size) * _BYTES_PER_PIXEL.get(kind or "", _BYTES_PER_PLAIN_PIXEL)
    num_bytes += num_stored * bytes_per_stored
    if num_stored > MAX_PIXELS or num_bytes > MAX_BYTES:
        raise InputError(
            f"too large: {num_stored / 1e6:,.0f} megapixels, which take {num_bytes / 2**30:.1f} GiB to read; "
            f"the limits are {MAX_PIXELS / 1e6:,.0f} megapixels and {MAX_BYTES / 2**30:.0f} GiB; make a smaller copy"
        )


def what_else(head: bytes) -> str:
    """What a file that no decoder took is, as far as its first bytes tell."""
    if head[4:8] == b"ftyp":
        if head[8:12] in _AVIF_BRANDS:
            return "a damaged AVIF, or one that this Pillow cannot decode; try `pip install --upgrade pillow`"
        return f"not a picture but a file of kind {head[8:12].decode('ascii', 'replace').strip()!r}, perhaps a video"
    return beginning(head) or f"not a picture: no known format starts with {head[:8]!r}"


def beginning(head: bytes) -> str | None:
    """What a file that is no picture of ours is, by its first bytes; None where nobody knows."""
    return next((name for start, name in _BEGINNINGS if head.startswith(start)), None)


def reason(error: Exception) -> str:
    """One short line for whatever a decoder or the system raised."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:]  # the system's: no such file, permission denied
    if isinstance(error, MemoryError):
        return "not enough memory to decode it"
    text = str(error).strip() or type(error).__name__
    if isinstance(error, Image.DecompressionBombError):
        return f"too large: {text.partition(',')[0]}; make a smaller copy"
    if isinstance(error, EOFError) or any(sign in text.lower() for sign in _CUT_SHORT):
        return f"the file is cut short ({text}); copy or download it again"
    return f"the file is damaged ({text})"
