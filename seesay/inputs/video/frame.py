"""One picture of a video."""

from typing import NamedTuple

from PIL import Image


class Frame(NamedTuple):
    """A picture of a video."""

    time_s: float
    """When it comes onto the screen, from the first picture of the stream; the container's own timestamp."""

    image: Image.Image
    """Upright, 8-bit sRGB, square pixels: what `Encoder.encode_images` and `Encoder.transform` take."""

    shot_s: tuple[float, float | None] | None = None
    """With `Shots`: where the shot that it stands for begins and ends; no end where that is the file's."""
