"""Animated GIF, WebP, APNG and AVIF: pictures by their format, short videos by what they show.

Pillow reads them: it composes their pictures as browsers do. Times are sums of what the file says that each picture
lasts; as in browsers, one that lasts 10 ms or less, or for which nothing is said, lasts 100.
Source: Chromium, third_party/blink/renderer/platform/graphics/deferred_image_decoder.cc, FrameDurationAtIndex; Firefox
and WebKit have the same rule.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import count, repeat
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from seesay.base.errors import InputError
from seesay.inputs.color import to_srgb
from seesay.inputs.quiet import QuietPillow
from seesay.inputs.refusals import check_size, reason
from seesay.inputs.video.choosing import AtChoice, Timeline, choice_for
from seesay.inputs.video.frame import Frame
from seesay.inputs.video.info import VideoInfo
from seesay.inputs.video.sampling import At, Every, KeyFrames, Uniform, middles

ANIMATION_SUFFIXES = frozenset({".apng", ".avif", ".gif", ".png", ".webp"})
"""Lower-case suffixes of files that are pictures or short videos, which only their content says."""

MOST_PIXELS = 2_000_000_000
"""The most pixels of an animation that are composed, all pictures together. It bounds time: 5 to 25 ns each, so 10 to
50 s, twice. Reached by 960 pictures of 1920 x 1080, 15,000 of 480 x 270, or 13 of 12,000 x 12,000, for which a file
needs only a few kB. What comes after is left out, with a line in the ledger."""

MOST_PICTURES = 100_000
"""The most pictures of an animation, however small: one takes at least 35 us."""

_QUIET = QuietPillow()
_TOO_SHORT_S, _USUAL_S = 0.0105, 0.1  # 10 ms, whatever rounding a format does
# fmt: off
# What Pillow was seen to raise on damaged files, beyond the OSError that it promises.
_DECODER_ERRORS = (
    OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, ArithmeticError, AttributeError,
    RuntimeError, Image.DecompressionBombError,
)
# fmt: on
_FORMATS = ("GIF", "WEBP", "PNG", "AVIF")


def is_animated(path: str | Path) -> bool:
    """Whether there is a second picture in the file. What cannot be read is not animated."""
    try:
        with _QUIET, Image.open(path, formats=_FORMATS) as picture:
            return bool(getattr(picture, "is_animated", False))
    except _DECODER_ERRORS:
        return False


def read_animation_info(path: str | Path) -> VideoInfo:
    """What `read_info` says of an animation.

    Raises:
        InputError: it cannot be read.
    """
    steps, _ = _steps(path)
    duration_s = steps[-1].end_s
    with _opened(path) as picture:
        return VideoInfo(
            duration_s=duration_s,
            width_px=picture.width,
            height_px=picture.height,
            frame_rate=len(steps) / duration_s,
            codec=picture.format or "",
            rotation_deg=0,
            num_frames=len(steps),
            start_s=0.0,
            is_hdr=False,
        )


def animation_frames(
    path: str | Path,
    sampling: Every | KeyFrames | Uniform | At,
    *,
    size_px: int | None,
    from_s: float,
    on_error: Callable[[str], None] | None,
) -> Iterator[Frame]:
    """What `frames` gives of an animation; goes through it twice, for the times and for the pictures."""
    steps, problem = _steps(path)
    if isinstance(sampling, Uniform):
        sampling = At(middles(steps[-1].end_s, sampling.count))
    elif isinstance(sampling, KeyFrames):  # every picture is whole
        sampling = Every(seconds=sampling.at_least_s, slack_s=0.0)
    choice = choice_for(sampling, from_s, length_s=steps[-1].end_s)
    timeline = Timeline()
    for step in steps:
        timeline.add(step.start_s, is_key=False)
    timeline.finish(steps[-1].end_s)
    choice.advance(timeline)
    chosen = choice.chosen if isinstance(sampling, At) and isinstance(choice, AtChoice) else timeline.wanted
    times_s = Counter(chosen)
    with _opened(path) as picture:
        for step in steps:
            if step.start_s in times_s and step.start_s >= from_s:
                picture.seek(step.number)
                image = to_srgb(picture)
                factor = 1 if size_px is None else max(1, min(image.size) // (2 * size_px))
                frame = Frame(step.start_s, image.reduce(factor) if factor > 1 else image)
                yield from repeat(frame, times_s[step.start_s])
    if problem and on_error:
        on_error(problem)


class _Step(NamedTuple):
    number: int
    start_s: float
    end_s: float


def _steps(path: str | Path) -> tuple[tuple[_Step, ...], str]:
    """When each picture begins and ends; and what is wrong with the file after them, if anything is."""
    try:
        status = Path(path).stat()
    except (OSError, ValueError) as error:
        raise InputError(reason(error)) from error
    return _steps_of(str(path), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4)  # asked for when a file is looked at and when it is read, and each time composes every picture
def _steps_of(path: str, size_bytes: int, mtime_ns: int) -> tuple[tuple[_Step, ...], str]:
    del size_bytes, mtime_ns  # only for the cache
    steps: list[_Step] = []
    with _opened(path) as picture:
        start_s = 0.0
        most = max(1, min(MOST_PICTURES, MOST_PIXELS // max(1, math.prod(picture.size))))
        for number in _numbers(picture):
            try:
                picture.seek(number)
                if len(steps) == most:
                    return tuple(steps), _too_long(picture, most, start_s)
                picture.load()
            except _DECODER_ERRORS as error:
                if isinstance(error, EOFError) and picture.format == "GIF" and steps:
                    break
                if not steps:
                    raise
                problem = f"the animation is damaged after {start_s:.1f} s ({error}); what is before was read"
                return tuple(steps), problem
            length_s = float(picture.info.get("duration") or 0) / 1000
            end_s = start_s + (length_s if length_s > _TOO_SHORT_S else _USUAL_S)
            steps.append(_Step(number, start_s, end_s))
            start_s = end_s
    return tuple(steps), ""


def _numbers(picture: Image.Image) -> Iterable[int]:
    """Of the pictures that are shown. A GIF does not say how many it has, and counting them may take minutes."""
    if picture.format == "GIF":
        return count()
    num_pictures = int(getattr(picture, "n_frames", 1))
    first = 1 if picture.info.get("default_image") and num_pictures > 1 else 0  # it stands for the animation
    return range(first, num_pictures)


def _too_long(picture: Image.Image, most: int, end_s: float) -> str:
    return (
        f"the animation has more than {most:,} pictures of {picture.width} x {picture.height}, "
        f"which would take too long; the first {end_s:.1f} s were read"
    )


@contextmanager
def _opened(path: str | Path) -> Iterator[Image.Image]:
    try:
        with _QUIET, Image.open(path, formats=_FORMATS) as picture:
            check_size(picture.size, picture.format)
            yield picture
    except _DECODER_ERRORS as error:
        raise InputError(f"the animation cannot be read ({error})") from error
