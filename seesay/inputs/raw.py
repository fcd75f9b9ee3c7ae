"""Camera originals: the preview that the camera made where it is large enough, else developed by LibRaw."""

from collections.abc import Callable
from typing import Any, BinaryIO, TypeAlias

from PIL import Image, TiffImagePlugin

from seesay.base.errors import InputError
from seesay.inputs.refusals import DECODER_ERRORS, check_size, import_extra

# fmt: off
RAW_SUFFIXES = frozenset({
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".iiq", ".kdc", ".mos", ".mrw", ".nef", ".nrw", ".orf",
    ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srw", ".x3f",
})
# fmt: on
"""Lower-case suffixes of camera originals; they need the extra `raw`."""

OpenPreview: TypeAlias = Callable[[bytes, int | None], Image.Image | None]
"""Opens a JPEG for a size; None where it is damaged."""

_RAW_SIGNATURES = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\x00", b"FOVb", b"\x00MRM")
_TIFF_SIGNATURES = (b"II*\x00", b"MM\x00*")
_DNG_VERSION, _NEW_SUBFILE_TYPE, _THUMBNAIL = 50706, 254, 1  # two tags of TIFF, and a value of the second


def is_raw(file: BinaryIO, head: bytes, suffix: str) -> bool:
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


def open_raw(file: BinaryIO, target_px: int | None, open_preview: OpenPreview) -> tuple[Image.Image, tuple[int, int]]:
    """The loaded picture, and width and height of the original.

    Raises:
        InputError: LibRaw cannot develop it, or it is too large.
        MissingExtraError: the extra `raw` is not installed.
    """
    rawpy = import_extra("rawpy", what="reading a camera original", extra="raw")
    file.seek(0)
    try:
        with rawpy.imread(file) as raw:
            size = width, height = raw.sizes.width, raw.sizes.height
            check_size(size, "RAW")
            shorter = min(width, height)
            needed = shorter if target_px is None else 2 * target_px
            preview = _preview(raw, rawpy, target_px, open_preview)
            if preview is not None and min(preview.size) >= needed:
                return preview, size
            # half_size takes each 2 × 2 of the sensor for one pixel: a quarter of the work
            pixels = raw.postprocess(use_camera_wb=True, output_bps=8, half_size=shorter // 2 >= needed)
            return Image.fromarray(pixels), size
    except (rawpy.LibRawError, rawpy.NotSupportedError) as error:
        text = error.args[0] if error.args else type(error).__name__
        text = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        raise InputError(f"the camera original cannot be developed ({text})") from error


def _preview(raw: Any, rawpy: Any, target_px: int | None, open_preview: OpenPreview) -> Image.Image | None:
    """The JPEG inside a camera original, loaded; None where there is none or it is broken."""
    try:
        thumb = raw.extract_thumb()
        if thumb.format != rawpy.ThumbFormat.JPEG:
            return None  # plain bitmaps are tiny
        return open_preview(thumb.data, target_px)
    except (rawpy.LibRawError, InputError, *DECODER_ERRORS):
        return None
