"""From a video file to the pictures of the moments that were asked for."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from seesay.base.errors import UsageError
from seesay.inputs.video.sampling import Every, Sampling


class Frame(NamedTuple):
    """A picture of a video."""

    time_s: float
    """When it comes onto the screen, from the first picture of the stream; the container's own timestamp."""

    image: Image.Image
    """Upright, 8-bit sRGB, square pixels: what `Encoder.encode_images` and `Encoder.transform` take."""


def frames(
    path: str | Path,
    sampling: Sampling,
    *,
    size_px: int | None = None,
    from_s: float = 0.0,
    on_error: Callable[[str], None] | None = None,
) -> Iterator[Frame]:
    """The pictures of the moments that were asked for, in the order of their times.

    Only these are converted, and near the model's size. The file is closed when the iterator ends or is closed.
    Memory is a few decoded pictures, whatever the length.

    Args:
        path: a video file, or an animated GIF, WebP or PNG.
        sampling: which moments.
        size_px: the length of the shorter side that the picture will be shrunk to, as `Encoder.transform.target_px`
            says it; a larger picture comes at about twice that. None: every pixel.
        from_s: give only the frames whose time is this or later; they are the same as in a run from the start.
        on_error: told, in a sentence each, of what was damaged and passed over: packets that cannot be decoded, and a
            file that ends before its declared end. Called at most a few times a file, when the reading ends.

    Raises:
        InputError: the file cannot be opened, or holds not one picture; the text is the reason, without the path.
    """
    from seesay.inputs.video.container import opened

    if not isinstance(sampling, Every):
        raise UsageError(f"{type(sampling).__name__} is not there yet")
    with opened(path) as video:
        last = -1
        for frame in video.container.decode(video.stream):
            assert frame.pts is not None
            time_s = video.time_s(frame.pts)
            number = math.floor(time_s / sampling.seconds)
            if number > last:
                last = number
                if time_s >= from_s:
                    yield Frame(time_s, Image.fromarray(frame.to_ndarray(format="rgb24")))
