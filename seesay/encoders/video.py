"""A model ready to see videos: frames in, one unit vector a video out.

With any encoder a video is the mean of its frames' unit vectors, made unit again: CLIP's zero-shot answer, without
torch. A bundle with a trained temporal part (`encoders.temporal`) has that instead of the mean.

Several clips of one video (other moments of each part) and several crops are averaged like frames are: that ranks
labels exactly as the mean of their cosines does.

Shape legend: N videos, V clips of one video, T frames, S picture side, E embedding.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from PIL import Image

from seesay.base.errors import BundleError, InputError, reason
from seesay.encoders.bundle import file_sha256
from seesay.encoders.encoder import Encoder, Pixels, Vectors
from seesay.encoders.images import naming
from seesay.encoders.onnx import WEIGHTS_KEY
from seesay.encoders.ready import BundleEncoder
from seesay.inputs.clips import crops, middle_places, read_frames, view_places
from seesay.inputs.pictures import open_picture
from seesay.inputs.video import is_video

TEMPORAL, TEMPORAL_WEIGHTS, TEMPORAL_GRAPH = "temporal.json", "temporal.safetensors", "temporal.onnx"
NUM_FRAMES = 8
"""As most of the paper's models have it."""

VideoSource: TypeAlias = str | Path | bytes | Image.Image | Sequence[Image.Image]
"""A file or a folder of frames; a picture, which is a video of one frame; or the frames themselves."""


class Temporal(Protocol):
    """What makes one vector of several frames: `OnnxTemporal`, or `encoders.temporal.TorchTemporal`."""

    def embed_frames(self, vectors: Vectors) -> Vectors:
        """(V, T, E) unit rows of frames -> (V, E)."""
        ...

    def embed_videos(self, pixels: Pixels) -> Vectors:
        """(V, T, S, S, 3) uint8 -> (V, E)."""
        ...


class OnnxTemporal:
    """A head over vectors of frames, run by ONNX Runtime.

    Args:
        folder: a video model's, with a graph.
        num_frames: T, which the graph was made for.

    Raises:
        BundleError: the graph cannot be loaded, or was made for other weights.
    """

    def __init__(self, folder: Path, num_frames: int) -> None:
        import onnxruntime

        path = folder / TEMPORAL_GRAPH
        try:
            self._session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        except (RuntimeError, ValueError) as error:
            raise BundleError(f"{path} cannot be loaded; train the model again: {reason(error)}") from error
        made_for = self._session.get_modelmeta().custom_metadata_map.get(WEIGHTS_KEY)
        if made_for != file_sha256(folder / TEMPORAL_WEIGHTS):
            raise BundleError(f"{path} was made for other weights than {TEMPORAL_WEIGHTS}; train the model again")
        self.num_frames = num_frames

    def embed_frames(self, vectors: Vectors) -> Vectors:
        """See `Temporal`."""
        (rows,) = self._session.run(["vectors"], {"frames": np.ascontiguousarray(vectors, np.float32)})
        return np.asarray(rows, np.float32)

    def embed_videos(self, pixels: Pixels) -> Vectors:
        """Never asked: what needs the frames themselves has no graph."""
        raise NotImplementedError


