"""Pictures whose numbers are not sRGB's: high dynamic range (PQ, HLG) and wide colours, said by numbers of H.273.

The same light and the same roll-off as of videos (`video/hdr.py`). A picture with a gain map is the ordinary one that
lies under it, so nothing of this concerns it. Shape legend: H rows, W columns, C channels.

Source: ITU-T H.273, tables 2 and 3.
"""

import struct
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seesay.inputs.video import hdr

_CURVES: dict[int, hdr.Curve] = {16: "pq", 18: "hlg"}
_GAMUTS: dict[int, hdr.Gamut] = {9: "bt2020", 11: "p3", 12: "p3"}
_PQ_NAME = b"ITUR_2100_PQ_FULL\0"  # of a profile, as PNGs said it before there was a chunk
_ROWS = 256  # converted at a time: light takes 12 bytes a pixel


class Cicp(NamedTuple):
    """What the numbers of a picture mean."""

    primaries: int
    transfer: int
    is_full: bool = True
    """Black is 0 and white the largest number; else 16 and 235 of 255."""

    @property
    def is_hdr(self) -> bool:
        """Whether there are colours brighter than a page of paper."""
        return self.transfer in _CURVES

    @property
    def is_plain(self) -> bool:
        """Whether sRGB says the same, as far as we can tell."""
        return not self.is_hdr and self.primaries not in _GAMUTS and self.is_full


def to_srgb(
    picture: Image.Image, cicp: Cicp, *, target_px: int | None = None, is_cut_to_8_bits: bool = False
) -> Image.Image:
    """A loaded picture of 8 bits a channel as RGB, or RGBA where it has alpha; arguments as of `signal_to_srgb`.

    Args:
        picture: of any mode that Pillow converts to RGB.
        cicp: what its numbers mean.
        target_px: the length of the shorter side that it will be shrunk to.
        is_cut_to_8_bits: it had 16, and the lower half is gone: in the mean that was half a step.
    """
    native = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    signal = to_16_bits(np.asarray(native))
    if is_cut_to_8_bits:
        signal[..., :3] = (signal[..., :3] & 0xFF00) + 128
    return signal_to_srgb(signal, cicp, target_px=target_px)


def to_16_bits(values: NDArray[np.integer[Any]]) -> NDArray[np.uint16]:
    """(H, W) or (H, W, C) of 8 or 16 bits, of which the lowest may be empty, as (H, W, 3 or 4) up to 65535."""
    if values.ndim == 2 or values.shape[2] < 3:  # grey, perhaps with alpha
        channels = values[..., None] if values.ndim == 2 else values
        values = np.concatenate([channels[..., :1]] * 3 + [channels[..., 1:]], axis=2)
    if values.dtype == np.uint8:
        return values.astype(np.uint16) * np.uint16(257)
    return values.astype(np.uint16) | (values >> 10).astype(np.uint16)


def signal_to_srgb(signal_HWC: NDArray[np.uint16], cicp: Cicp, *, target_px: int | None = None) -> Image.Image:
    """Numbers of 16 bits as a picture: RGB, or RGBA of four channels.

    Args:
        signal_HWC: 65535 the most.
        cicp: what they mean.
        target_px: the length of the shorter side that the picture will be shrunk to; one that is much larger is
            shrunk before, to at least twice of it.
    """
    height, width, num_channels = signal_HWC.shape
    factor = 1 if target_px is None else max(1, min(height, width) // (2 * target_px))
    pixels = np.empty((height // factor, width // factor, num_channels), np.uint8)
    for start in range(0, len(pixels), _ROWS):
        part = signal_HWC[start * factor : min(start + _ROWS, len(pixels)) * factor, : pixels.shape[1] * factor]
        if factor > 1:
            part = part.reshape(-1, factor, pixels.shape[1], factor, num_channels).mean((1, 3)).astype(np.uint16)
        colours = part[..., :3]
        if not cicp.is_full:
            colours = ((colours.astype(np.float32) - 16 * 257) * (255 / 219)).clip(0, 65535).astype(np.uint16)
        pixels[start : start + _ROWS, :, :3] = hdr.to_srgb(
            colours, curve=_CURVES.get(cicp.transfer, "sdr"), gamut=_GAMUTS.get(cicp.primaries, "bt709")
        )
        if num_channels == 4:
            pixels[start : start + _ROWS, :, 3] = part[..., 3] >> 8
    return Image.fromarray(pixels)


def of_png(file: BinaryIO) -> Cicp | None:
    """What the chunk `cICP` of a PNG says, or the name of its colour profile; None where neither says anything.

    Source: PNG, third edition, section 11.3.2.6; W3C, "Using the ITU BT.2100 PQ EOTF with the PNG Format".
    """
    named = None
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"cICP":
            content = file.read(4)
            return Cicp(content[0], content[1], is_full=content[3] == 1) if len(content) == 4 else named
        if kind == b"IDAT":
            break
        start = file.tell()
        if kind == b"iCCP" and file.read(len(_PQ_NAME)) == _PQ_NAME:
            named = Cicp(9, 16)
        file.seek(start + length + 4)
    return named


def of_profile(profile: object) -> Cicp | None:
    """What the tag `cicp` of a colour profile says; None where there is none. Source: ICC.1:2022, section 10.3."""
    if not isinstance(profile, bytes):
        return None
    for number in range(min(int.from_bytes(profile[128:132], "big"), 100)):
        name, start, length = struct.unpack_from(">4sII", profile.ljust(132 + 12 * 100, b"\0"), 132 + 12 * number)
        if name == b"cicp" and length >= 12 and len(content := profile[start + 8 : start + 12]) == 4:
            return Cicp(content[0], content[1], is_full=content[3] == 1)
    return None
