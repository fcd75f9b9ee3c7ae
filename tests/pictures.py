"""Makes odd picture files in memory, so that none need be committed.

What Pillow cannot write is put together here byte by byte: 16-bit PNG and TIFF, camera originals, HEIC, profiles.
"""

import io
import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Tags = Mapping[int, tuple[int, Sequence[Any]]]
"""Of a TIFF: number -> (type, values)."""


def photo(width: int = 96, height: int = 64) -> Image.Image:
    """Smooth colours, different in every corner and not symmetric: any turn or flip shows, and JPEG barely does."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    channels = (40 + 180 * x, 220 - 160 * y, 60 + 120 * x * y)
    return Image.fromarray(np.stack(channels, axis=-1).round().astype(np.uint8))


def encode(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """The content of a file of this kind."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


# --- 16 bits ---------------------------------------------------------------------------------------------------------


def png_16(
    values: NDArray[np.uint16], *, transparent_grey: int | None = None, cicp: tuple[int, int, int, int] | None = None
) -> bytes:
    """(H, W) grey, or (H, W, 2, 3 or 4) grey-alpha, RGB, RGBA, as a PNG of 16 bits a channel."""
    height, width = values.shape[:2]
    color_type = {1: 0, 2: 4, 3: 2, 4: 6}[values.size // (height * width)]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    transparency = b"" if transparent_grey is None else chunk(b"tRNS", struct.pack(">H", transparent_grey))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0))
    header += b"" if cicp is None else chunk(b"cICP", bytes(cicp))
    return b"\x89PNG\r\n\x1a\n" + header + transparency + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


_TIFF_TYPES = {1: "B", 2: "B", 3: "H", 4: "I", 5: "II", 7: "B", 10: "ii"}
_STRIP_OFFSETS, _STRIP_SIZES, _SUB_PAGES = 273, 279, 330


def tiff(*pages: tuple[Tags, bytes]) -> bytes:
    """Pages of tags {number: (type, values)} and one strip of data; the pages after the first are its sub-pages."""

    def pack(kind: int, values: Sequence[Any]) -> bytes:
        flat = np.ravel(values).tolist()
        return struct.pack(f"<{_TIFF_TYPES[kind] * (len(flat) // len(_TIFF_TYPES[kind]))}", *flat)

    def table(tags: Tags, start: int) -> bytes:
        entries, beyond = struct.pack("<H", len(tags)), b""
        for tag, (kind, values) in sorted(tags.items()):
            content = pack(kind, values)
            if len(content) > 4:
                where = struct.pack("<I", start + 2 + 12 * len(tags) + 4 + len(beyond))
                beyond += content + bytes(len(content) % 2)
                content = where
            entries += struct.pack("<HHI", tag, kind, len(values)) + content.ljust(4, b"\0")
        return entries + bytes(4) + beyond

    complete = [
        {**tags, _STRIP_OFFSETS: (4, (0,)), _STRIP_SIZES: (4, (len(strip),))}
        | ({_SUB_PAGES: (4, (0,) * (len(pages) - 1))} if number == 0 and len(pages) > 1 else {})
        for number, (tags, strip) in enumerate(pages)
    ]
    starts, position = [], 8
    for tags in complete:
        starts.append(position)
        position += len(table(tags, 0))
    for tags, (_, strip) in zip(complete, pages, strict=True):
        tags[_STRIP_OFFSETS] = (4, (position,))
        position += len(strip)
    if len(pages) > 1:
        complete[0][_SUB_PAGES] = (4, tuple(starts[1:]))
    tables = b"".join(table(tags, start) for tags, start in zip(complete, starts, strict=True))
    return struct.pack("<2sHI", b"II", 42, 8) + tables + b"".join(strip for _, strip in pages)


def tiff_16(values: NDArray[np.uint16], extra: Tags | None = None) -> bytes:
    """(H, W, 3) as an uncompressed TIFF of 16 bits a channel."""
    height, width, _ = values.shape
    tags = _tiff_tags(width, height, bits=(16, 16, 16), photometric=2) | dict(extra or {})
    return tiff((tags, values.astype("<u2").tobytes()))


def _tiff_tags(
    width: int, height: int, *, bits: Sequence[int], photometric: int, compression: int = 1
) -> dict[int, tuple[int, Sequence[Any]]]:
    return {
        256: (4, (width,)),
        257: (4, (height,)),
        258: (3, bits),
        259: (3, (compression,)),
        262: (3, (photometric,)),
        277: (3, (len(bits),)),
        278: (4, (height,)),
    }


# --- camera originals ------------------------------------------------------------------------------------------------


def dng(linear: NDArray[np.float64], *, orientation: int = 1, preview: Image.Image | None = None) -> bytes:
    """A camera original: (H, W, 3) linear light in [0, 1] behind a Bayer filter, perhaps with a JPEG preview."""
    height, width, _ = linear.shape
    sensor = np.empty((height, width))
    for row, column, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        sensor[row::2, column::2] = linear[row::2, column::2, channel]
    raw = _tiff_tags(width, height, bits=(16,), photometric=32803) | {
        254: (4, (0,)),
        33421: (3, (2, 2)),
        33422: (1, (0, 1, 1, 2)),
        50714: (4, (0,)),
        50717: (4, (65535,)),
    }
    xyz_to_srgb = (3.1339, -1.6169, -0.4906, -0.9785, 1.9160, 0.0333, 0.0720, -0.2290, 1.4057)
    camera: dict[int, tuple[int, Sequence[Any]]] = {
        271: (2, tuple(b"Made\0")),
        272: (2, tuple(b"Up\0")),
        274: (3, (orientation,)),
        50706: (1, (1, 4, 0, 0)),
        50707: (1, (1, 1, 0, 0)),
        50708: (2, tuple(b"Made Up\0")),
        50721: (10, [(round(value * 10_000), 10_000) for value in xyz_to_srgb]),
        50728: (5, [(1, 1)] * 3),
        50778: (3, (23,)),
    }
    strip = (sensor * 65535).astype("<u2").tobytes()
    if preview is None:
        return tiff((raw | camera, strip))
    first = _tiff_tags(preview.width, preview.height, bits=(8, 8, 8), photometric=6, compression=7) | {254: (4, (1,))}
    return tiff((first | camera, encode(preview, "JPEG", quality=95)), (raw, strip))


# --- HEIC ------------------------------------------------------------------------------------------------------------

HEIC_COLORS = ((200, 30, 30), (30, 160, 30), (30, 30, 200), (220, 220, 40))
"""Of the quarters of `heic()`'s 64 × 64 pixels: upper left, upper right, lower left, lower right."""

# One HEVC key frame of these four squares, written by x265 through PyAV; only the container around it is made here.
_HEVC_PARAMETERS = (
    (32, "40010c01ffff0408000003009fa800000300001eba0240"),
    (33, "4201010408000003009fa800000300001ea020810596ea4932b9b81010302000000300200000030021"),
    (34, "4401c1718112"),
)
_HEVC_PROFILE = "04080000009fa8000000001e"
_HEVC_FRAME = (
    "2801af09e078311dcf3fe80b3ff839d97702b76ff8e267b91957e0fae571bcaf41e5712fec197fb8361c2d9dc5e510419fe92c434fffea2e"
    "4c414b6c51690b848476b2b153879dbaf87e75a9d22e0fa0c3c1c6c89f3c651fe7bd95e8"
)


def heic(
    *, quarter_turns: int | None = 0, mirror: int | None = None, orientation: int | None = None, exif: bytes = b""
) -> bytes:
    """A HEIC of four squares.

    Args:
        quarter_turns: how often it asks to be turned anticlockwise; None: it has no such box.
        mirror: about which axis it asks to be mirrored; 0: top and bottom change places, 1: left and right.
        orientation: of its EXIF data; None: it has none.
        exif: other EXIF data, from the first byte of its TIFF on.
    """
    units = [(number, bytes.fromhex(text)) for number, text in _HEVC_PARAMETERS]
    decoder = bytes.fromhex("01" + _HEVC_PROFILE + "f000fcfdf8f800000f03") + _units(units)
    turns = [] if quarter_turns is None else [box(b"irot", bytes([quarter_turns]))]
    turns += [] if mirror is None else [box(b"imir", bytes([mirror]))]
    picture = HevcPicture(64, 64, decoder, bytes.fromhex(_HEVC_FRAME))
    return heif(picture, nclx=(1, 13, 6, 1), turns=turns, orientation=orientation, exif=exif)


class HevcPicture(NamedTuple):
    """One key frame of HEVC, and what a decoder must know of it."""

    width: int
    height: int
    decoder: bytes
    frame: bytes


def hevc_10(signal: NDArray[np.uint16], *, says: str = "") -> HevcPicture:
    """(H, W, 3) R'G'B' up to 65535 as 10-bit HEVC without loss of colour, by x265 through PyAV; matrix BT.2020.

    Args:
        signal: the numbers.
        says: what the stream itself says of them, as x265's parameters.
    """
    frame = _frame_10(signal, "yuv444p10le")
    encoder = av.CodecContext.create("libx265", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "yuv444p10le"
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"x265-params": f"log-level=none:crf=4:repeat-headers=1:range=full:pools=1:info=0{says}"}
    content = b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
    units = [(unit[0] >> 1 & 63, unit) for unit in re.split(rb"\x00\x00\x00?\x01", content) if unit]
    parameters = [unit for unit in units if unit[0] in (32, 33, 34)]
    profile = parameters[1][1].replace(b"\0\0\3", b"\0\0")[3:15]
    decoder = b"\1" + profile + bytes.fromhex("f000fcfffafa00000f03") + _units(parameters)  # 4:4:4, 10 bits
    picture = next(unit for number, unit in units if number < 32)
    return HevcPicture(frame.width, frame.height, decoder, picture)


def avif_10(signal: NDArray[np.uint16], *, primaries: int, transfer: int) -> bytes:
    """The same as an AVIF of 10 bits, by SVT-AV1 through PyAV: its box leaves the numbers' meaning to the stream."""
    frame = _frame_10(signal, "yuv420p10le")
    file = io.BytesIO()
    with av.open(file, "w", format="avif") as container:
        stream = container.add_stream("libsvtav1", rate=1)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuv420p10le"
        meaning = f"color-primaries={primaries}:transfer-characteristics={transfer}:matrix-coefficients=9:color-range=1"
        stream.options = {"crf": "4", "preset": "10", "svtav1-params": meaning}
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return file.getvalue()


def _frame_10(signal: NDArray[np.uint16], pixel_format: str) -> av.VideoFrame:
    height, width, _ = signal.shape
    red, green, blue = np.moveaxis(signal / 65535, 2, 0)
    light = 0.2627 * red + 0.6780 * green + 0.0593 * blue  # ITU-R BT.2020-2, table 4
    planes = [1023 * light, 1023 * (blue - light) / 1.8814 + 512, 1023 * (red - light) / 1.4746 + 512]
    frame = av.VideoFrame(width, height, pixel_format)
    for plane, values in zip(frame.planes, planes, strict=True):
        if plane.height < height:
            values = values.reshape(plane.height, 2, plane.width, 2).mean((1, 3))
        rows = np.zeros((plane.height, plane.line_size // 2), "<u2")
        rows[:, : plane.width] = values.round().clip(0, 1023)
        plane.update(rows.tobytes())
    return frame


def _units(units: Sequence[tuple[int, bytes]]) -> bytes:
    return b"".join(struct.pack(">BHH", 0x80 | number, 1, len(unit)) + unit for number, unit in units)


def box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I", len(content) + 8) + kind + content


def heif(
    picture: HevcPicture,
    *,
    nclx: tuple[int, int, int, int] | None,
    turns: Sequence[bytes] = (),
    orientation: int | None = None,
    exif: bytes = b"",
) -> bytes:
    """A HEIC around a key frame: primaries, transfer, matrix and full range, boxes that turn it, EXIF orientation."""

    def full(kind: bytes, version: int, *parts: bytes) -> bytes:
        return box(kind, bytes([version, 0, 0, 0]), *parts)

    data = struct.pack(">I", len(picture.frame)) + picture.frame
    if orientation is not None:
        exif = struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    tag = bytes(4) + exif if exif else b""
    properties = [box(b"hvcC", picture.decoder), full(b"ispe", 0, struct.pack(">II", picture.width, picture.height))]
    if nclx is not None:
        properties.append(box(b"colr", b"nclx", struct.pack(">HHHB", *nclx[:3], nclx[3] << 7)))
    needed = {0, *range(len(properties), len(properties) + len(turns))}
    properties += turns
    links = bytes(number + 1 | (0x80 if number in needed else 0) for number in range(len(properties)))
    items = [full(b"infe", 2, struct.pack(">HH", 1, 0), b"hvc1\0")]
    items += [full(b"infe", 2, struct.pack(">HH", 2, 0), b"Exif\0")] if tag else []

    def meta(offset: int) -> bytes:
        places = [(1, offset, len(data)), (2, offset + len(data), len(tag))][: len(items)]
        return full(
            b"meta",
            0,
            full(b"hdlr", 0, bytes(4), b"pict", bytes(13)),
            full(b"pitm", 0, struct.pack(">H", 1)),
            full(
                b"iloc",
                0,
                b"\x44\0",
                struct.pack(">H", len(items)),
                *(struct.pack(">HHHII", item, 0, 1, start, length) for item, start, length in places),
            ),
            full(b"iinf", 0, struct.pack(">H", len(items)), *items),
            full(b"iref", 0, box(b"cdsc", struct.pack(">HHH", 2, 1, 1))) if tag else b"",
            box(b"iprp", box(b"ipco", *properties), full(b"ipma", 0, struct.pack(">IHB", 1, 1, len(links)), links)),
        )

    brands = box(b"ftyp", b"heic", bytes(4), b"mif1heic")
    return brands + meta(len(brands) + len(meta(0)) + 8) + box(b"mdat", data, tag)


# --- colour profiles -------------------------------------------------------------------------------------------------

SRGB_TO_XYZ = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
"""Linear sRGB to XYZ under D50, as every sRGB profile has it in its columns."""
ADOBE_TO_XYZ = np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]])
"""Linear Adobe RGB (1998) to XYZ under D50."""
_D50 = (0.9642, 1.0, 0.8249)


