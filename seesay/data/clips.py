"""What training does to a clip; drawn once for all of its frames, else the network would see flicker no video has.

Shape legend: T frames, S picture side.

Source: ActionCLIP's code (github.com/sallymmx/ActionCLIP, utils/Augmentation.py and datasets/transforms_ss.py), which
draws the colours anew for each frame.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from seesay.data.randaugment import rand_augment

SCALES = (1.0, 0.875, 0.75, 0.66)
"""Sides of a crop over the shorter side of the picture; source: ActionCLIP's GroupMultiScaleCrop."""
_PLACES = (  # left and top of a crop, in quarters of what is left over: corners, edges, middle, and between
    *((0, 0), (4, 0), (0, 4), (4, 4), (2, 2), (0, 2), (4, 2), (2, 4), (2, 0)),
    *((1, 1), (3, 1), (1, 3), (3, 3)),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipAugmentation:
    """What training does to a clip. The defaults are ActionCLIP's."""

    flip: bool = True
    """Mirror every other clip; to be left out where left and right are the answer."""
    colors: float = 0.8
    """How often brightness, contrast, saturation and hue are changed."""
    gray: float = 0.2
    """How often the colours are taken away."""
    rand_augment: tuple[int, int] = (0, 0)
    """How many changes of `seesay.data.randaugment` come first, and how strong; for Kinetics ActionCLIP has 2 and 9."""


def augment_clip(
    pictures: Sequence[Image.Image], size: int, how: ClipAugmentation, random: np.random.Generator
) -> NDArray[np.uint8]:
    """One crop, one flip, one change of colours for all frames.

    Args:
        pictures: T of one size.
        size: S.
        how: what is changed.
        random: of every draw.

    Returns:
        (T, S, S, 3) uint8.
    """
    if how.rand_augment[0]:
        pictures = rand_augment(pictures, *how.rand_augment, random)
    box = _random_box(pictures[0].size, random)
    cut = [one.resize((size, size), Image.Resampling.BICUBIC, box=box) for one in pictures]
    if how.flip and random.random() < 0.5:
        cut = [one.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for one in cut]
    if random.random() < how.colors:
        cut = _change_colors(cut, random)
    if random.random() < how.gray:
        cut = [one.convert("L").convert("RGB") for one in cut]
    return np.stack([np.asarray(one, np.uint8) for one in cut])


def _random_box(size: tuple[int, int], random: np.random.Generator) -> tuple[float, float, float, float]:
    """One of 13 places and of four sides, width and height at most one step of the scales apart."""
    sides = [min(size) * scale for scale in SCALES]
    pairs = [(wide, high) for i, wide in enumerate(sides) for j, high in enumerate(sides) if abs(i - j) <= 1]
    wide, high = pairs[random.integers(len(pairs))]
    x, y = _PLACES[random.integers(len(_PLACES))]
    left, top = (size[0] - wide) * x / 4, (size[1] - high) * y / 4
    return (left, top, min(left + wide, float(size[0])), min(top + high, float(size[1])))


def _change_colors(pictures: list[Image.Image], random: np.random.Generator) -> list[Image.Image]:
    """Brightness and contrast by up to 40 %, saturation by 20 %, hue by a tenth of the circle; in a random order."""
    factors = {
        ImageEnhance.Brightness: random.uniform(0.6, 1.4),
        ImageEnhance.Contrast: random.uniform(0.6, 1.4),
        ImageEnhance.Color: random.uniform(0.8, 1.2),
    }
    turn = math.floor(random.uniform(-0.1, 0.1) * 256)
    kinds = list(factors)
    for place in random.permutation(len(kinds)):
        kind = kinds[place]
        if kind is ImageEnhance.Contrast:
            pictures = _change_contrast(pictures, factors[kind])
        else:
            pictures = [kind(one).enhance(factors[kind]) for one in pictures]
    return [_turn_hue(one, turn) for one in pictures]


def _change_contrast(pictures: list[Image.Image], factor: float) -> list[Image.Image]:
    """Around the mean of the whole clip; a frame's own mean would make it flicker."""
    mean = round(float(np.mean([np.asarray(one.convert("L")).mean() for one in pictures])))
    plain = Image.new("RGB", pictures[0].size, (mean,) * 3)
    return [Image.blend(plain, one, factor) for one in pictures]


def _turn_hue(picture: Image.Image, turn: int) -> Image.Image:
    hue, saturation, value = picture.convert("HSV").split()
    turned = hue.point(lambda number: (number + turn) % 256)
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")
