"""Picture files, upright and in the right colours, or a short reason why not.

Everything that a folder of photos throws at a program is met here, so that no other room needs to know of EXIF,
colour profiles, alpha, truncated downloads or named pipes. Must not know what a model wants, beyond how many pixels.
"""

import io
import math
import os
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeAlias

import numpy as np
from PIL import ExifTags, Image, ImageFile, JpegImagePlugin, TiffImagePlugin, UnidentifiedImageError

from seesay.base.errors import InputError, MissingExtraError
from seesay.inputs import cicp
from seesay.inputs.cicp import Cicp
from seesay.inputs.color import to_srgb
from seesay.inputs.damaged import Open, rescue
from seesay.inputs.heif import read_deep, read_heif
from seesay.inputs.quiet import QuietPillow

Source: TypeAlias = str | bytes | os.PathLike[str] | BinaryIO
"""What can be opened: a path, the content of a picture file, or an open binary file.

`bytes` are always content, never a path. A path that is not UTF-8 comes as `str` from `os.fsdecode`. An open file
must be able to seek; it is read from its start and stays open.
"""

# fmt: off
RAW_SUFFIXES = frozenset({
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".iiq", ".kdc", ".mos", ".mrw", ".nef", ".nrw", ".orf",
    ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srw", ".x3f",
})
"""Lower-case suffixes of camera originals; they need the extra `raw`."""

PICTURE_SUFFIXES = RAW_SUFFIXES | {
    ".apng", ".avif", ".bmp", ".dib", ".gif", ".heic", ".heif", ".hif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg",
    ".jpg", ".jpx", ".mpo", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp",
}
# fmt: on
"""Lower-case suffixes of the files that a walk over folders should take for pictures.

What a file really is, its content says: a PNG named .jpg opens. Left out on purpose: drawings (.svg, .pdf), layered
files (.psd), icons, and formats without a signature (.tga), as which Pillow would read nearly anything.
"""

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

# Only these: Pillow knows forty more, some of which start other programs (EPS) or match almost any bytes (TGA).
_FORMATS = ("PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "JPEG2000", "PPM")

# The peak while a decoded pixel becomes sRGB, measured with 24 megapixels on Pillow 13, plus what alpha takes where
# the format has it. Pillow itself needs 4 for RGB and 4 more for a converted copy.
_BYTES_PER_PIXEL = {"JPEG": 8, "WEBP": 20, "AVIF": 16, "JPEG2000": 24, "HEIC": 20, "RAW": 16}
_BYTES_PER_PLAIN_PIXEL = 12

# Everything that Pillow, pi_heif and the plugins were seen to raise on damaged or hostile files, or that their code
# lets through. Pillow promises OSError alone, and does not keep to it.
_DECODER_ERRORS = (
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

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_FILE_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

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
    (b"8BPS", "a Photoshop document; export it as PNG"),
    (b"\x1aE\xdf\xa3", "not a picture but a video"),
    (bytes(16), "not a picture but zeros, as a broken copy leaves them"),
)
_JPEG_SIGNATURE = b"\xff\xd8\xff"
_MOST_BEFORE = 4096  # bytes of something else before a JPEG, as broken downloads and servers leave them
_AVIF_BRANDS = (b"avif", b"avis", b"mif1", b"msf1")

_RAW_SIGNATURES = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\x00", b"FOVb", b"\x00MRM")
_TIFF_SIGNATURES = (b"II*\x00", b"MM\x00*")
_DNG_VERSION, _NEW_SUBFILE_TYPE, _THUMBNAIL = 50706, 254, 1  # two tags of TIFF, and a value of the second
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})

_CUT_SHORT = ("truncated", "end of file")  # how Pillow's and libheif's messages say it

_QUIET = QuietPillow()


def open_picture(source: Source, *, target_px: int | None = None, page: int = 1) -> Image.Image:
    """Read a picture as a person would see it: upright, in sRGB, on white, of an animation the first frame.

    Safe to call from several threads at once; decoding lets go of Python's lock.

    Args:
        source: a path, the bytes of a file, or an open binary file.
        target_px: the length of the shorter side that the picture will be shrunk to. A JPEG or a camera original
            much larger than that is then decoded at a reduced scale, at least twice the target (after shrinking the
            pixels differ by 0.2 of 255 in the mean; at least once the target would give 0.7). None: every pixel.
        page: of a file with several (see pages.py), which one.

    Returns:
        An RGB picture of 8 bits a channel that has let go of its file and carries no metadata.

    Raises:
        InputError: it cannot be read; the text is the reason, without the path. A truncated file is an error, never
            a picture that is half grey, unless nearly all of it is there (`examine_picture` says so then). Damage
            inside a JPEG that its decoder papers over cannot be noticed.
        MissingExtraError: HEIC needs the extra `heic`, camera originals need `raw`, JPEG XL needs `jxl`.
    """
    return examine_picture(source, target_px=target_px, page=page).picture


