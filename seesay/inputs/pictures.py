"""Picture files, upright and in the right colours, or a short reason why not.

Everything that a folder of photos throws at a program is met here, so that no other room needs to know of EXIF,
colour profiles, alpha, truncated downloads or named pipes. Must not know what a model wants, beyond how many pixels.
"""

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from itertools import count, islice
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeAlias

import numpy as np
from PIL import ExifTags, Image, ImageFile, JpegImagePlugin, TiffImagePlugin, UnidentifiedImageError

from seesay.base.errors import InputError
from seesay.inputs import cicp, photoshop
from seesay.inputs.cicp import Cicp
from seesay.inputs.color import to_srgb
from seesay.inputs.damaged import PNG_SIGNATURE, Open, cut_short, rescue
from seesay.inputs.heif import read_deep, read_heif
from seesay.inputs.quiet import QuietPillow
from seesay.inputs.raw import RAW_SUFFIXES, is_raw, open_raw
from seesay.inputs.refusals import (
    DECODER_ERRORS,
    MAX_FILE_BYTES,
    beginning,
    check_size,
    import_extra,
    reason,
    what_else,
)

Source: TypeAlias = str | bytes | os.PathLike[str] | BinaryIO
"""What can be opened: a path, the content of a picture file, or an open binary file.

`bytes` are always content, never a path. A path that is not UTF-8 comes as `str` from `os.fsdecode`. An open file
must be able to seek; it is read from its start and stays open.
"""

# fmt: off
PICTURE_SUFFIXES = RAW_SUFFIXES | {
    ".apng", ".avif", ".bmp", ".dcx", ".dib", ".gif", ".heic", ".heif", ".hif", ".j2k", ".jfif", ".jp2", ".jpe",
    ".jpeg", ".jpg", ".jpx", ".jxl", ".mpo", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".psb", ".psd", ".tif",
    ".tiff", ".webp",
}
# fmt: on
"""Lower-case suffixes of the files that a walk over folders should take for pictures.

What a file really is, its content says: a PNG named .jpg opens. Left out on purpose: drawings (.svg, .pdf), icons, and
formats without a signature (.tga), as which Pillow would read nearly anything.
"""

# Only these: Pillow knows forty more, some of which start other programs (EPS) or match almost any bytes (TGA).
_FORMATS = ("PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "JPEG2000", "PPM", "DCX")

_PAGED_SIGNATURES = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+", b"\xb1\x68\xde\x3a")  # TIFF, BigTIFF, DCX
_NEW_SUBFILE_TYPE, _NO_PAGE = 254, 1 | 4  # a tag of TIFF, and its bits for a smaller copy and a mask
_SUBFILE_TYPE, _SMALLER_COPY = 255, 2  # the older tag

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

_JPEG_SIGNATURE = b"\xff\xd8\xff"
_JXL_SIGNATURES = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n")  # bare, and in a container
_MOST_BEFORE = 4096  # bytes of something else before a JPEG, as broken downloads and servers leave them

_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})

_QUIET = QuietPillow()