class VideoEncoder:
    """An encoder that also takes videos.

    Args:
        encoder: the model for pictures and texts.
        temporal: its trained temporal part; None for the mean.
        takes_frames: whether the temporal part needs the frames themselves instead of their vectors.
        num_frames: T.
        num_views: clips of one video that are averaged; the paper's best figures are of 10.
        num_crops: 1 or 3 squares of each frame; the paper's best figures are of 3.
        name: what the temporal part adds to the encoder's id.
    """

    def __init__(
        self,
        encoder: Encoder,
        temporal: Temporal | None = None,
        *,
        takes_frames: bool = False,
        num_frames: int = NUM_FRAMES,
        num_views: int = 1,
        num_crops: int = 1,
        name: str = "mean",
    ) -> None:
        self.encoder = encoder
        self._temporal, self._takes_frames = temporal, takes_frames
        self.num_frames, self._num_views, self._num_crops = num_frames, num_views, num_crops
        self.id = f"{encoder.id}+{name}-{num_frames}x{num_views}x{num_crops}"
        self.dim, self.scale = encoder.dim, encoder.scale

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Sentences -> (N, E) unit rows."""
        return self.encoder.encode_texts(texts)

    def encode_videos(self, videos: Sequence[VideoSource]) -> Vectors:
        """One after the other, so that the frames of one at a time are in memory.

        Args:
            videos: N of them.

        Returns:
            (N, E) unit rows.

        Raises:
            InputError: one cannot be read.
        """
        encode = naming(self.encode_video, videos, what="video")
        rows = [encode(number, video) for number, video in enumerate(videos)]
        return np.stack(rows) if rows else np.zeros((0, self.dim), "f4")

    def encode_video(self, video: VideoSource) -> Vectors:
        """One video -> (E,) a unit vector.

        Raises:
            InputError: it cannot be read.
        """
        transform = self.encoder.transform
        clips = [
            np.stack([transform(crop[place]) for crop in squares])
            for frames in self._read(video)
            for squares in [[crops(frame, self._num_crops) for frame in frames]]
            for place in range(self._num_crops)
        ]
        vectors_VE = _unit(self._embed(np.stack(clips)))
        mean_E = vectors_VE.mean(axis=0)
        return np.asarray(mean_E / np.linalg.norm(mean_E), np.float32)

    def _read(self, video: VideoSource) -> list[list[Image.Image]]:
        """The frames of every view."""
        if isinstance(video, str | Path) and ((path := Path(video)).is_dir() or is_video(path)):
            places = view_places(self.num_frames, self._num_views)
            if self._num_views == 1:
                return [read_frames(path, places[0], size_px=self.encoder.transform.target_px)]
            # read once in the order of time, then dealt out
            order = sorted((place, view) for view, some in enumerate(places) for place in some)
            read = read_frames(path, [place for place, _ in order], size_px=self.encoder.transform.target_px)
            return [
                [frame for frame, (_, of) in zip(read, order, strict=True) if of == view]
                for view in range(self._num_views)
            ]
        if isinstance(video, Image.Image):
            frames = [video]
        elif isinstance(video, str | Path | bytes):
            source = video if isinstance(video, bytes) else Path(video)
            frames = [open_picture(source, target_px=self.encoder.transform.target_px)]
        else:
            frames = list(video)
        if not frames:
            raise InputError("the video has no frames")
        return [[frames[int(place * len(frames))] for place in middle_places(self.num_frames)]]

    def _embed(self, pixels: Pixels) -> Vectors:
        """(V, T, S, S, 3) -> (V, E)."""
        if self._temporal is not None and self._takes_frames:
            return self._temporal.embed_videos(pixels)
        frames_VTE = self.encoder.encode_pixels(pixels.reshape(-1, *pixels.shape[2:])).reshape(*pixels.shape[:2], -1)
        if self._temporal is None:
            return np.asarray(frames_VTE.mean(axis=1), np.float32)
        return self._temporal.embed_frames(frames_VTE)


def as_video_encoder(
    encoder: BundleEncoder,
    *,
    num_frames: int = 0,
    num_views: int = 1,
    num_crops: int = 1,
    device: str | None = None,
) -> VideoEncoder:
    """A model for videos: with the bundle's trained temporal part where it has one, else with the mean.

    Args:
        encoder: from `seesay.load`.
        num_frames: frames a clip; 0 for what it was trained on, or 8.
        num_views: clips of one video that are averaged.
        num_crops: 1 or 3 squares of each frame.
        device: where a temporal part runs, as torch names it.

    Raises:
        BundleError: the temporal part does not fit the bundle.
        MissingExtraError: it has one without a graph, and torch is not installed.
    """
    facts = read_temporal(encoder.bundle.folder)
    if facts is None:
        return VideoEncoder(encoder, num_frames=num_frames or NUM_FRAMES, num_views=num_views, num_crops=num_crops)
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]
    temporal: Temporal | None = None
    takes_frames = facts["tower"] != "frames" or not facts["has_unit_frames"]
    has_graph = (encoder.bundle.folder / TEMPORAL_GRAPH).is_file() and num_frames in (0, facts["num_frames"])
    if has_graph and device is None:
        temporal = OnnxTemporal(encoder.bundle.folder, facts["num_frames"])
    elif takes_frames or facts["head"] != "mean":
        from seesay.encoders.temporal import TorchTemporal

        temporal = TorchTemporal(encoder.bundle, device=device)
    return VideoEncoder(
        encoder,
        temporal,
        takes_frames=takes_frames,
        num_frames=num_frames or facts["num_frames"],
        num_views=num_views,
        num_crops=num_crops,
        name=f"{facts['head']}@{digest}",
    )


def read_temporal(folder: Path) -> dict[str, Any] | None:
    """What a video model's temporal.json says; None where the folder is a bundle without one.

    Raises:
        BundleError: it cannot be read, or lacks what everybody needs of it.
    """
    path = folder / TEMPORAL
    try:
        facts = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read: {reason(error)}") from error
    needed = ("tower", "head", "num_frames", "has_unit_frames", "files")
    if not isinstance(facts, dict) or (missing := [name for name in needed if name not in facts]):
        raise BundleError(f"{path} lacks {', '.join(missing) if isinstance(facts, dict) else 'a dictionary'}")
    return facts


def _unit(rows: Vectors) -> Vectors:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, np.finfo(np.float32).tiny), np.float32)
