"""From a decoded picture to the square of pixels that a model takes.

Resizing and cropping only. Normalisation belongs to the backend, so that pixels travel as bytes, a quarter of
the size of floats. Knows Pillow and NumPy; must not know a model, a file format or a batch.
Shape legend: S picture side in pixels.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from seesay.base.errors import BundleError, InputError
from seesay.inputs.fields import check_fields
from seesay.inputs.pictures import Source, open_picture

ResizeMode: TypeAlias = Literal["shortest", "squash", "longest", "none"]
CropRounding: TypeAlias = Literal["even", "down"]
Interpolation: TypeAlias = Literal["bicubic", "bilinear", "bicubic_sharp", "lanczos", "nearest", "box", "hamming"]

# Above this ratio of the sides only the middle of a picture is resized. Resizing the whole of 60000 × 3 pixels to
# a shorter side of 224 would first make 4.4 million × 224 of them (4 GB), of which 224 × 224 are kept. At 100 the
# most that is made is S × 100 S: 20 MB at S = 224. A panorama has 10, a stitched scroll perhaps 50.
MAX_ASPECT = 100

_RESAMPLING = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic_sharp": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}
# Of the unsharp mask of "bicubic_sharp": its radius in pixels of the small picture, and its strength in percent.
# At 64 and 120 pixels enlarged to 240 they bring EfficientNet-Lite1's features closest to those of the picture that
# was made small (bench/starter_sharp.py); with most other radii and strengths the gain is smaller, with none a loss.
_SHARP_RADIUS, _SHARP_PERCENT = 0.4, 150
_EVERY_PX = 1 << 20  # more than any picture has: what is not shrunk must not be decoded smaller
_RARE = {"resize_px": None, "crop_rounding": "even"}  # left out where they are as usual, so that old bundles keep ids
_PADDING = (0, 0, 0)  # black, as open_clip pads with its fill_color of 0


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageConfig:
    """How a model wants its pictures: the section `image` of a bundle's config.json."""

    size_px: int
    """S: the side of the square that the model takes, in pixels."""

    resize: ResizeMode
    """How a picture that is not square becomes one.

    `shortest`: the shorter side becomes S, then the middle is cut out (OpenAI's recipe).
    `squash`: both sides become S, whatever the shape (SigLIP).
    `longest`: the longer side becomes S, then black is added evenly around it (open_clip's `longest`).
    `none`: the middle is cut out of the picture as it is, and black added where it is smaller.
    """

    interpolation: Interpolation
    """The filter that the model was trained with. All but `nearest` look at every source pixel when they shrink.

    `bicubic_sharp` shrinks like bicubic, and sharpens after it had to enlarge: a tower that saw only pictures with
    sharp edges takes a thumbnail of a car for a blurred photograph of something else.
    """

    mean: tuple[float, float, float]
    """Subtracted by the backend, in RGB order, of pixels in [0, 1]."""

    std: tuple[float, float, float]
    """Divided by after the mean, in RGB order; each is positive."""

    resize_px: int | None = None
    """What `shortest` and `squash` make the sides before the middle is cut out, in pixels; None: S, as is usual."""

    crop_rounding: CropRounding = "even"
    """Where the middle begins when what is cut away is odd: at the even one of the two places, as OpenAI, open_clip and
    torchvision do (`even`), or always at the smaller one, as transformers does (`down`)."""

    def __post_init__(self) -> None:
        """Refuse what no model can mean."""
        if not _is_size(self.size_px):
            raise BundleError(f"image.size_px must be a whole number of pixels, at least 1; got {self.size_px!r}")
        for name, kinds in (
            ("resize", get_args(ResizeMode)),
            ("interpolation", get_args(Interpolation)),
            ("crop_rounding", get_args(CropRounding)),
        ):
            if getattr(self, name) not in kinds:
                raise BundleError(f"image.{name} must be one of {', '.join(kinds)}; got {getattr(self, name)!r}")
        if self.resize_px is not None and (not _is_size(self.resize_px) or self.resize not in ("shortest", "squash")):
            raise BundleError(
                "image.resize_px must be a whole number of pixels, at least 1, and goes with the modes shortest and "
                f"squash only; got {self.resize_px!r} with {self.resize}"
            )
        for name in ("mean", "std"):
            values = getattr(self, name)
            if len(values) != 3 or not all(np.isfinite(value) for value in values):
                raise BundleError(f"image.{name} must be three numbers, for red, green and blue; got {values!r}")
        if min(self.std) <= 0:
            raise BundleError(f"image.std must be positive, it is divided by; got {self.std!r}")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "ImageConfig":
        """Read the section `image` of a bundle's config.json.

        Raises:
            BundleError: a key is missing or unknown, or a value is impossible; it names the key.
        """
        data = {**_RARE, **data}
        check_fields(cls, data, section="image")
        triples = {}
        for name in ("mean", "std"):
            try:
                triples[name] = tuple(float(value) for value in data[name])
            except (TypeError, ValueError) as error:
                raise BundleError(f"image.{name} must be three numbers; got {data[name]!r}") from error
        return cls(**{**data, **triples})

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` reads, with nothing but JSON's types."""
        fields = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        return {key: value for key, value in fields.items() if key not in _RARE or value != _RARE[key]}

    def at_size(self, size_px: int) -> "ImageConfig":
        """The same for a square of another side; what is cut away stays the same share of the picture."""
        resize_px = None if self.resize_px is None else round(self.resize_px * size_px / self.size_px)
        return replace(self, size_px=size_px, resize_px=resize_px)


class ImageTransform:
    """Resize and crop a picture for one model; holds no state, so any number of threads may share one."""

    def __init__(self, config: ImageConfig) -> None:
        """Args: config: how the model wants its pictures."""
        self.config = config
        self._resize: Callable[[Image.Image, int, Image.Resampling], Image.Image] = _MODES[config.resize]

    @property
    def target_px(self) -> int:
        """The length of shorter side that a picture should be decoded to at least."""
        return _EVERY_PX if self.config.resize == "none" else self.config.resize_px or self.config.size_px

    def __call__(self, picture: Image.Image) -> NDArray[np.uint8]:
        """From an RGB picture of any size to (S, S, 3) uint8, rows top to bottom, not normalised.

        The pixels are those of torchvision's `Resize` and `CenterCrop` on a Pillow picture, bit by bit, which is what
        OpenAI's and open_clip's models were trained on. Beyond a ratio of sides of `MAX_ASPECT` they may be off by
        part of a pixel, because only the middle is resized.

        Args:
            picture: as `open_picture` returns it; another mode is converted to RGB without any care for colour.

        Raises:
            InputError: it has no pixels.
        """
        if 0 in picture.size:
            raise InputError("the picture has no pixels")
        rgb = picture if picture.mode == "RGB" else picture.convert("RGB")
        resampling = _RESAMPLING[self.config.interpolation]
        resized = self._resize(rgb, self.target_px, resampling)
        square = _middle_square(resized, self.config.size_px, self.config.crop_rounding)
        if self.config.interpolation == "bicubic_sharp":
            square = sharpen(square, self._enlarged(rgb))
        return np.array(square, dtype=np.uint8)  # a copy: np.asarray of a picture is read-only

    def _enlarged(self, picture: Image.Image) -> float:
        """How many times larger a picture becomes."""
        side = max(picture.size) if self.config.resize == "longest" else min(picture.size)
        return (self.config.resize_px or self.config.size_px) / side


def sharpen(picture: Image.Image, enlarged: float) -> Image.Image:
    """What `bicubic_sharp` does to a picture that was made `enlarged` times as large as it was."""
    if enlarged <= 1:
        return picture
    return picture.filter(ImageFilter.UnsharpMask(_SHARP_RADIUS * enlarged, _SHARP_PERCENT, threshold=0))


def load_pixels(source: Source, transform: ImageTransform) -> NDArray[np.uint8]:
    """Open a picture and bring it to a model's pixels.

    Returns:
        (S, S, 3) uint8, not normalised.

    Raises:
        InputError: the picture cannot be read.
        MissingExtraError: its format needs an optional package.
    """
    return transform(open_picture(source, target_px=transform.target_px))


def _shortest(picture: Image.Image, size: int, resampling: Image.Resampling) -> Image.Image:
    picture = _middle(picture)
    width, height = picture.size
    # torchvision's arithmetic: the longer side is cut off, not rounded
    if width <= height:
        return picture.resize((size, int(size * height / width)), resampling)
    return picture.resize((int(size * width / height), size), resampling)


def _middle_square(picture: Image.Image, size: int, rounding: CropRounding) -> Image.Image:
    """The middle of a picture, with black around it where it is smaller; as torchvision's `center_crop`."""
    if picture.size == (size, size):
        return picture
    left, top = (_offset(side, size, rounding) for side in picture.size)
    return picture.crop((left, top, left + size, top + size))


def _offset(side: int, size: int, rounding: CropRounding) -> int:
    """Where the middle begins; Python's round takes halves to the even number."""
    if side < size:
        return -((size - side) // 2)
    return (side - size) // 2 if rounding == "down" else round((side - size) / 2.0)


def _middle(picture: Image.Image) -> Image.Image:
    """The picture itself, or of one longer than `MAX_ASPECT` times its width its middle part."""
    width, height = picture.size
    longest = MAX_ASPECT * min(width, height)
    if max(width, height) <= longest:
        return picture
    left, top = max(0, (width - longest) // 2), max(0, (height - longest) // 2)
    return picture.crop((left, top, left + min(width, longest), top + min(height, longest)))


def _squash(picture: Image.Image, size: int, resampling: Image.Resampling) -> Image.Image:
    return picture.resize((size, size), resampling)


def _longest(picture: Image.Image, size: int, resampling: Image.Resampling) -> Image.Image:
    ratio = max(picture.size) / size
    # open_clip's ResizeKeepRatio, except that a sliver keeps one pixel where open_clip would ask for none and fail
    width, height = (max(1, round(side / ratio)) for side in picture.size)
    square = Image.new("RGB", (size, size), _PADDING)
    square.paste(picture.resize((width, height), resampling), ((size - width) // 2, (size - height) // 2))
    return square


def _leave(picture: Image.Image, size: int, resampling: Image.Resampling) -> Image.Image:
    return picture


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


_MODES = {"shortest": _shortest, "squash": _squash, "longest": _longest, "none": _leave}
