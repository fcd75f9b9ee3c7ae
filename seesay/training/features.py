"""Features of pictures, computed once: where the image tower stays as it is, a small set need not go through it again.

Of each picture there are a few augmented views, and what the tower makes of a view is kept. The tower is then passed
over in the steps: fifty pictures take seconds instead of minutes. Which views a picture has is decided by its name, so
a run that goes on sees the same.

Shape legend: S picture side, D tower width.
"""

import contextlib
import copy
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seesay.base.errors import InputError
from seesay.data.augment import Augmentation
from seesay.data.classes import ClassTable
from seesay.data.source import Example, Pass, Source, number_of
from seesay.encoders.bundle import Bundle
from seesay.inputs.pictures import open_picture
from seesay.models.clip import Clip, normalize_pixels
from seesay.training.config import TrainConfig

VIEWS = 8
"""Of each picture."""
_AT_ONCE = 32


def is_kept(clip: Clip, sources: list[Source], config: TrainConfig) -> bool:
    """Whether features are kept: nothing in the image tower learns, and each view of a picture comes more than once."""
    if config.teacher.model or config.model.compile or config.model.video.num_frames:
        return False  # these look at the pictures themselves
    if any(parameter.requires_grad for parameter in cast(nn.Module, clip.image_tower).parameters()):
        return False
    counts = [len(source) for source in sources if isinstance(source, ClassTable)]
    return len(counts) == len(sources) and VIEWS * sum(counts) < config.steps * config.batch_size


class FeatureReader:
    """A picture -> (D,) float32, what the tower makes of one of its views.

    Args:
        clip: with the tower; it goes on taking pictures too, so that it can be measured.
        bundle: how pictures are prepared for it.
        augment: what makes a view of a picture.
    """

    def __init__(self, clip: Clip, bundle: Bundle, augment: Augmentation) -> None:
        tower = cast(nn.Module, clip.image_tower)
        shared = {id(tensor): tensor for tensor in (*tower.parameters(), *tower.buffers())}
        # modules of its own around the same weights: the model's go between training and evaluation meanwhile
        self._tower = copy.deepcopy(tower, cast(dict[int, object], shared)).eval()
        self._augment, self._size_px = augment, bundle.image.size_px
        self._device = clip.log_scale.device
        image = bundle.image
        self._mean, self._std = (torch.tensor(each, device=self._device) for each in (image.mean, image.std))
        self._kept: dict[tuple[Path | bytes, int], NDArray[np.float32]] = {}
        self._lock = threading.Lock()
        forward = tower.forward
        tower.forward = lambda images: images if images.ndim == 2 else forward(images)

    def __call__(self, image: Path | bytes, random: np.random.Generator) -> NDArray[np.float32]:
        """Look one up, or compute it.

        Raises:
            InputError: it cannot be read.
        """
        key = image, int(random.integers(VIEWS))
        if key not in self._kept:
            self._kept[key] = self._features([self._pixels(*key)])[0]
        return self._kept[key]

    def fill(self, sources: Iterable[Source]) -> None:
        """Compute every view of all pictures now, so that no step waits for them.

        A picture that cannot be read is left to the loader, which says so.
        """
        examples = [example for source in sources for example, _ in source.stream(Pass(0, 0))]
        views = [(one.image, view) for one in examples if isinstance(one, Example) for view in range(VIEWS)]
        for start in range(0, len(views), _AT_ONCE):
            pixels: dict[tuple[Path | bytes, int], NDArray[np.uint8]] = {}
            for key in views[start : start + _AT_ONCE]:
                with contextlib.suppress(InputError):
                    pixels[key] = self._pixels(*key)
            if pixels:
                self._kept.update(zip(pixels, self._features(list(pixels.values())), strict=True))

    def _pixels(self, image: Path | bytes, view: int) -> NDArray[np.uint8]:
        random = np.random.default_rng([view, number_of(str(image)) & (1 << 63) - 1])
        # a tenth more than S is enough to cut from, as in `seesay.data.loader`
        return self._augment(open_picture(image, target_px=self._size_px * 10 // 9), self._size_px, random)

    def _features(self, pixels: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """N pictures of (S, S, 3) -> (N, D)."""
        with self._lock, torch.inference_mode():  # the tower has its own threads
            batch = torch.from_numpy(np.stack(pixels)).to(self._device)
            features: Tensor = self._tower(normalize_pixels(batch, self._mean, self._std))
        return features.float().cpu().numpy()
