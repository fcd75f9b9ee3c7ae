"""A video as a few pictures: which moments, and in which squares they are looked at.

A video is a file, or a folder of its frames as pictures, as most action datasets are unpacked. Moments are shares of
its length: 0 is its beginning, 1 its end.

Shape legend: T frames.

Source: TSN, arXiv:1608.00859, section 3.1: one frame from each of T equal parts.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from seesay.base.errors import InputError, UsageError
from seesay.inputs.pictures import PICTURE_SUFFIXES, open_picture
from seesay.inputs.video import At, Every, frames, read_info

_SLOWEST_S = 0.1  # how close frames are looked for in a file that does not say how long it is


def middle_places(num_frames: int) -> tuple[float, ...]:
    """The middle of each of T equal parts."""
    return tuple((part + 0.5) / num_frames for part in range(num_frames))


def random_places(num_frames: int, random: np.random.Generator) -> tuple[float, ...]:
    """A random moment in each of T equal parts."""
    return tuple(float(part + random.random()) / num_frames for part in range(num_frames))


def view_places(num_frames: int, num_views: int) -> list[tuple[float, ...]]:
    """Several times T moments, so that together they are spread evenly; a single one is `middle_places`.

    Args:
        num_frames: T.
        num_views: how many clips of one video; 10 in the paper's best figures.
    """
    return [
        tuple((part + (view + 0.5) / num_views) / num_frames for part in range(num_frames)) for view in range(num_views)
    ]


def read_frames(video: Path, places: Sequence[float], *, size_px: int | None = None) -> list[Image.Image]:
    """The pictures that are on the screen at some moments; a short video repeats its pictures.

    Args:
        video: a file, or a folder of frames named in their order.
        places: ascending shares of the length, each at least 0 and below 1.
        size_px: what the shorter side will be shrunk to, so that nothing larger is decoded; None for every pixel.

    Returns:
        T upright RGB pictures of one size.

    Raises:
        InputError: it cannot be read, or has no frame.
    """
    if video.is_dir():
        files = frame_files(video)
        if not files:
            raise InputError("the folder has no frames")
        chosen = [files[min(int(place * len(files)), len(files) - 1)] for place in places]
        opened = {path: open_picture(path, target_px=size_px).convert("RGB") for path in dict.fromkeys(chosen)}
        return [opened[path] for path in chosen]
    duration_s = read_info(video).duration_s or _last_s(video)
    times_s = tuple(place * duration_s for place in places)
    found = [frame.image for frame in frames(video, At(times_s), size_px=size_px)]
    if len(found) != len(places):
        raise InputError(f"{len(found)} of {len(places)} frames could be decoded")
    return found


def frame_files(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of their numbers: img_2.jpg comes before img_10.jpg."""
    files = [path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES]
    return sorted(files, key=lambda path: (len(path.stem), path.name))


def _last_s(video: Path) -> float:
    """The time of the last frame, for a stream that was written without knowing its end."""
    return max((frame.time_s for frame in frames(video, Every(seconds=_SLOWEST_S), size_px=32)), default=0.0)


def crops(picture: Image.Image, count: int) -> list[Image.Image]:
    """Squares as large as the shorter side: the middle one, or both ends of the longer side and the middle.

    Args:
        picture: of any size.
        count: 1 or 3.

    Raises:
        UsageError: another count.
    """
    if count not in (1, 3):
        raise UsageError(f"a video is looked at in 1 crop or 3, not {count}")
    if count == 1:
        return [picture]  # the model's own transform takes the middle
    side = min(picture.size)
    wide, high = (length - side for length in picture.size)
    return [
        picture.crop((left, top, left + side, top + side))
        for left, top in ((0, 0), (round(wide / 2), round(high / 2)), (wide, high))
    ]
