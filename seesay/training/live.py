"""A model in training, asked as one that is ready: pictures and sentences in, vectors out.

Shape legend: N pictures or texts, S picture side, E embedding.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seesay.models.clip import Clip, normalize_pixels
from seesay.training.trainee import Trainee, tokenizer_of

_AT_ONCE = 64


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
    def encode_pixels(self, pixels: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """N pictures of (S, S, 3) uint8 -> (N, E) unit rows."""
        parts = []
        for start in range(0, len(pixels), _AT_ONCE):
            batch = torch.from_numpy(np.stack(pixels[start : start + _AT_ONCE])).to(self._device)
            parts.append(self._clip.embed_images(normalize_pixels(batch, self._mean, self._std)))
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
