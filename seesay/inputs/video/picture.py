"""From a decoded picture of a video to an upright one in 8-bit sRGB, near the size that is needed.

Shape legend: H rows, W columns.
"""

import struct
from collections.abc import Mapping
from typing import cast

import numpy as np
from av.buffer import Buffer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation, VideoReformatter
from numpy.typing import NDArray
from PIL import Image

from seesay.inputs.video import hdr

# FFmpeg's numbers of matrices (AVCOL_SPC_*) to swscale's. Unknown ones: high definition is BT.709, less is BT.601,
# as players take it.
_MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
_HD_PX = 720  # rows

# From 1080p by way of twice 224 to 224, the pixels differ from shrinking an exact conversion by 0.4 of 255 in the mean
# (the largest by 9), at 3.5 ms a picture; BICUBIC by 0.2 at 5.5 ms. Without FULL_CHR_H_INT, which computes colour for
# each pixel instead of for two, it is 1.6 at 2.3 ms.
_EXACT = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_SHRINK, _KEEP = Interpolation.AREA | _EXACT, Interpolation.BICUBIC | _EXACT

# How a display matrix turns the axes -> how Pillow does it. Rows of the matrix: where x goes, where y goes; y is down.
_TURNS = {
    (0, 1, -1, 0): Image.Transpose.ROTATE_270,
    (-1, 0, 0, -1): Image.Transpose.ROTATE_180,
    (0, -1, 1, 0): Image.Transpose.ROTATE_90,
    (-1, 0, 0, 1): Image.Transpose.FLIP_LEFT_RIGHT,
    (1, 0, 0, -1): Image.Transpose.FLIP_TOP_BOTTOM,
    (0, 1, 1, 0): Image.Transpose.TRANSPOSE,
    (0, -1, -1, 0): Image.Transpose.TRANSVERSE,
}
_QUARTER_TURNS = (None, Image.Transpose.ROTATE_270, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_90)
_QUARTERS = {Image.Transpose.ROTATE_270: 1, Image.Transpose.ROTATE_180: 2, Image.Transpose.ROTATE_90: 3}
_QUARTERS |= {Image.Transpose.TRANSPOSE: 1, Image.Transpose.TRANSVERSE: 3}  # for the sides; also mirrored


class PictureMaker:
    """Converts the pictures of one video; holds swscale's state, so it is for one thread.

    Args:
        size_px: the length of the shorter side that the picture will be shrunk to; None for every pixel.
        pixel_ratio: the width of a stored pixel over its height.
    """

    def __init__(self, size_px: int | None, pixel_ratio: float) -> None:
        self._size_px, self._ratio = size_px, pixel_ratio
        self._reformatter = VideoReformatter()
        self._turns: dict[int, Image.Transpose | None] = {}

    def __call__(self, frame: VideoFrame) -> Image.Image:
        """An upright RGB picture."""
        width, height = scaled_size(frame.width, frame.height, self._ratio, self._size_px)
        curve = int(frame.color_trc)
        is_wide = int(frame.color_primaries) == ColorPrimaries.BT2020
        is_deep = is_wide or curve in (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)
        rgb = self._reformatter.reformat(
            frame,
            width,
            height,
            format="rgb48le" if is_deep else "rgb24",
            src_colorspace=_matrix(frame),
            src_color_range=_range(frame),
            dst_color_range=ColorRange.JPEG,
            interpolation=_SHRINK if height < frame.height else _KEEP,
            threads=1,
        )
        pixels = rgb.to_ndarray()
        if is_deep:
            pixels = hdr.to_srgb(
                np.asarray(pixels, np.uint16), curve=_CURVES.get(curve, "sdr"), gamut="bt2020" if is_wide else "bt709"
            )
        picture = Image.fromarray(np.asarray(pixels, np.uint8))
        turn = self._turn_of(frame)
        return picture if turn is None else picture.transpose(turn)

    def _turn_of(self, frame: VideoFrame) -> Image.Transpose | None:
        """`_turn`, asked once: PyAV ties a frame and its side data into a ring, which keeps 3 MB until the next gc."""
        angle = frame.rotation
        if angle not in self._turns:
            self._turns[angle] = _turn(frame)
        return self._turns[angle]


def to_rgb_16(frame: VideoFrame) -> NDArray[np.uint16]:
    """(H, W, 3) R'G'B' over the full range, 65535 the most: what a frame stores, whatever light that means."""
    rgb = VideoReformatter().reformat(
        frame,
        format="rgb48le",
        src_colorspace=_matrix(frame),
        src_color_range=_range(frame),
        dst_color_range=ColorRange.JPEG,
        interpolation=_KEEP,
        threads=1,
    )
    return np.asarray(rgb.to_ndarray(), np.uint16)


def _matrix(frame: VideoFrame) -> int:
    return _MATRICES.get(int(frame.colorspace), Colorspace.ITU709 if frame.height >= _HD_PX else Colorspace.ITU601)


def _range(frame: VideoFrame) -> int:
    return ColorRange.JPEG if frame.format.name.startswith("yuvj") else int(frame.color_range)


_CURVES: dict[int, hdr.Curve] = {int(ColorTrc.SMPTE2084): "pq", int(ColorTrc.ARIB_STD_B67): "hlg"}


def scaled_size(width: int, height: int, pixel_ratio: float, size_px: int | None) -> tuple[int, int]:
    """The size to convert to: square pixels, never enlarged, the shorter side at least twice `size_px`."""
    wide = width * pixel_ratio
    scale = 1.0 if size_px is None else min(1.0, 2 * size_px / min(wide, height))
    return max(1, round(wide * scale)), max(1, round(height * scale))


def quarter_turns(frame: VideoFrame) -> int:
    """How many times a picture is turned by 90 degrees clockwise to be upright; a mirrored one is only turned."""
    turn = _turn(frame)
    return 0 if turn is None else _QUARTERS.get(turn, 0)


def _turn(frame: VideoFrame) -> Image.Transpose | None:
    """What the display matrix asks for, in quarter turns and mirrors; None for nothing."""
    try:
        matrix = cast(Mapping[str, Buffer], frame.side_data)["DISPLAYMATRIX"]
    except ValueError:  # beside it is something that this PyAV has no name for
        return _QUARTER_TURNS[round(-frame.rotation / 90) % 4]
    except KeyError:
        return None
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(matrix)[:36])
    largest = max(abs(a), abs(b), abs(c), abs(d)) or 1
    # a camera tilted by a few degrees does not turn its pictures; players turn by quarters too
    return _TURNS.get((round(a / largest), round(b / largest), round(c / largest), round(d / largest)))