class Examined(NamedTuple):
    """A picture and what its file says of it."""

    picture: Image.Image
    """As `open_picture` returns it."""
    format: str
    """Pillow's name of it: JPEG, PNG; and HEIC, JXL, PSD or RAW."""
    width_px: int
    """As a person sees it, so upright; of the file, also where the picture was decoded at a reduced scale."""
    height_px: int
    problem: str | None = None
    """What is wrong with a damaged file of which nearly every pixel is there (see damaged.py)."""


def examine_picture(source: Source, *, target_px: int | None = None, page: int = 1) -> Examined:
    """`open_picture`, with the format, the size of the file, and its damage; arguments and errors are the same."""
    with _opened(source) as (file, suffix), _QUIET:
        head = _read_head(file)
        try:
            decoded = _decode(file, head, suffix, target_px, page)
            return _finish(decoded, target_px)
        except _DECODER_ERRORS as error:
            raise InputError(_reason(error)) from error


@contextmanager
def _opened(source: Source) -> Iterator[tuple[BinaryIO, str]]:
    """An open file and the lower-case suffix of its name, which may be empty."""
    if isinstance(source, bytes):
        yield io.BytesIO(source), ""
    elif isinstance(source, str | os.PathLike):
        path = Path(source)
        try:
            _check_file(path)
            file = path.open("rb")
        except OSError as error:
            raise InputError(_reason(error)) from error
        except ValueError as error:
            raise InputError(f"no file can have this name ({error})") from error
        with file:
            yield file, path.suffix.lower()
    else:
        yield source, ""


def _check_file(path: Path) -> None:
    """Look before opening: opening a named pipe would wait for ever for somebody to write to it."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"not a file but {_FILE_KINDS.get(stat.S_IFMT(status.st_mode), 'something else')}")
    if status.st_size > MAX_FILE_BYTES:
        raise InputError(f"too large: a file of {status.st_size / 2**30:.1f} GiB, the limit is 1 GiB")


def _read_head(file: BinaryIO) -> bytes:
    try:
        file.seek(0)
        head = file.read(64)
    except (OSError, ValueError) as error:  # ValueError: it was closed
        raise InputError(f"cannot be read ({error})") from error
    if not head:
        raise InputError("the file is empty")
    return head


class _Decoded(NamedTuple):
    """A loaded picture as it lies in the file."""

    picture: Image.Image
    format: str
    size: tuple[int, int]
    """Of the file; which of the two is the width, only the upright picture says."""
    problem: str | None = None
    orientation: int | None = None
    """What EXIF calls so, where the picture itself does not say it rightly."""
    meaning: Cicp | None = None
    """What the numbers mean, where it is not said by a colour profile."""
    is_cut_to_8_bits: bool = False
    """Pillow left the upper 8 of 16 bits a channel."""


def _finish(decoded: _Decoded, target_px: int | None) -> Examined:
    """Upright, and in sRGB."""
    picture = _upright(decoded.picture, decoded.orientation)
    meaning = decoded.meaning or cicp.of_profile(picture.info.get("icc_profile"))
    if meaning is not None and not meaning.is_plain:
        picture = cicp.to_srgb(picture, meaning, target_px=target_px, is_cut_to_8_bits=decoded.is_cut_to_8_bits)
    picture = to_srgb(picture)
    long, short = max(decoded.size), min(decoded.size)
    width, height = (long, short) if picture.width >= picture.height else (short, long)
    return Examined(picture, decoded.format, width, height, decoded.problem)


def _decode(file: BinaryIO, head: bytes, suffix: str, target_px: int | None, page: int) -> _Decoded:
    """By the file's content; the suffix only tells camera originals from TIFF."""
    if head.startswith(_JPEG_SIGNATURE):
        return _open_jpeg(file, target_px)
    if _is_heic(head):
        return _open_heic(file, target_px)
    if _is_raw(file, head, suffix):
        return _open_raw(file, target_px)
    try:
        decoded = _load(file, partial(_open_other, page=page))
    except UnidentifiedImageError as error:
        if suffix in RAW_SUFFIXES:
            return _open_raw(file, target_px)
        if num_bytes := _start_of_jpeg(file, head):
            return _open_jpeg(_without_start(file, num_bytes), target_px)._replace(
                problem=f"{num_bytes} bytes stand before the picture; it was taken without them"
            )
        raise InputError(_what_else(head)) from error
    if decoded.format == "PNG":
        return decoded._replace(meaning=cicp.of_png(file), is_cut_to_8_bits=head[24] == 16)
    return _with_boxes(file, decoded, target_px) if decoded.format == "AVIF" else decoded


