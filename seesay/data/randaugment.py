"""RandAugment for clips: N changes drawn at random, each as strong as M says, the same for all frames.

What depends on the whole picture (contrast, equalising) is computed over all frames together, as one tall picture;
computed frame by frame it would flicker.

Source: RandAugment, arXiv:1909.13719, with the changes and ranges of the implementation that ActionCLIP uses
(github.com/ildoonet/pytorch-randaugment, MIT): strengths of 0 to 30, lengths in pixels of a picture of 224.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageOps

from seesay.base.errors import UsageError

STRONGEST = 30
_GREY = (125, 123, 114)  # what a cut-out is filled with; the source's, ImageNet's mean
_SIDE = 224

Change: TypeAlias = Callable[[Image.Image, float, np.random.Generator], Image.Image]


def _add_below(picture: Image.Image, value: float) -> Image.Image:
    """Lighten what is darker than the middle."""
    lighter = ImageChops.add(picture, Image.new("RGB", picture.size, (round(value),) * 3))
    is_dark = [band.point(lambda level: 255 * (level < 128)) for band in picture.split()]
    bands = zip(lighter.split(), picture.split(), is_dark, strict=True)
    return Image.merge("RGB", [Image.composite(light, band, mask) for light, band, mask in bands])


def _moved(picture: Image.Image, matrix: tuple[float, float, float, float, float, float]) -> Image.Image:
    return picture.transform(picture.size, Image.Transform.AFFINE, matrix)


# of all frames together: their strength at 0 and at 30
_COLORS: dict[str, tuple[Callable[[Image.Image, float], Image.Image], float, float]] = {
    "auto_contrast": (lambda one, _: ImageOps.autocontrast(one), 0, 1),
    "equalize": (lambda one, _: ImageOps.equalize(one), 0, 1),
    "invert": (lambda one, _: ImageOps.invert(one), 0, 1),
    "posterize": (lambda one, value: ImageOps.posterize(one, max(1, int(value))), 0, 4),
    "solarize": (lambda one, value: ImageOps.solarize(one, int(value)), 0, 256),
    "solarize_add": (_add_below, 0, 110),
    "color": (lambda one, value: ImageEnhance.Color(one).enhance(value), 0.1, 1.9),
    "contrast": (lambda one, value: ImageEnhance.Contrast(one).enhance(value), 0.1, 1.9),
    "brightness": (lambda one, value: ImageEnhance.Brightness(one).enhance(value), 0.1, 1.9),
    "sharpness": (lambda one, value: ImageEnhance.Sharpness(one).enhance(value), 0.1, 1.9),
}
# of each frame by itself, all alike; the sign of the value is drawn
_SHAPES: dict[str, tuple[Callable[[Image.Image, float], Image.Image], float, float]] = {
    "rotate": (lambda one, value: one.rotate(value), 0, 30),
    "shear_x": (lambda one, value: _moved(one, (1, value, 0, 0, 1, 0)), 0, 0.3),
    "shear_y": (lambda one, value: _moved(one, (1, 0, 0, value, 1, 0)), 0, 0.3),
    "translate_x": (lambda one, value: _moved(one, (1, 0, value * one.width / _SIDE, 0, 1, 0)), 0, 100),
    "translate_y": (lambda one, value: _moved(one, (1, 0, 0, 0, 1, value * one.height / _SIDE)), 0, 100),
}
CHANGES = (*_COLORS, *_SHAPES, "cutout")


def rand_augment(
    pictures: Sequence[Image.Image], count: int, strength: int, random: np.random.Generator
) -> list[Image.Image]:
    """Change a clip.

    Args:
        pictures: T of one size, RGB.
        count: N, how many changes; one may come twice.
        strength: M, 0 to 30.
        random: of the draws.

    Raises:
        UsageError: a strength beyond 30, or a count below 0.
    """
    if count < 0 or not 0 <= strength <= STRONGEST:
        raise UsageError(f"RandAugment takes a count from 0 and a strength of 0 to 30, got {count} and {strength}")
    changed = list(pictures)
    for name in random.choice(CHANGES, count):
        changed = change(str(name), changed, strength, random)
    return changed


def change(name: str, pictures: Sequence[Image.Image], strength: int, random: np.random.Generator) -> list[Image.Image]:
    """One change of `CHANGES`, the same for all pictures."""
    share = strength / STRONGEST
    if name == "cutout":
        return _cut_out(pictures, 40 * share, random)
    if name in _COLORS:
        function, low, high = _COLORS[name]
        return _split(function(_join(pictures), low + share * (high - low)), len(pictures))
    function, low, high = _SHAPES[name]
    value = (low + share * (high - low)) * (1 if random.random() < 0.5 else -1)
    return [function(one, value) for one in pictures]


def _cut_out(pictures: Sequence[Image.Image], side: float, random: np.random.Generator) -> list[Image.Image]:
    """A grey square at one place of all frames."""
    width, height = pictures[0].size
    side = side * min(width, height) / _SIDE
    x, y = random.uniform(0, width), random.uniform(0, height)
    cut = []
    for one in pictures:
        copy = one.copy()
        ImageDraw.Draw(copy).rectangle((x - side / 2, y - side / 2, x + side / 2, y + side / 2), fill=_GREY)
        cut.append(copy)
    return cut


def _join(pictures: Sequence[Image.Image]) -> Image.Image:
    width, height = pictures[0].size
    tall = Image.new("RGB", (width, height * len(pictures)))
    for place, one in enumerate(pictures):
        tall.paste(one, (0, place * height))
    return tall


def _split(tall: Image.Image, count: int) -> list[Image.Image]:
    height = tall.height // count
    return [tall.crop((0, place * height, tall.width, (place + 1) * height)) for place in range(count)]
