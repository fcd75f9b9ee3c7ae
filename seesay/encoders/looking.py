"""A picture or video file as one vector: of a video the mean of some frames."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seesay.encoders.encoder import Encoder
from seesay.inputs.pictures import Source
from seesay.inputs.video import Uniform, frames, is_video

NUM_FRAMES = 8


def look_at(source: Source | Image.Image, encoder: Encoder) -> NDArray[np.float32]:
    """The vector of a picture or video.

    Args:
        source: a Pillow picture, the path of a picture or video, or the content of a picture's file.
        encoder: the model.

    Returns:
        (E,) of length 1; of a video the mean of eight frames, evenly taken, made unit again.

    Raises:
        InputError: it cannot be read.
        MissingExtraError: an extra is needed for this format.
    """
    if isinstance(source, str | os.PathLike) and is_video(Path(source)):
        return mean_of(Path(source), encoder)
    (vector,) = encoder.encode_images([source])
    return np.asarray(vector)


def mean_of(video: str | Path, encoder: Encoder) -> NDArray[np.float32]:
    """(E,) of length 1: the mean of a video's frames.

    Raises:
        InputError: it cannot be read.
    """
    shown = frames(video, Uniform(count=NUM_FRAMES), size_px=encoder.transform.target_px)
    mean = np.mean(encoder.encode_images([frame.image for frame in shown]), axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-6), np.float32)
