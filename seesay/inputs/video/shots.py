"""Where one shot ends and the next begins: decisions on arrays, without a file or a model.

Shape legend: T pictures in the order of their times, H bins, E embedding.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seesay.base.errors import UsageError
from seesay.inputs.video.frame import Frame
from seesay.inputs.video.sampling import Shots

_LEVELS = 4  # of each of red, green and blue
_ANEW_S = 60.0


def color_histogram(image: Image.Image) -> NDArray[np.float32]:
    """How much of each colour a picture has, with four levels each of red, green and blue.

    Args:
        image: RGB, any size; 64 pixels of the longer side are looked at.

    Returns:
        (64,) float32, summing to 1.
    """
    small = image.convert("RGB")
    small.thumbnail((64, 64), Image.Resampling.BOX)
    levels = np.asarray(small, np.intp) * _LEVELS // 256
    bins = (levels[..., 0] * _LEVELS + levels[..., 1]) * _LEVELS + levels[..., 2]
    counts = np.bincount(bins.reshape(-1), minlength=_LEVELS**3)
    shares: NDArray[np.float32] = (counts / counts.sum()).astype(np.float32)
    return shares


def find_cuts(
    histograms: NDArray[np.float32], vectors: NDArray[np.float32] | None = None, *, threshold: float = 0.3
) -> NDArray[np.bool_]:
    """Which pictures begin a new shot.

    A cut is where the colours change, and the vectors too where they are given: the mean of the share of colour that
    is not the same and of 1 - cosine.

    Args:
        histograms: (T, H) rows of `color_histogram`.
        vectors: (T, E) unit rows of an encoder, where there are any.
        threshold: how different neighbours are across a cut, 0 the same to 1 nothing in common.

    Returns:
        (T,) the first is True: something begins there.
    """
    if vectors is not None and len(vectors) != len(histograms):
        raise UsageError(f"one vector a picture is needed; got {len(vectors)} for {len(histograms)} pictures")
    is_cut = np.ones(len(histograms), bool)
    if len(histograms) > 1:
        change = np.abs(np.diff(histograms, axis=0)).sum(axis=1) / 2
        if vectors is not None:
            change = (change + 1 - (vectors[1:] * vectors[:-1]).sum(axis=1)) / 2
        is_cut[1:] = change > threshold
    return is_cut


def middle_frames(
    read_from: Callable[[float], Iterator[Frame]], sampling: Shots, from_s: float = 0.0
) -> Iterator[Frame]:
    """The middle picture of each shot, with its `shot_s`, from pictures that are close together.

    Args:
        read_from: gives the pictures from a time on.
        sampling: how long a part may be.
        from_s: give only those whose time is this or later.
    """
    # Parts are counted anew in every minute, so that a later run need not look for where its shot began.
    start_s = max(0.0, math.floor(from_s / _ANEW_S) * _ANEW_S)
    shot: list[Frame] = []
    before: NDArray[np.float32] | None = None
    for frame in read_from(start_s):
        histogram = color_histogram(frame.image)
        is_cut = before is not None and bool(find_cuts(np.stack([before, histogram]))[1])
        before = histogram
        is_long = bool(shot) and frame.time_s - shot[0].time_s >= sampling.at_most_s
        is_anew = bool(shot) and math.floor(frame.time_s / _ANEW_S) > math.floor(shot[-1].time_s / _ANEW_S)
        if shot and (is_cut or is_long or is_anew):
            yield from _middle(shot, frame.time_s, from_s)
            shot = []
        shot.append(frame)
    if shot:
        yield from _middle(shot, None, from_s)


def _middle(shot: list[Frame], end_s: float | None, from_s: float) -> Iterator[Frame]:
    middle = shot[len(shot) // 2]
    if middle.time_s >= from_s:
        yield middle._replace(shot_s=(shot[0].time_s, end_s))