def open_picture(source: Source, *, target_px: int | None = None, page: int = 1) -> Image.Image:
    """Read a picture as a person would see it: upright, in sRGB, on white, of an animation the first frame.

    Safe to call from several threads at once; decoding lets go of Python's lock.

    Args:
        source: a path, the bytes of a file, or an open binary file.
        target_px: the length of the shorter side that the picture will be shrunk to. A JPEG or a camera original
            much larger than that is then decoded at a reduced scale, at least twice the target (after shrinking the
            pixels differ by 0.2 of 255 in the mean; at least once the target would give 0.7). None: every pixel.
        page: of a file with several (`examine_pages`), which one, from 1.

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
        except DECODER_ERRORS as error:
            raise InputError(cut_short(file) or reason(error)) from error


class Page(NamedTuple):
    """A page of a file that has several."""

    number: int
    """From 1."""
    found: Examined | None
    """None where it cannot be read."""
    problem: str | None
    """Why not; or what is wrong with it although it was read."""


def has_pages(source: Source) -> bool:
    """Whether a file has more than one page, as scans and faxes do (TIFF, DCX). One that cannot be read has not."""
    try:
        with _opened(source) as (file, suffix), _QUIET:
            head = _read_head(file)
            if not head.startswith(_PAGED_SIGNATURES) or is_raw(file, head, suffix):
                return False
            file.seek(0)
            frames = _frames_of_pages(_open_page(file, page=1))
            next(frames)
            try:
                return next(frames, None) is not None
            except DECODER_ERRORS:  # there is one, and it is cut off
                return True
    except (InputError, *DECODER_ERRORS):
        return False


def examine_pages(source: Source, *, target_px: int | None = None, first: int = 1) -> Iterator[Page]:
    """Every page of a file, one after the other, so that ten thousand take no more memory than one.

    A page that cannot be read does not end it. Of the first such page it is tried what it holds.

    Args:
        source: as of `open_picture`; a file for which `has_pages` is true.
        target_px: as of `open_picture`.
        first: the page to begin with.

    Raises:
        InputError: the file has no page that can be read.
    """
    with _opened(source) as (file, _), _QUIET:
        file.seek(0)
        number, is_sound = first - 1, True
        try:
            picture = _open_page(file, page=1)
            for frame in islice(_frames_of_pages(picture), number, None):
                number += 1
                page = _examine_page(picture, number, frame, target_px)
                if page.found is None and is_sound:
                    page, is_sound = _examine_again(source, page, target_px), False
                yield page
        except DECODER_ERRORS as error:
            if number == 0:
                raise InputError(reason(error)) from error
            yield Page(number + 1, None, f"{reason(error)}; neither it nor what follows can be read")


def _examine_page(picture: ImageFile.ImageFile, number: int, frame: int, target_px: int | None) -> Page:
    try:
        picture.seek(frame)
        check_size(picture.size, picture.format)
        picture.load()
        return Page(number, _finish(_Decoded(picture, picture.format or "", picture.size), target_px), None)
    except InputError as error:
        return Page(number, None, str(error))
    except DECODER_ERRORS as error:
        return Page(number, None, reason(error))


def _examine_again(source: Source, page: Page, target_px: int | None) -> Page:
    """Alone, which takes also what is nearly whole."""
    try:
        found = examine_picture(source, target_px=target_px, page=page.number)
    except InputError:
        return page
    return Page(page.number, found, found.problem)


def _frames_of_pages(picture: ImageFile.ImageFile) -> Iterator[int]:
    """Which pictures of a TIFF or DCX are pages: not the smaller copies of one and the masks that may lie beside it."""
    for frame in count():
        try:
            picture.seek(frame)
        except EOFError:
            return
        if isinstance(picture, TiffImagePlugin.TiffImageFile):
            tags = picture.tag_v2
            is_page = not tags.get(_NEW_SUBFILE_TYPE, 0) & _NO_PAGE and tags.get(_SUBFILE_TYPE) != _SMALLER_COPY
            if frame and not is_page:
                continue
        yield frame


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
            raise InputError(reason(error)) from error
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
    if page > 1 and not head.startswith(_PAGED_SIGNATURES):
        raise InputError(f"the file has no page {page}")
    if head.startswith(_JPEG_SIGNATURE):
        return _open_jpeg(file, target_px)
    if _is_heic(head):
        return _open_heic(file, target_px)
    if head.startswith(_JXL_SIGNATURES):
        return _open_jxl(file, target_px)
    if is_raw(file, head, suffix):
        return _open_raw(file, target_px)
    if head.startswith(photoshop.SIGNATURE):
        picture, problem = photoshop.open_psd(file)
        return _Decoded(picture, "PSD", picture.size, problem)
    try:
        decoded = _load(file, partial(_open_page, page=page))
    except UnidentifiedImageError as error:
        if suffix in RAW_SUFFIXES:
            return _open_raw(file, target_px)
        if num_bytes := _start_of_jpeg(file, head):
            decoded = _open_jpeg(_without_start(file, num_bytes), target_px)
            before = f"{num_bytes} bytes stand before the picture; it was taken without them"
            return decoded._replace(problem=f"{before}; {decoded.problem}" if decoded.problem else before)
        raise InputError(cut_short(file) or what_else(head)) from error
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
    except DECODER_ERRORS as error:
        file.seek(0)
        if isinstance(error, UnidentifiedImageError) and file.read(4) != PNG_SIGNATURE:
            raise  # it may be anything, and large; to a PNG one damaged chunk is enough for this
        file.seek(0)
        saved = rescue(file.read(), open_header)
        if saved is not None:
            return _Decoded(saved.picture, saved.picture.format or "", saved.size, saved.problem)
        raise


def _open_page(file: BinaryIO, *, page: int) -> ImageFile.ImageFile:
    picture = Image.open(file, formats=_formats())
    if page > 1:
        frame = next(islice(_frames_of_pages(picture), page - 1, None), None)
        if frame is None:
            raise InputError(f"the file has no page {page}")
        picture.seek(frame)
    check_size(picture.size, picture.format)
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
        check_size(picture.size, "JPEG", stored, bytes_per_stored=per_coefficient * len(picture.getbands()))
        return picture

    return _load(file, open_header)._replace(format="JPEG", size=stored)


def _start_of_jpeg(file: BinaryIO, head: bytes) -> int:
    """How many bytes of something else stand before a JPEG: 0 where there is none, or the file is another kind."""
    if beginning(head) is not None or head[4:8] == b"ftyp":
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
    pi_heif = import_extra("pi_heif", what="reading a HEIC picture", extra="heic")
    heif = pi_heif.open_heif(file)
    size = heif.size
    check_size(size, "HEIC")
    said = read_heif(file)
    # libheif does what the boxes ask for. Some phones leave that to EXIF, which the standard calls a note.
    orientation = 1 if said.is_turned else said.orientation
    meaning = said.meaning or cicp.of_profile(heif.info.get("icc_profile"))
    if meaning is None and said.may_be_hdr and (read := read_deep(file, size)):
        meaning = read[1]
    if meaning is None or meaning.is_plain:
        return _Decoded(heif.to_pillow(), "HEIC", size, orientation=orientation)
    deep = pi_heif.open_heif(file, convert_hdr_to_8bit=False)
    values = np.array(deep)  # a copy: the pixels are libheif's, and go with `deep`
    picture = cicp.signal_to_srgb(cicp.to_16_bits(values), meaning, target_px=target_px)
    return _Decoded(picture, "HEIC", size, orientation=orientation)


def _open_jxl(file: BinaryIO, target_px: int | None) -> _Decoded:
    """Upright by libjxl, whose profile says by a tag of its own what the numbers mean."""
    pyjpegxl = import_extra("pyjpegxl", what="reading a JPEG XL picture", extra="jxl")
    file.seek(0)
    content = file.read()
    header = pyjpegxl.probe(content)
    size = (header.width, header.height)
    check_size(size, "JXL")
    if meaning := cicp.of_profile(header.icc):
        _, values = pyjpegxl.decode_to_numpy(content, dtype="uint16")
        return _Decoded(cicp.signal_to_srgb(cicp.to_16_bits(values), meaning, target_px=target_px), "JXL", size)
    _, values = pyjpegxl.decode_to_numpy(content, dtype="uint8")
    picture = Image.fromarray(values[..., 0] if values.shape[2] == 1 else values)
    picture.info["icc_profile"] = header.icc
    return _Decoded(picture, "JXL", size)


def _open_raw(file: BinaryIO, target_px: int | None) -> _Decoded:
    picture, size = open_raw(file, target_px, _open_preview)
    return _Decoded(picture, "RAW", size)


def _open_preview(content: bytes, target_px: int | None) -> Image.Image | None:
    preview = _open_jpeg(io.BytesIO(content), target_px)
    return None if preview.problem else preview.picture


def _upright(picture: Image.Image, orientation: int | None) -> Image.Image:
    """Turn a loaded picture the way its EXIF says. Broken EXIF says nothing of the pixels and is ignored."""
    try:
        if orientation is None:
            orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
        turn = _TURNS.get(orientation)
    except DECODER_ERRORS:
        return picture
    return picture if turn is None else picture.transpose(turn)
