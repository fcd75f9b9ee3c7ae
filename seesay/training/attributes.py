"""Colours, numbers and styles: what a picture shows beside its things, learned from pictures that are made for it.

    one subject, shown in each way of a family ─→ a vector for each way
    a way's vectors less those of the whole family, in the mean ─→ the direction of that way

A classifier was taught what things are and never what red is, but pictures of one thing in two colours lie apart, and
always in about the same direction. A text that says the colour is then taught to point there (`lessons`).

Must not know towers or texts other than its own. Shape legend: S subjects, E embedding.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from seesay.training.alignment import Matrix, unit
from seesay.training.compositions import part, plain
from seesay.training.phrases import with_article

_LEAST_CLEAR = 0.15  # of a drawing: one without a transparent ground is a picture, and cannot be laid on another
_LEAST_COLOR = 10  # of a photograph, the largest less the smallest of R, G and B in the mean
_PARTS, _GROUNDS = (0.4, 1.0), (0.1, 0.7)  # of a photograph, in its shorter sides
_WIDTH = 0.8  # of a drawing by itself, in sides of the picture
_MARGIN = 0.9  # of a drawing among others, in sides of its cell
_CUT_OUT_PX = 400

_COLORS = {
    "red": (200, 25, 25),
    "orange": (240, 130, 20),
    "yellow": (245, 215, 40),
    "green": (40, 150, 50),
    "blue": (40, 80, 200),
    "purple": (120, 50, 150),
    "pink": (245, 140, 180),
    "brown": (120, 75, 40),
    "black": (30, 30, 30),
    "white": (235, 235, 235),
    "gray": (130, 130, 130),
}
_NUMBERS = {
    1: ("one {name}", "a single {name}"),
    2: ("two {many}", "a pair of {many}"),
    3: ("three {many}",),
    4: ("four {many}", "several {many}"),
    6: ("six {many}",),
    9: ("nine {many}", "many {many}", "a lot of {many}", "a group of {many}"),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """What is shown in many ways."""

    drawing: Image.Image
    """RGBA, with a transparent ground."""
    ground: Image.Image
    """Square RGB, to lay it on."""
    photo: Image.Image
    """Another square, as large."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """A way to show a subject, and how people say that."""

    family: str
    """What it is compared with: all of one family show the same subjects."""
    show: Callable[[Subject], Image.Image]
    phrases: tuple[str, ...] = ()
    """Of a thing, with the gaps of `phrases.phrase`; none for one that is only there for comparison."""
    alone: tuple[str, ...] = ()
    """Of nothing in particular."""


def find_subjects(
    drawings: Sequence[Path], photos: Sequence[Image.Image], *, count: int, size_px: int, seed: int
) -> Iterator[Subject]:
    """At most so many, each with a drawing of its own.

    Args:
        drawings: files; those without a transparent ground are passed over.
        photos: RGB, no side shorter than a few dozen pixels; those that are gray are passed over, having no colour to
            lose.
        count: how many.
        size_px: the side of the grounds.
        seed: of everything that is drawn.
    """
    random = np.random.default_rng(seed)
    photos = [photo for photo in photos if np.ptp(np.asarray(photo), axis=2).mean() > _LEAST_COLOR]
    cut_outs = filter(None, (_cut_out(drawings[row]) for row in random.permutation(len(drawings))))
    for drawing in islice(cut_outs, count):
        photo = photos[int(random.integers(len(photos)))]
        ground = part(photo, random, size_px, _GROUNDS) if random.random() < 0.5 else plain(random, size_px)
        yield Subject(drawing, ground, part(photo, random, size_px, _PARTS))


def directions_of(vectors: Mapping[str, Matrix]) -> dict[str, Matrix]:
    """Where each of `ATTRIBUTES` lies, as (E,) unit vectors.

    Args:
        vectors: for each attribute (S, E) unit rows, of the same subjects in the same order.
    """
    families = defaultdict(list)
    for name, attribute in ATTRIBUTES.items():
        families[attribute.family].append(name)
    return {
        name: unit((vectors[name] - np.mean([vectors[other] for other in names], axis=0)).mean(axis=0))
        for names in families.values()
        for name in names
    }


def color(subject: Subject, rgb: tuple[int, int, int]) -> Image.Image:
    """The drawing in shades of one colour, from its dark to its light."""
    gray = ImageOps.autocontrast(subject.drawing.convert("L"))
    dark, light = (tuple(level // 4 for level in rgb), tuple(level + (255 - level) // 2 for level in rgb))
    shades = ImageOps.colorize(gray, black=dark, white=light, mid=rgb)
    shades.putalpha(subject.drawing.getchannel("A"))
    return _laid(shades, subject.ground, _WIDTH)


def repeat(subject: Subject, count: int) -> Image.Image:
    """The drawing so many times, side by side and in rows."""
    if count == 1:
        return _laid(subject.drawing, subject.ground, _WIDTH)
    picture = subject.ground.copy()
    columns = int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    for number in range(count):
        row, column = divmod(number, columns)
        centre = ((column + 0.5) / columns, (row + 0.5) / rows)
        picture = _laid(subject.drawing, picture, _MARGIN / columns, centre)
    return picture


def _gray(photo: Image.Image) -> Image.Image:
    return photo.convert("L").convert("RGB")


def _sketch(photo: Image.Image) -> Image.Image:
    return ImageOps.invert(photo.convert("L").filter(ImageFilter.FIND_EDGES)).convert("RGB")


def _pixelated(photo: Image.Image) -> Image.Image:
    few = photo.resize((photo.width // 10, photo.height // 10), Image.Resampling.BOX)
    return few.resize(photo.size, Image.Resampling.NEAREST)


def _sepia(photo: Image.Image) -> Image.Image:
    return ImageOps.colorize(photo.convert("L"), black="black", white="#fff0d0", mid="#8a6a40")


def _style(change: Callable[[Image.Image], Image.Image], *phrases: str, alone: tuple[str, ...]) -> Attribute:
    return Attribute("style", lambda subject: change(subject.photo), phrases, alone)


ATTRIBUTES: Mapping[str, Attribute] = {
    **{
        name: Attribute(
            "color",
            partial(color, rgb=rgb),
            (
                f"{with_article(name)} {{name}}",
                f"a photo of {with_article(name)} {{name}}",
                f"{name} {{many}}",
                f"{{one}} that is {name}",
                f"{{one}} in {name}",
            ),
            (
                *(name, f"something {name}", f"{name} things", f"the color {name}"),
                *(f"{with_article(name)} object", f"{with_article(name)} thing"),
            ),
        )
        for name, rgb in _COLORS.items()
    },
    **{str(count): Attribute("number", partial(repeat, count=count), phrases) for count, phrases in _NUMBERS.items()},
    "plain": Attribute("style", lambda subject: subject.photo),
    "black and white": _style(
        _gray,
        *("a black and white photo of {one}", "a monochrome picture of {one}"),
        alone=("black and white", "a black and white photo"),
    ),
    "blurry": _style(
        lambda photo: photo.filter(ImageFilter.GaussianBlur(photo.width / 60)),
        *("a blurry photo of {one}", "{one}, out of focus"),
        alone=("blurry", "a blurry photo", "out of focus"),
    ),
    "dark": _style(
        lambda photo: ImageEnhance.Brightness(photo).enhance(0.3),
        *("a dark photo of {one}", "{one} at night", "{one} in the dark"),
        alone=("dark", "a dark photo", "at night"),
    ),
    "bright": _style(
        lambda photo: ImageEnhance.Brightness(photo).enhance(1.9),
        *("a bright photo of {one}", "an overexposed photo of {one}"),
        alone=("bright", "a bright photo"),
    ),
    "sketch": _style(
        _sketch,
        *("a sketch of {one}", "a pencil drawing of {one}", "a line drawing of {one}"),
        alone=("a sketch", "a line drawing"),
    ),
    "pixelated": _style(
        _pixelated,
        *("a pixelated photo of {one}", "a low resolution photo of {one}"),
        alone=("pixelated",),
    ),
    "sepia": _style(_sepia, "a sepia photo of {one}", "an old photo of {one}", alone=("sepia", "an old photo")),
    "photo": Attribute("medium", lambda subject: subject.photo),
    "drawing": Attribute(
        "medium",
        lambda subject: _laid(subject.drawing, Image.new("RGB", subject.ground.size, "white"), _WIDTH),
        (
            *("a drawing of {one}", "clip art of {one}", "an illustration of {one}"),
            *("a cartoon of {one}", "a cartoon {name}"),
        ),
        ("a drawing", "clip art", "a cartoon", "an illustration"),
    ),
}
"""By a name of their own, which no text needs."""


def _cut_out(path: Path) -> Image.Image | None:
    """A drawing of a handy size, or None if it has no transparent ground."""
    with Image.open(path) as file:
        drawing = file.convert("RGBA")
    is_clear = np.asarray(drawing.getchannel("A")) < 128
    if is_clear.all() or is_clear.mean() < _LEAST_CLEAR:
        return None
    return _fitted(drawing.crop(drawing.getbbox()), _CUT_OUT_PX)


def _laid(
    drawing: Image.Image, ground: Image.Image, width: float, centre: tuple[float, float] = (0.5, 0.5)
) -> Image.Image:
    """A drawing on a square ground: its longer side and its place in sides of the square."""
    fitted = _fitted(drawing, round(width * ground.width))
    corner = (
        round(centre[0] * ground.width - fitted.width / 2),
        round(centre[1] * ground.width - fitted.height / 2),
    )
    picture = ground.copy()
    picture.paste(fitted, corner, fitted)
    return picture


def _fitted(drawing: Image.Image, side_px: int) -> Image.Image:
    factor = side_px / max(drawing.size)
    width, height = (max(1, round(length * factor)) for length in drawing.size)
    return drawing.resize((width, height), Image.Resampling.BICUBIC)
