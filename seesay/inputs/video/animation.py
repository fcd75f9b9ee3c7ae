"""Animated GIF, WebP, APNG and AVIF: pictures by their format, short videos by what they show.

Pillow reads them: it composes their pictures as browsers do. Times are sums of what the file says that each picture
lasts; as in browsers, one that lasts 10 ms or less, or for which nothing is said, lasts 100.
Source: Chromium, third_party/blink/renderer/platform/graphics/deferred_image_decoder.cc, FrameDurationAtIndex; Firefox
and WebKit have the same rule.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from seesay.base.errors import InputError
from seesay.inputs.color import to_srgb
from seesay.inputs.quiet import QuietPillow
from seesay.inputs.video.choosing import AtChoice, Timeline, choice_for
from seesay.inputs.video.frame import Frame
from seesay.inputs.video.info import VideoInfo
from seesay.inputs.video.sampling import At, Every, KeyFrames, Uniform, middles

ANIMATION_SUFFIXES = frozenset({".apng", ".avif", ".gif", ".png", ".webp"})
"""Lower-case suffixes of files that are pictures or short videos, which only their content says."""

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
            return _num_pictures(picture) > 1
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


def _steps(path: str | Path) -> tuple[list[_Step], str]:
    """When each picture begins and ends; and what is wrong with the file after them, if anything is."""
    steps: list[_Step] = []
    with _opened(path) as picture:
        num_pictures = _num_pictures(picture)
        first = 1 if picture.info.get("default_image") and num_pictures > 1 else 0  # it stands for the animation
        start_s = 0.0
        for number in range(first, num_pictures):
            try:
                picture.seek(number)
                picture.load()
            except _DECODER_ERRORS as error:
                if not steps:
                    raise
                return steps, f"the animation is damaged after {start_s:.1f} s ({error}); what is before was read"
            length_s = float(picture.info.get("duration") or 0) / 1000
            end_s = start_s + (length_s if length_s > _TOO_SHORT_S else _USUAL_S)
            steps.append(_Step(number, start_s, end_s))
            start_s = end_s
    return steps, ""


@contextmanager
def _opened(path: str | Path) -> Iterator[Image.Image]:
    try:
        with _QUIET, Image.open(path, formats=_FORMATS) as picture:
            yield picture
    except _DECODER_ERRORS as error:
        raise InputError(f"the animation cannot be read ({error})") from error


def _num_pictures(picture: Image.Image) -> int:
    return int(getattr(picture, "n_frames", 1))
