"""From whatever numbers a picture file stores to 8-bit sRGB: the only colours that models were trained on.

Knows Pillow's modes and colour profiles; must not know files or models.
"""

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

_GREY_MODES = frozenset({"1", "L", "LA", "La"})
_PROFILE_MODES = {b"GRAY": "L", b"RGB ": "RGB", b"CMYK": "CMYK"}  # a profile's colour space, bytes 16 to 20 of it
_WHITE = (255, 255, 255)
# Tables of 8 bits round twice. Profiles that mean sRGB (HP's, Google's, LittleCMS's own) stay within this.
_SAME_COLOUR = 1


def to_srgb(picture: Image.Image) -> Image.Image:
    """A loaded picture of any mode as 8-bit sRGB without alpha and without metadata.

    * a colour profile is applied, and one that is broken or does not fit the picture is ignored: the pixels are then
      taken for sRGB, as browsers do;
    * what is transparent becomes white, as most pages behind such a picture are;
    * of more than 8 bits the upper 8 are kept (see `_to_8_bits` for what white is).

    Raises:
        ValueError: Pillow cannot convert this mode.
    """
    profile = picture.info.get("icc_profile")
    if picture.mode == "LAB":
        picture, profile = _lab_transform().apply(picture), None
    picture = _to_8_bits(picture)
    is_grey = picture.mode in _GREY_MODES
    alpha = None
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        alpha = picture.getchannel("A")
    colours = _apply_profile(picture, profile, is_grey=is_grey)
    if alpha is None:
        result = colours.copy() if colours is picture else colours  # a copy has let go of the file and its class
    else:
        result = Image.new("RGB", picture.size, _WHITE)
        result.paste(colours, mask=alpha)
    result.info = {}  # else saving it would write the old profile beside the new colours
    return result


def _apply_profile(picture: Image.Image, profile: object, *, is_grey: bool) -> Image.Image:
    """The colours of a picture as RGB, by its profile where that fits, else by Pillow's plain formulas."""
    if isinstance(profile, bytes) and (mode := _PROFILE_MODES.get(profile[16:20])):
        # A grey picture may carry an RGB profile, which is right for its greys. Any other mix is somebody's mistake.
        fits = mode == "RGB" if picture.mode != "CMYK" and not is_grey else mode != "CMYK"
        if picture.mode == "CMYK":
            fits = mode == "CMYK"
        if fits and (transform := _srgb_transform(profile, mode)):
            native = picture if picture.mode == mode else picture.convert(mode)
            return transform.apply(native)
    return picture if picture.mode == "RGB" else picture.convert("RGB")


@lru_cache(maxsize=32)  # a folder's pictures share a few profiles; a CMYK one takes up to 2 MB
def _srgb_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The way from a profile to sRGB; None where the profile is broken or is sRGB already.

    Whether it is sRGB is measured on sample colours, not read from its name: "sRGB-elle-V2-g10" is linear light.
    LittleCMS transforms may be used by several threads at once.
    """
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None
    samples = _samples(mode)
    before, after = np.asarray(samples.convert("RGB"), np.int16), np.asarray(transform.apply(samples), np.int16)
    return None if np.abs(after - before).max() <= _SAME_COLOUR else transform


@lru_cache(maxsize=1)
def _lab_transform() -> ImageCms.ImageCmsTransform:
    """From the colours of Photoshop and of TIFF, which are Lab under D50, to sRGB."""
    return ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")


def _samples(mode: str) -> Image.Image:
    """A small picture of colours from all over the space of `mode`: every grey, or 9 steps of each channel."""
    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    num_channels = len(mode)  # RGB, CMYK
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    grid = np.stack(np.meshgrid(*[steps] * num_channels), axis=-1).reshape(1, -1, num_channels)
    return Image.frombytes(mode, (grid.shape[1], 1), grid.tobytes())


def _to_8_bits(picture: Image.Image) -> Image.Image:
    """A grey picture of 16 or 32 bits or of floats as 8 bits; any other as it is.

    White is 65535 for whole numbers. Floats have no agreed white: it is the first of 1, 255 and 65535 that no value
    exceeds. Whatever exceeds all of these is scaled by its brightest value. Not a number is black.
    """
    if picture.mode not in ("I", "F") and not picture.mode.startswith("I;16"):
        return picture
    values = np.asarray(picture)
    if picture.mode.startswith("I;16"):
        grey = (values >> 8).astype(np.uint8)
    else:
        scaled = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
        whites = (1.0, 255.0, 65535.0) if picture.mode == "F" else (65535.0,)
        brightest = float(scaled.max())
        white = next((white for white in whites if brightest <= white), brightest)
        grey = (scaled.clip(0.0, white) * (255.0 / white) + 0.5).astype(np.uint8)
    result = Image.fromarray(grey)
    transparency = picture.info.get("transparency")
    if isinstance(transparency, int):  # PNG: this one grey, of 16 bits, is transparent
        result.putalpha(Image.fromarray(np.where(values == transparency, 0, 255).astype(np.uint8)))
    return result
