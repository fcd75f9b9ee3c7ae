"""A picture that comes in through a pipe: what `-` stands for."""

import sys
from functools import lru_cache
from typing import TYPE_CHECKING

from seesay.base.errors import InputError, UsageError

if TYPE_CHECKING:
    from PIL import Image

DECODED_PX = 512  # the shorter side that is decoded at least twice over: no model takes more


@lru_cache(maxsize=1)
def read_piped() -> "Image.Image":
    """The picture on stdin; a second `-` in one query is the same one.

    Raises:
        UsageError: stdin is a terminal, or closed.
        InputError: what comes is no picture.
    """
    from seesay.inputs.pictures import open_picture
    from seesay.inputs.refusals import MAX_FILE_BYTES

    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        raise UsageError(
            "- is the picture that comes in through a pipe, as in `seesay search - < photo.jpg`; none does"
        )
    content = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise InputError("what comes in through the pipe is larger than 1 GiB; no picture is read that is")
    if not content:
        raise InputError("nothing came in through the pipe; send a picture, as in `seesay search - < photo.jpg`")
    try:
        return open_picture(content, target_px=DECODED_PX)
    except InputError as error:
        raise InputError(f"what came in through the pipe is no picture that can be read: {error}") from error
