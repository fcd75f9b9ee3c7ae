"""Tiles: parts of a picture that get a vector of their own, so that small things and written words are found.

A model sees a picture at 224 pixels or so; what covers a twentieth of it is a smudge. Two rows of square tiles
that overlap show it twice as large. clifs cuts frames so too, in a grid without overlap. Of a long picture most models
see the middle square alone, so it always has squares along its long side (`bench/tall.py` measures what they bring).
"""

import math

from PIL import Image

from seesay.search.rows import Box

SIDE = 0.6  # of the shorter side: two tiles cover it and share a fifth, so what lies on a seam is whole in one
SHARED = 1 / 3  # the least part of a tile that its neighbour shows too, at SIDE 0.6 along the shorter side
MIN_SIDE = 0.4  # of the model's size: a tile with fewer pixels shows nothing that the whole picture does not

MAX_TILES = 16  # along one side

MIN_SQUARE_PX = 32  # the long pictures with less are rulers, borders and bars
LONG = 2.0  # beyond this ratio of its sides, the middle square of a picture is less than half of it
STEP = 0.75  # of a square's side, from one to the next: what lies on a seam is whole in one of them
MAX_SQUARES = 32  # of one picture; beyond a ratio of 24 they share less, and beyond 32 there are gaps


def boxes(width_px: int, height_px: int, *, size_px: int) -> list[Box]:
    """The tiles of a picture: square in pixels, row by row; none where they would be too small.

    A picture of 16:9 or 3:2 has 8, one of 4:3 has 6, a square one 4.

    Args:
        width_px: of the picture.
        height_px: of the picture.
        size_px: what the model takes.
    """
    side = round(SIDE * min(width_px, height_px))
    if side < MIN_SIDE * size_px:
        return []
    return [
        Box(left / width_px, top / height_px, (left + side) / width_px, (top + side) / height_px)
        for top in _starts(height_px, side)
        for left in _starts(width_px, side)
    ]


def squares(width_px: int, height_px: int) -> list[Box]:
    """The squares that a long picture (a scrolled screenshot, a panorama) is cut into along its long side.

    They are as wide as its short side, share a quarter with each neighbour, and go from edge to edge.

    Returns:
        From left to right or from top to bottom; none for a picture that is not longer than `LONG`, or is only a line.
    """
    side, length = sorted((width_px, height_px))
    if length <= LONG * side or side < MIN_SQUARE_PX:
        return []
    num = min(MAX_SQUARES, math.ceil((length - side) / (STEP * side)) + 1)
    starts = [number * (length - side) / (num - 1) / length for number in range(num)]
    if width_px > height_px:
        return [Box(start, 0.0, min(1.0, start + side / length), 1.0) for start in starts]
    return [Box(0.0, start, 1.0, min(1.0, start + side / length)) for start in starts]


def wanted_px(box: Box, side_px: int) -> int:
    """The length of shorter side to decode a picture to, so that a square part of it has `side_px`."""
    return round(side_px / max(box.right - box.left, box.bottom - box.top))


def decode_px(size_px: int) -> int:
    """The length of shorter side to decode a picture to, for tiles of `size_px`."""
    return math.ceil(size_px / SIDE)


def cut(picture: Image.Image, box: Box) -> Image.Image:
    """The part of a picture that a box shows, at least one pixel."""
    left, top = int(box.left * picture.width), int(box.top * picture.height)
    right = max(left + 1, round(box.right * picture.width))
    bottom = max(top + 1, round(box.bottom * picture.height))
    return picture.crop((left, top, right, bottom))


def _starts(length: int, side: int) -> list[int]:
    """Where tiles begin along one side: evenly, from edge to edge."""
    # A tenth of a step less shared is better than one more row; beyond MAX_TILES (a scroll) there are gaps.
    count = min(MAX_TILES, math.ceil((length - side) / ((1 - SHARED) * side) - 0.1) + 1)
    return [round(number * (length - side) / (count - 1)) for number in range(count)]