def srgb_to_linear(pixels: Pixels) -> NDArray[np.float64]:
    values = np.asarray(pixels) / 255.0
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(values: NDArray[np.float64]) -> Pixels:
    encoded = np.where(values <= 0.0031308, 12.92 * values, 1.055 * np.maximum(values, 0) ** (1 / 2.4) - 0.055)
    return (encoded.clip(0, 1) * 255).round().astype(np.uint8)


def rgb_profile(to_xyz: NDArray[np.float64], gamma: float) -> bytes:
    """A profile of three primaries (the columns of `to_xyz`) and one power of light."""
    tags = {f"{name}XYZ".encode(): _xyz(to_xyz[:, column]) for column, name in enumerate("rgb")}
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags | {f"{name}TRC".encode(): _gamma(gamma) for name in "rgb"})


def grey_profile(gamma: float) -> bytes:
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": _gamma(gamma)})


def cmyk_profile(lab_of_cyan: tuple[float, float, float]) -> bytes:
    """A press whose only working inks are cyan, which gives this Lab colour, and black."""
    ramp = bytes(range(256))
    corners = b""
    for corner in range(16):  # cyan is the slowest to change, black the fastest
        light, a, b = (0.0, 0.0, 0.0) if corner & 1 else lab_of_cyan if corner & 8 else (100.0, 0.0, 0.0)
        corners += bytes([round(light * 2.55), round(a) + 128, round(b) + 128])
    identity = struct.pack(">9i", *(65536 if index % 4 == 0 else 0 for index in range(9)))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + ramp * 4 + corners + ramp * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": table})


def _profile(device: bytes, space: bytes, connection: bytes, tags: Mapping[bytes, bytes]) -> bytes:
    """An ICC profile of version 2."""
    tags = {**tags, b"wtpt": _xyz(_D50), b"cprt": b"text" + bytes(4) + b"none\0"}
    tags[b"desc"] = b"desc" + bytes(4) + struct.pack(">I", 5) + b"made\0" + bytes(78)
    index, content, start = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        index += struct.pack(">4sII", name, start + len(content), len(value))
        content += value + bytes(-len(value) % 4)
    header = struct.pack(">I4sI4s4s4s", start + len(content), bytes(4), 0x02400000, device, space, connection)
    header += struct.pack(">6H4s", 2024, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    return (header + _xyz(_D50)[8:]).ljust(128, b"\0") + index + content


def _xyz(values: Sequence[float] | NDArray[np.float64]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(float(value) * 65536) for value in values))


def _gamma(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
