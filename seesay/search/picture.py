"""An item as a picture to look at: the photograph, the frame, or the part that a tile shows."""

import os

from PIL import Image

from seesay.base.errors import InputError
from seesay.inputs.pictures import open_picture
from seesay.inputs.sheet import thumbnail
from seesay.inputs.video import At, frames
from seesay.search.rows import Box, ItemRow
from seesay.search.tiles import cut, wanted_px


def show_item(row: ItemRow, *, side_px: int) -> Image.Image:
    """An item, fitted into a square.

    Raises:
        InputError: the file cannot be read.
    """
    target_px = wanted_px(row.box, side_px) if row.box else side_px
    return fit(open_item(row, target_px=target_px), row.box, side_px=side_px)


def open_item(row: ItemRow, *, target_px: int) -> Image.Image:
    """The whole photograph, page, or frame of a video, that an item is of or is a part of.

    Raises:
        InputError: the file cannot be read.
    """
    path = os.fsdecode(row.path)
    if row.time_s is None:
        return open_picture(path, target_px=target_px, page=row.page or 1)
    return frame_at(path, row.time_s, size_px=target_px, track=row.track)


def frame_at(path: str, time_s: float, *, size_px: int | None = None, track: int = 0) -> Image.Image:
    """The picture of a video that is on the screen at a time.

    Raises:
        InputError: the file cannot be read.
    """
    for frame in frames(path, At((time_s,)), size_px=size_px, track=track):
        return frame.image
    raise InputError(f"a video without a picture at {time_s:.2f} s")


def fit(picture: Image.Image, box: Box | None, *, side_px: int) -> Image.Image:
    """A part of a picture, or all of it, fitted into a square."""
    return thumbnail(picture if box is None else cut(picture, box), side_px)