def _with_boxes(file: BinaryIO, decoded: _Decoded, target_px: int | None) -> _Decoded:
    """An AVIF with what its boxes say: Pillow turns their turns into EXIF, and passes over the rest."""
    said = read_heif(file)
    orientation = None if said.is_turned else said.orientation
    deep = read_deep(file, decoded.size) if said.may_be_hdr else None
    if deep is None or decoded.picture.has_transparency_data:
        return decoded._replace(orientation=orientation, meaning=said.meaning)
    if orientation is None:
        orientation = decoded.picture.getexif().get(ExifTags.Base.Orientation, 1)
    values, meaning = deep
    picture = cicp.signal_to_srgb(values, said.meaning or meaning, target_px=target_px)
    return decoded._replace(picture=picture, orientation=orientation)


def _load(file: BinaryIO, open_header: Open) -> _Decoded:
    """The loaded picture of a file that Pillow reads; of a damaged one what it holds, if that is nearly all."""
    try:
        file.seek(0)
        picture = open_header(file)
        picture.load()
        return _Decoded(picture, picture.format or "", picture.size)
    except (MemoryError, Image.DecompressionBombError):
        raise
    except _DECODER_ERRORS:
        file.seek(0)
        saved = rescue(file.read(), open_header)
        if saved is None:
            raise
        return _Decoded(saved.picture, saved.picture.format or "", saved.size, saved.problem)


def _open_other(file: BinaryIO, *, page: int) -> ImageFile.ImageFile:
    picture = Image.open(file, formats=_formats())
    if page > 1:
        picture.seek(page - 1)
    _check_size(picture.size, picture.format)
    return picture


@lru_cache(maxsize=1)
def _formats() -> tuple[str, ...]:
    """Those of `_FORMATS` that this Pillow has; it was built with them or not."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _open_jpeg(file: BinaryIO, target_px: int | None) -> _Decoded:
    # Not through Image.open: that refuses what a phone of 200 megapixels makes before the scale can be reduced, and
    # warns of the second picture that many cameras append (MPO), of which the first is wanted anyway.
    stored = (0, 0)

    def open_header(file: BinaryIO) -> ImageFile.ImageFile:
        nonlocal stored
        picture = JpegImagePlugin.JpegImageFile(file)
        stored = picture.size
        if target_px is not None:
            picture.draft(None, (2 * target_px, 2 * target_px))
        per_coefficient = 2 if "progressive" in picture.info else 0
        _check_size(picture.size, "JPEG", stored, bytes_per_stored=per_coefficient * len(picture.getbands()))
        return picture

    return _load(file, open_header)._replace(format="JPEG", size=stored)


def _start_of_jpeg(file: BinaryIO, head: bytes) -> int:
    """How many bytes of something else stand before a JPEG: 0 where there is none, or the file is another kind."""
    if _beginning(head) is not None or head[4:8] == b"ftyp":
        return 0
    file.seek(0)
    return max(0, file.read(_MOST_BEFORE).find(_JPEG_SIGNATURE))


def _without_start(file: BinaryIO, num_bytes: int) -> BinaryIO:
    file.seek(num_bytes)
    return io.BytesIO(file.read())


def _is_heic(head: bytes) -> bool:
    """By the brands that the file's first box lists: HEIC and AVIF share a container."""
    if head[4:8] != b"ftyp":
        return False
    brand, also = head[8:12], head[16 : int.from_bytes(head[:4], "big")]
    return brand in _HEIC_BRANDS or (brand in (b"mif1", b"msf1") and b"avi" not in also)


