"""Pictures made to learn from: drawings laid on parts of photographs, and parts of photographs by themselves.

A tower that copies another one needs pictures, and no labels. A few photographs and some thousand drawings with a
transparent ground make any number.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from seesay.inputs.quiet import QuietPillow

_QUIET = QuietPillow()
_PLAIN = 0.4  # share of the drawings that are laid on one colour, half of these on white
_SIZES = (0.6, 1.15)  # of a drawing, in sides of the picture
_PARTS = (0.3, 1.0)  # of a photograph, in its shorter sides
_GROUNDS = (0.1, 0.7)  # the same, behind a drawing
_MOST_PIXELS = 4_000_000  # of a drawing: a few have 600 million, and would take longer than all others


def leave_out_huge(drawings: Sequence[Path]) -> list[Path]:
    """Those that are opened in no time."""
    kept = []
    for path in drawings:
        try:
            with _QUIET, Image.open(path) as drawing:
                if drawing.width * drawing.height <= _MOST_PIXELS:
                    kept.append(path)
        except Image.DecompressionBombError:
            continue
    return kept


def compositions(
    drawings: Sequence[Path], photos: Sequence[Image.Image], *, count: int, size_px: int, share_photos: float, seed: int
) -> Iterator[Image.Image]:
    """So many square RGB pictures.

    Args:
        drawings: files with an alpha channel.
        photos: RGB, no side shorter than a few dozen pixels.
        count: how many.
        size_px: their side.
        share_photos: how many of them are parts of photographs, 0 to 1; the others show a drawing.
        seed: of everything that is drawn.
    """
    random = np.random.default_rng(seed)
    for _ in range(count):
        photo = photos[int(random.integers(len(photos)))]
        if random.random() < share_photos:
            yield part(photo, random, size_px, _PARTS)
            continue
        ground = plain(random, size_px) if random.random() < _PLAIN else part(photo, random, size_px, _GROUNDS)
        with Image.open(drawings[int(random.integers(len(drawings)))]) as drawing:
            yield compose(drawing, ground, random)


def compose(drawing: Image.Image, ground: Image.Image, random: np.random.Generator) -> Image.Image:
    """A drawing near the middle of a square ground; what is transparent shows the ground."""
    side = ground.width
    factor = float(random.uniform(*_SIZES)) * side / max(drawing.size)
    width, height = (max(1, round(length * factor)) for length in drawing.size)
    drawing = drawing.convert("RGBA").resize((width, height), Image.Resampling.BICUBIC)
    left, top = ((side - length) // 2 + int(random.integers(-side // 12, side // 12 + 1)) for length in drawing.size)
    picture = ground.copy()
    picture.paste(drawing, (left, top), drawing)
    return picture


def part(photo: Image.Image, random: np.random.Generator, size_px: int, shares: tuple[float, float]) -> Image.Image:
    """A random square of a photograph, mirrored or not.

    Args:
        photo: any size.
        random: where it is, and how large.
        size_px: the side that it comes in.
        shares: the least and the most of the shorter side.
    """
    side = max(1, int(min(photo.size) * random.uniform(*shares)))
    left, top = (int(random.integers(0, length - side + 1)) for length in photo.size)
    box = (left, top, left + side, top + side)
    square = photo.resize((size_px, size_px), Image.Resampling.BICUBIC, box=box)
    return square.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random.random() < 0.5 else square


def plain(random: np.random.Generator, size_px: int) -> Image.Image:
    """A square of one colour; every second one is white."""
    red, green, blue = (255,) * 3 if random.random() < 0.5 else (int(level) for level in random.integers(0, 256, 3))
    return Image.new("RGB", (size_px, size_px), (red, green, blue))
