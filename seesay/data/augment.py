"""What training does to a picture: (picture, size, generator) -> (S, S, 3) uint8. Each is a line in the table."""

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seesay.base.errors import UsageError
from seesay.inputs.transform import sharpen

Augmentation: TypeAlias = Callable[[Image.Image, int, np.random.Generator], NDArray[np.uint8]]


def square_crop(picture: Image.Image, size: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """The paper's only augmentation: the shorter side becomes `size`, and a random square is cut out.

    Source: CLIP, arXiv:2103.00020, section 2.4.
    """
    side = min(picture.size)
    left, top = (int(random.integers(0, length - side + 1)) for length in picture.size)
    return _resized(picture, (left, top, left + side, top + side), size)


def random_resized_crop(picture: Image.Image, size: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """A part of 90 to 100 % of the area and a ratio of sides of 3/4 to 4/3, as open_clip trains.

    Source: open_clip's AugmentationCfg; the draw is torchvision's RandomResizedCrop, ten tries and then the middle.
    """
    width, height = picture.size
    for _ in range(10):
        area = width * height * random.uniform(0.9, 1.0)
        ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        wide, high = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < wide <= width and 0 < high <= height:
            left, top = int(random.integers(0, width - wide + 1)), int(random.integers(0, height - high + 1))
            return _resized(picture, (left, top, left + wide, top + high), size)
    wide, high = min(width, round(height * 4 / 3)), min(height, round(width * 4 / 3))
    left, top = (width - wide) // 2, (height - high) // 2
    return _resized(picture, (left, top, left + wide, top + high), size)


def squash(picture: Image.Image, size: int, _: np.random.Generator) -> NDArray[np.uint8]:
    """The whole picture, its ratio of sides lost; nothing random."""
    return _resized(picture, (0, 0, *picture.size), size)


def _resized(picture: Image.Image, box: tuple[int, int, int, int], size: int) -> NDArray[np.uint8]:
    rgb = picture if picture.mode == "RGB" else picture.convert("RGB")
    return np.array(rgb.resize((size, size), Image.Resampling.BICUBIC, box=box), dtype=np.uint8)


def sharpened(augment: Augmentation) -> Augmentation:
    """An augmentation for a model whose pictures are sharpened where they are enlarged (`bicubic_sharp`).

    Without it the starter would learn thumbnails as another kind of picture than it is asked about.
    """

    def sharper(picture: Image.Image, size: int, random: np.random.Generator) -> NDArray[np.uint8]:
        made = Image.fromarray(augment(picture, size, random))
        return np.array(sharpen(made, size / min(picture.size)), dtype=np.uint8)

    return sharper


AUGMENTATIONS: dict[str, Augmentation] = {
    "square_crop": square_crop,
    "random_resized_crop": random_resized_crop,
    "squash": squash,
}


def find_augmentation(name: str) -> Augmentation:
    """One of `AUGMENTATIONS`.

    Raises:
        UsageError: no such name.
    """
    if name not in AUGMENTATIONS:
        raise UsageError(f"there is no augmentation {name!r}; there are {', '.join(AUGMENTATIONS)}")
    return AUGMENTATIONS[name]
