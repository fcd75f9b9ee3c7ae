"""Tiles: parts of a picture that get a vector of their own, so that small things and written words are found.

A model sees a picture at 224 pixels or so; what covers a twentieth of it is a smudge. Two rows of square tiles
that overlap show it twice as large. clifs cuts frames so too, in a grid without overlap.
"""

import math

from PIL import Image

from seesay.search.rows import Box

SIDE = 0.6  # of the shorter side: two tiles cover it and share a fifth, so what lies on a seam is whole in one
SHARED = 1 / 3  # the least part of a tile that its neighbour shows too, at SIDE 0.6 along the shorter side
MIN_SIDE = 0.4  # of the model's size: a tile with fewer pixels shows nothing that the whole picture does not

MAX_TILES = 16  # along one side


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