def _open_heic(file: BinaryIO, target_px: int | None) -> _Decoded:
    pi_heif = _import_extra("pi_heif", what="reading a HEIC picture", extra="heic")
    heif = pi_heif.open_heif(file)
    size = heif.size
    _check_size(size, "HEIC")
    said = read_heif(file)
    # libheif does what the boxes ask for. Some phones leave that to EXIF, which the standard calls a note.
    orientation = 1 if said.is_turned else said.orientation
    meaning = said.meaning or cicp.of_profile(heif.info.get("icc_profile"))
    if meaning is None and said.may_be_hdr and (deep := read_deep(file, size)):
        meaning = deep[1]
    if meaning is None or meaning.is_plain:
        return _Decoded(heif.to_pillow(), "HEIC", size, orientation=orientation)
    values = np.asarray(pi_heif.open_heif(file, convert_hdr_to_8bit=False))
    picture = cicp.signal_to_srgb(cicp.to_16_bits(values), meaning, target_px=target_px)
    return _Decoded(picture, "HEIC", size, orientation=orientation)


def _is_raw(file: BinaryIO, head: bytes, suffix: str) -> bool:
    """A camera original: by its signature, or as a TIFF with the suffix or the marks of one.

    Most are TIFFs whose first page is a thumbnail, which Pillow would gladly take for the picture.
    """
    if not head.startswith(_TIFF_SIGNATURES):
        return head.startswith(_RAW_SIGNATURES) or head[4:12] == b"ftypcrx "
    if suffix in RAW_SUFFIXES:
        return True
    page = TiffImagePlugin.ImageFileDirectory_v2(head[:8])
    file.seek(page.next)
    page.load(file)
    return _DNG_VERSION in page or page.get(_NEW_SUBFILE_TYPE) == _THUMBNAIL


def _open_raw(file: BinaryIO, target_px: int | None) -> _Decoded:
    """A camera original: the preview that the camera made where it is large enough, else developed here."""
    rawpy = _import_extra("rawpy", what="reading a camera original", extra="raw")
    file.seek(0)
    try:
        with rawpy.imread(file) as raw:
            width, height = raw.sizes.width, raw.sizes.height
            _check_size((width, height), "RAW")
            shorter = min(width, height)
            needed = shorter if target_px is None else 2 * target_px
            preview = _raw_preview(raw, rawpy, target_px)
            if preview is not None and min(preview.size) >= needed:
                return _Decoded(preview, "RAW", (width, height))
            # half_size takes each 2 × 2 of the sensor for one pixel: a quarter of the work
            pixels = raw.postprocess(use_camera_wb=True, output_bps=8, half_size=shorter // 2 >= needed)
            return _Decoded(Image.fromarray(pixels), "RAW", (width, height))
    except (rawpy.LibRawError, rawpy.NotSupportedError) as error:
        text = error.args[0] if error.args else type(error).__name__
        text = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        raise InputError(f"the camera original cannot be developed ({text})") from error


def _raw_preview(raw: Any, rawpy: Any, target_px: int | None) -> Image.Image | None:
    """The JPEG inside a camera original, loaded; None where there is none or it is broken."""
    try:
        thumb = raw.extract_thumb()
        if thumb.format != rawpy.ThumbFormat.JPEG:
            return None  # plain bitmaps are tiny
        preview = _open_jpeg(io.BytesIO(thumb.data), target_px)
        return None if preview.problem else preview.picture
    except (rawpy.LibRawError, InputError, *_DECODER_ERRORS):
        return None


def _import_extra(module: str, *, what: str, extra: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(what, extra) from error


def _check_size(
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


def _upright(picture: Image.Image, orientation: int | None) -> Image.Image:
    """Turn a loaded picture the way its EXIF says. Broken EXIF says nothing of the pixels and is ignored."""
    try:
        if orientation is None:
            orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
        turn = _TURNS.get(orientation)
    except _DECODER_ERRORS:
        return picture
    return picture if turn is None else picture.transpose(turn)


def _what_else(head: bytes) -> str:
    """What a file that no decoder took is, as far as its first bytes tell."""
    if head[4:8] == b"ftyp":
        if head[8:12] in _AVIF_BRANDS:
            return "a damaged AVIF, or one that this Pillow cannot decode; try `pip install --upgrade pillow`"
        return f"not a picture but a file of kind {head[8:12].decode('ascii', 'replace').strip()!r}, perhaps a video"
    return _beginning(head) or f"not a picture: no known format starts with {head[:8]!r}"


def _beginning(head: bytes) -> str | None:
    return next((name for start, name in _BEGINNINGS if head.startswith(start)), None)


def _reason(error: Exception) -> str:
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
