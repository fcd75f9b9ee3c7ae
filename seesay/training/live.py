"""A model in training, asked as one that is ready: pictures and sentences in, vectors out.

Shape legend: N pictures or texts, S picture side, E embedding.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seesay.inputs.clips import middle_places, read_frames
from seesay.inputs.transform import ImageTransform
from seesay.models.clip import Clip, normalize_pixels
from seesay.models.temporal_clip import VideoClip
from seesay.training.trainee import Trainee, tokenizer_of

_AT_ONCE = 64


class HeldOutVideos:
    """Videos as a model in training takes them: the middle of each part, and no augmentation.

    Where the image tower stays as it is, the vectors of the frames are kept, so that only the first evaluation reads.
    """

    def __init__(self) -> None:
        self._kept: dict[str, NDArray[np.float32]] = {}

    def reader(self, clip: VideoClip, trainee: Trainee) -> Callable[[Any], NDArray[np.uint8] | NDArray[np.float32]]:
        """What reads a video's path for this model.

        Args:
            clip: in evaluation mode.
            trainee: says how it is asked.
        """
        model, transform = LiveModel(clip, trainee), ImageTransform(trainee.bundle.image)
        sees_vectors = clip.temporal_config.tower == "frames" and not any(
            parameter.requires_grad for name, parameter in clip.named_parameters() if name.startswith("image_")
        )

        def read(source: Any) -> NDArray[np.uint8] | NDArray[np.float32]:
            if sees_vectors and str(source) in self._kept:
                return self._kept[str(source)]
            frames = read_frames(
                Path(source), middle_places(clip.temporal_config.num_frames), size_px=transform.target_px
            )
            pixels = np.stack([transform(frame) for frame in frames])
            if not sees_vectors:
                return pixels
            self._kept[str(source)] = model.encode_pixels(list(pixels))
            return self._kept[str(source)]

        return read


class LiveModel:
    """A Clip as it is now, with the tokenizer and the pixels that belong to it.

    Args:
        clip: in evaluation mode, on any device.
        trainee: says how it is asked.
    """

    def __init__(self, clip: Clip, trainee: Trainee) -> None:
        self._clip, self._device = clip, clip.log_scale.device
        self._tokenizer = tokenizer_of(trainee)
        image = trainee.bundle.image
        self._mean, self._std = (torch.tensor(each, device=self._device) for each in (image.mean, image.std))

    @property
    def scale(self) -> float:
        """What cosines are multiplied by before a softmax."""
        return float(self._clip.log_scale.exp())

    @torch.inference_mode()
    def encode_pixels(self, pixels: Sequence[NDArray[np.uint8] | NDArray[np.float32]]) -> NDArray[np.float32]:
        """N pictures of (S, S, 3) uint8, or what a video model takes -> (N, E) unit rows."""
        parts = []
        step = max(1, _AT_ONCE // len(pixels[0])) if np.ndim(pixels[0]) == 4 else _AT_ONCE
        for start in range(0, len(pixels), step):
            batch = torch.from_numpy(np.stack(pixels[start : start + step])).to(self._device)
            images = normalize_pixels(batch, self._mean, self._std) if batch.dtype == torch.uint8 else batch
            parts.append(self._clip.embed_images(images))
        return _to_numpy(parts)

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """N sentences, cut where they are too long -> (N, E) unit rows."""
        parts = []
        for start in range(0, len(texts), _AT_ONCE):
            tokens = self._tokenizer.pad(self._tokenizer.rows(texts[start : start + _AT_ONCE], truncate=True))
            ids, mask = (torch.from_numpy(array).to(self._device) for array in tokens)
            parts.append(self._clip.embed_texts(ids, mask))
        return _to_numpy(parts)


def _to_numpy(parts: Sequence[Tensor]) -> NDArray[np.float32]:
    return np.asarray(torch.cat(list(parts)).float().cpu().numpy(), np.float32)
