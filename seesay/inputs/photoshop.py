"""Photoshop documents (PSD, and the large PSB): the picture of all layers together that they end with.

Pillow reads those of 8 bits; this one also 1, 16 and 32 bits, PSB, and tells transparency from a saved selection.

Shape legend: C channels, H rows, W columns.
Source: Adobe Photoshop File Formats Specification, November 2019, "Photoshop File Structure".
"""

import struct
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seesay.base.errors import InputError
from seesay.inputs.damaged import NEARLY
from seesay.inputs.refusals import check_size

SIGNATURE = b"8BPS"

_PROFILE, _VERSION = 1039, 1057  # numbers of resources
_GREY, _INDEXED, _RGB, _CMYK, _LAB, _BITMAP, _DUOTONE = 1, 2, 3, 4, 9, 0, 8
_NUM_COLOURS = {_BITMAP: 1, _GREY: 1, _INDEXED: 1, _RGB: 3, _CMYK: 4, _DUOTONE: 1, _LAB: 3}
_RAW, _PACKED = 0, 1  # how the pixels are stored


class _Header(NamedTuple):
    is_large: bool
    num_channels: int
    height: int
    width: int
    depth: int
    mode: int


def open_psd(file: BinaryIO) -> tuple[Image.Image, str | None]:
    """The loaded picture, with its colour profile in `info`, and what is wrong with it if it is nearly whole.

    Raises:
        InputError: it is too large, holds no picture of the whole, or is of a mode that no screen shows.
        struct.error, ValueError: it is damaged.
    """
    file.seek(4)
    version, *rest = struct.unpack(">H6xHIIHH", _read(file, 22))
    header = _Header(version == 2, *rest)
    check_size((header.width, header.height), "PSD")
    if header.mode not in _NUM_COLOURS:
        raise InputError("a Photoshop document in multichannel mode; export it as PNG")
    palette = _read(file, _number(file, 4))
    resources = _resources(_read(file, _number(file, 4)))
    if len(version_info := resources.get(_VERSION, b"")) > 4 and not version_info[4]:
        raise InputError(
            "a Photoshop document without a picture of the whole; save it with 'Maximize Compatibility', "
            "or export it as PNG"
        )
    has_transparency = _has_transparency(file, header)
    num_colours = _NUM_COLOURS[header.mode]
    num_wanted = num_colours + (has_transparency and header.num_channels > num_colours)
    if header.num_channels < num_colours:
        raise ValueError(f"{header.num_channels} channels, not {num_colours}")
    pixels_CHW, num_rows = _read_pixels(file, header, num_wanted)
    if num_rows < NEARLY * header.height:
        raise EOFError("the pixels are truncated")
    picture = _to_picture(pixels_CHW, header, palette)
    if header.depth != 32 and _PROFILE in resources:
        picture.info["icc_profile"] = resources[_PROFILE]
    missing = header.height - num_rows
    problem = f"the file is cut short: {missing} of {header.height} rows are missing; copy or download it again"
    return picture, problem if missing else None


def _read(file: BinaryIO, size: int) -> bytes:
    content = file.read(size)
    if len(content) < size:
        raise EOFError("the header is truncated")
    return content


def _number(file: BinaryIO, size: int) -> int:
    return int.from_bytes(_read(file, size), "big")


def _resources(content: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    place = 0
    while place + 12 <= len(content):
        (number,) = struct.unpack_from(">H", content, place + 4)
        place += 6 + (content[place + 6] + 2) // 2 * 2  # a name, with its length, to an even number of bytes
        (length,) = struct.unpack_from(">I", content, place)
        found.setdefault(number, content[place + 4 : place + 4 + length])
        place += 4 + length + length % 2
    return found


def _has_transparency(file: BinaryIO, header: _Header) -> bool:
    """Whether the channel after the colours is transparency: the number of layers is negative then. Passes them by."""
    size = 8 if header.is_large else 4
    length = _number(file, size)
    start = file.tell()
    has_layers = length >= size + 2 and _number(file, size) > 0
    is_negative = has_layers and struct.unpack(">h", _read(file, 2))[0] < 0
    file.seek(start + length)
    return is_negative


def _read_pixels(file: BinaryIO, header: _Header, num_channels: int) -> tuple[NDArray[np.uint8], int]:
    """(C, H, bytes of a row), and how many rows are whole in every channel; the others are 0."""
    compression = _number(file, 2)
    row_bytes = -(-header.width * header.depth // 8)
    num_rows = num_channels * header.height
    if compression == _RAW:
        content = file.read(num_rows * row_bytes)
        num_read = len(content) // row_bytes
        rows = np.frombuffer(content[: num_read * row_bytes], np.uint8).reshape(num_read, row_bytes)
    elif compression == _PACKED:
        kind = np.dtype(">u4" if header.is_large else ">u2")
        table = file.read(header.num_channels * header.height * kind.itemsize)
        ends = np.cumsum(np.frombuffer(table, kind)[:num_rows].astype(np.int64))
        content = file.read(int(ends[-1]))
        num_read = int(np.searchsorted(ends, len(content), side="right"))
        if num_read == 0:
            raise EOFError("the pixels are truncated")
        unpacked = Image.frombytes("L", (row_bytes, num_read), content[: int(ends[num_read - 1])], "packbits", "L")
        rows = np.asarray(unpacked, np.uint8)
    else:
        raise ValueError(f"compression {compression}")
    pixels = np.zeros((num_rows, row_bytes), np.uint8)
    pixels[:num_read] = rows
    return pixels.reshape(num_channels, header.height, row_bytes), max(0, num_read - (num_rows - header.height))


def _to_picture(pixels_CHW: NDArray[np.uint8], header: _Header, palette: bytes) -> Image.Image:
    if header.depth == 1:
        return Image.fromarray((1 - np.unpackbits(pixels_CHW[0], axis=1)[:, : header.width]) * np.uint8(255))
    if header.depth == 16:
        pixels_CHW = pixels_CHW[..., ::2]  # the upper halves
    elif header.depth == 32:
        pixels_CHW = _from_light(pixels_CHW.view(">f4"))
    elif header.depth != 8:
        raise ValueError(f"{header.depth} bits a channel")
    bands = [Image.fromarray(np.ascontiguousarray(channel)) for channel in pixels_CHW]
    if header.mode == _CMYK:
        return Image.merge("CMYK", [band.point(lambda value: 255 - value) for band in bands[:4]])  # 255 is no ink
    if header.mode == _LAB:
        return Image.merge("LAB", bands[:3])
    if header.mode == _INDEXED:
        colours = np.frombuffer(palette[:768].ljust(768, b"\0"), np.uint8).reshape(3, 256)
        bands = [band.point(list(colour)) for colour in colours for band in bands[:1]] + bands[1:]
    return Image.merge({1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[len(bands)], bands)


def _from_light(light: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Numbers that mean light, of which 1 is white, as sRGB: IEC 61966-2-1."""
    light = np.nan_to_num(light.astype(np.float32)).clip(0, 1)
    signal = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(signal * 255).astype(np.uint8)
