"""From a video to what a step takes of it: T augmented frames, or the vectors of T stored ones.

    FOLDER/vectors.json     which model made them, and how many frames of each video
    FOLDER/ab/NAME.npy      (F, E) float16 unit rows of one video

Vectors are made when a video first comes, so that the first pass is slow and all others take milliseconds; whatever is
interrupted goes on. Vectors have no crops and colours any more: of the augmentation the moments are left.

Shape legend: T frames of a clip, F stored frames, S picture side, E embedding.
"""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seesay.base.errors import InputError, UsageError
from seesay.data.clips import ClipAugmentation, augment_clip
from seesay.data.source import number_of
from seesay.data.videos import is_video_address
from seesay.encoders import load
from seesay.encoders.bundle import write_atomically
from seesay.encoders.encoder import Encoder
from seesay.inputs.clips import frame_files, middle_places, random_places, read_frames
from seesay.training.config import TrainConfig

STORED = 32
"""F: four frames to draw each of eight from."""
FACTS = "vectors.json"

ClipReader = Callable[[Path | bytes, np.random.Generator], NDArray[np.uint8] | NDArray[np.float32]]


def check_videos(config: TrainConfig) -> None:
    """Refuse what cannot go together in training on videos.

    Raises:
        UsageError: it says what, and what to change.
    """
    video, data = config.model.video, config.data
    if not video.num_frames:
        if data.vectors or any(map(is_video_address, data.sources)):
            raise UsageError("videos need model.video.num_frames, such as 8")
        return
    if data.vectors and not config.model.start:
        raise UsageError("data.vectors are made by the model that the run starts from: name it with model.start")
    if data.vectors and video.tower != "frames":
        raise UsageError(f"the tower {video.tower!r} looks at the frames themselves; leave data.vectors away")
    if config.teacher.model:
        raise UsageError("a teacher sees pictures, and this run is on videos; leave teacher.model away")


def clip_reader(config: TrainConfig, size_px: int) -> ClipReader | None:
    """What reads a video for this run; None where it is on pictures.

    Args:
        config: the run's.
        size_px: S.
    """
    num_frames = config.model.video.num_frames
    if not num_frames:
        return None
    if config.data.vectors:
        return FrameVectors(load(config.model.start), Path(config.data.vectors), num_frames)
    return FrameReader(
        size_px, num_frames, ClipAugmentation(flip=config.data.flip, rand_augment=config.data.rand_augment)
    )


class FrameReader:
    """A video -> (T, S, S, 3) uint8: a random moment of each part, augmented alike.

    Args:
        size_px: S.
        num_frames: T.
        augmentation: what is changed.
    """

    def __init__(self, size_px: int, num_frames: int, augmentation: ClipAugmentation) -> None:
        self._size_px, self._num_frames, self._augmentation = size_px, num_frames, augmentation

    def __call__(self, video: Path | bytes, random: np.random.Generator) -> NDArray[np.uint8]:
        """Read one.

        Raises:
            InputError: it cannot be read.
        """
        # the smallest crop takes two thirds of the shorter side
        pictures = read_frames(_path(video), random_places(self._num_frames, random), size_px=self._size_px * 3 // 2)
        return augment_clip(pictures, self._size_px, self._augmentation, random)


class FrameVectors:
    """A video -> (T, E) float32 unit rows, a random stored one of each part.

    Args:
        encoder: makes those that are not there yet.
        folder: where they are kept; made if need be.
        num_frames: T.
        num_stored: F.

    Raises:
        UsageError: the folder holds vectors of another model or number of frames.
    """

    def __init__(self, encoder: Encoder, folder: Path, num_frames: int, num_stored: int = STORED) -> None:
        self._encoder, self._folder, self._num_frames = encoder, folder, num_frames
        self._num_stored = max(num_stored, num_frames)
        self._lock = threading.Lock()
        facts = {"model": encoder.id, "num_stored": self._num_stored}
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / FACTS
        if path.is_file() and (before := json.loads(path.read_text("utf-8"))) != facts:
            raise UsageError(f"{folder} holds vectors of {before}, not of {facts}; name another folder")
        write_atomically(path, (json.dumps(facts) + "\n").encode())

    def __call__(self, video: Path | bytes, random: np.random.Generator) -> NDArray[np.float32]:
        """Look one up, or make it.

        Raises:
            InputError: it cannot be read.
        """
        return self.take(_path(video), random_places(self._num_frames, random))

    def take(self, video: Path, places: tuple[float, ...]) -> NDArray[np.float32]:
        """The stored vectors nearest to some moments.

        Args:
            video: a file or a folder of frames.
            places: T shares of its length.

        Raises:
            InputError: it cannot be read.
        """
        vectors_FE = self.stored(video)
        chosen = [min(int(place * len(vectors_FE)), len(vectors_FE) - 1) for place in places]
        rows = vectors_FE[chosen].astype(np.float32)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(rows / lengths, np.float32)  # float16 has moved their lengths by a thousandth

    def stored(self, video: Path) -> NDArray[np.float16]:
        """(F, E) of one video, from the disk or made now."""
        path = self._place(video)
        try:
            found: NDArray[np.float16] = np.load(path)
            return found
        except (OSError, ValueError):
            pass  # not there, or cut short: made anew
        # of a folder with fewer frames, each of them once
        count = min(self._num_stored, len(frame_files(video)) or 1) if video.is_dir() else self._num_stored
        pictures = read_frames(video, middle_places(count), size_px=self._encoder.transform.target_px)
        pixels = np.stack([self._encoder.transform(picture) for picture in pictures])
        with self._lock:  # the model has its own threads
            vectors_FE = self._encoder.encode_pixels(pixels).astype(np.float16)
        path.parent.mkdir(exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}.part")
        with part.open("wb") as file:
            np.save(file, vectors_FE)
        part.replace(path)
        return vectors_FE

    def _place(self, video: Path) -> Path:
        try:
            facts = video.stat()
        except OSError as error:
            raise InputError(f"it cannot be read: {error.strerror or error}") from error
        name = f"{number_of(f'{video}|{facts.st_size}|{facts.st_mtime_ns}') & (1 << 64) - 1:016x}"
        return self._folder / name[:2] / f"{name}.npy"


def _path(video: Path | bytes) -> Path:
    if isinstance(video, bytes):
        raise InputError("it is a picture in a tar, and this run is on videos; name videos as LAYOUT:PATH")
    return video
