"""Makes Photoshop documents in memory, byte by byte: no package writes them."""

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BITMAP, GREY, INDEXED, RGB, CMYK, MULTICHANNEL, DUOTONE, LAB = 0, 1, 2, 3, 4, 7, 8, 9


def psd(
    channels: Sequence[NDArray[np.generic]],
    mode: int,
    depth: int = 8,
    *,
    is_large: bool = False,
    is_packed: bool = False,
    num_layers: int = 0,
    resources: bytes = b"",
    palette: bytes = b"",
) -> bytes:
    """A document (a PSB where it is large) of (H, W) channels; a negative number of layers means transparency."""
    height, width = channels[0].shape
    kind = {8: ">u1", 16: ">u2", 32: ">f4"}.get(depth)
    rows = [
        np.packbits(row).tobytes() if kind is None else row.astype(kind).tobytes() for one in channels for row in one
    ]
    if is_packed:
        rows = [_pack(row) for row in rows]
        sizes = struct.pack(f">{len(rows)}{'I' if is_large else 'H'}", *(len(row) for row in rows))
    length = ">Q" if is_large else ">I"
    layers = struct.pack(f"{length}h", 2, num_layers) if num_layers else b""
    return (
        b"8BPS"
        + struct.pack(">H6xHIIHH", 2 if is_large else 1, len(channels), height, width, depth, mode)
        + struct.pack(">I", len(palette))
        + palette
        + struct.pack(">I", len(resources))
        + resources
        + struct.pack(length, len(layers))
        + layers
        + (struct.pack(">H", 1) + sizes if is_packed else struct.pack(">H", 0))
        + b"".join(rows)
    )


def resource(number: int, content: bytes) -> bytes:
    return b"8BIM" + struct.pack(">HHI", number, 0, len(content)) + content + bytes(len(content) % 2)


def _pack(row: bytes) -> bytes:
    """PackBits, with a run at the beginning and the rest as it is."""
    run = len(row) - len(row.lstrip(row[:1]))
    packed = bytes([257 - run, row[0]]) if 2 <= run <= 128 else b""
    rest = row[run if packed else 0 :]
    return packed + b"".join(
        bytes([len(rest[start : start + 128]) - 1]) + rest[start : start + 128] for start in range(0, len(rest), 128)
    )
