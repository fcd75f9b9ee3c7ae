"""What transformers' image processors do to a picture, as an `ImageConfig`.

A processor resizes, cuts out the middle, multiplies and normalises; each step can be switched off. The last two are
folded into one mean and one deviation here, because our pixels always come as bytes. What the file leaves out is what
its class leaves out. What we cannot do (padding to the largest of a batch, sides that differ) is refused by name.

Source: transformers 5, image_processing_backends.py (`PilBackend`, `TorchvisionBackend`), image_processing_clip.py,
image_processing_siglip.py, image_processing_vit.py, image_processing_bit.py.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seesay.base.errors import BundleError
from seesay.encoders.checkpoints.fields import check, square, triple
from seesay.encoders.checkpoints.folder import read_json
from seesay.inputs.statistics import INCEPTION_MEAN, INCEPTION_STD, OPENAI_MEAN, OPENAI_STD, Triple
from seesay.inputs.transform import ImageConfig, Interpolation, ResizeMode

PREPROCESSOR, PROCESSOR = "preprocessor_config.json", "processor_config.json"
FILTERS: dict[int, Interpolation] = {
    0: "nearest",
    1: "lanczos",
    2: "bilinear",
    3: "bicubic",
    4: "box",
    5: "hamming",
}
"""Pillow's numbers."""

_STEPS = {"do_resize": True, "do_rescale": True, "do_normalize": True, "rescale_factor": 1 / 255, "do_pad": False}
_CLIP = _STEPS | {
    "size": {"shortest_edge": 224},
    "default_to_square": False,
    "do_center_crop": True,
    "crop_size": {"height": 224, "width": 224},
    "resample": 3,
    "image_mean": OPENAI_MEAN,
    "image_std": OPENAI_STD,
}
_SQUARE = _STEPS | {
    "size": {"height": 224, "width": 224},
    "default_to_square": True,
    "do_center_crop": False,
    "crop_size": None,
    "image_mean": INCEPTION_MEAN,
    "image_std": INCEPTION_STD,
}
_CLASSES: dict[str, Mapping[str, Any]] = {
    "CLIP": _CLIP,
    "Bit": _CLIP,
    "Siglip": _SQUARE | {"default_to_square": False, "resample": 3},
    "ViT": _SQUARE | {"resample": 2},
}
"""What each class does with a field that its file leaves out, or holds as null."""


def read_processor(folder: Path) -> tuple[str, Mapping[str, Any]] | None:
    """The settings of a folder's image processor, and the name of the file; None where it has none.

    transformers 5 writes one file for text and pictures, and prefers it where both are there.

    Raises:
        BundleError: a file is broken.
    """
    if (folder / PROCESSOR).is_file():
        nested = read_json(folder / PROCESSOR).get("image_processor")
        if isinstance(nested, dict):
            return PROCESSOR, nested
    if (folder / PREPROCESSOR).is_file():
        return PREPROCESSOR, read_json(folder / PREPROCESSOR)
    return None


def image_config(settings: Mapping[str, Any], *, model_type: str, image_size: int, name: str) -> ImageConfig:
    """What an image processor asks for.

    Args:
        settings: the processor's file, or the part of one that is about pictures.
        model_type: of the config beside it, which says the class where `settings` does not.
        image_size: side of the square that the image tower takes.
        name: of the file, for messages.

    Raises:
        BundleError: it asks for something that we have not, or makes pictures that the tower does not take.
    """
    check(settings, "image processor", name=name)
    usual = _CLASSES[_class(settings, model_type, name)]
    said = {**usual, **{key: value for key, value in settings.items() if value is not None}}
    mean, std = _statistics(said, name)
    size_px, resize, resize_px = _geometry(said, name)
    if said["do_pad"] and said.get("pad_size") is not None and _side(said["pad_size"], f"{name}: pad_size") != size_px:
        raise BundleError(f"its {name} pads pictures to {said['pad_size']!r}, which we do not")
    if size_px != image_size:
        raise BundleError(
            f"its {name} makes pictures of {size_px} pixels, and its image tower takes {image_size}; "
            "one of the two files is of another model"
        )
    if not isinstance(said["resample"], int) or said["resample"] not in FILTERS:
        raise BundleError(
            f"its {name} resizes with Pillow's filter {said['resample']!r}; the filters are "
            f"{', '.join(f'{kind} ({number})' for number, kind in FILTERS.items())}"
        )
    return ImageConfig(
        size_px=size_px,
        resize=resize,
        interpolation=FILTERS[said["resample"]],
        mean=mean,
        std=std,
        resize_px=None if resize_px == size_px else resize_px,
        crop_rounding="down" if said["do_center_crop"] else "even",
    )


def _class(settings: Mapping[str, Any], model_type: str, name: str) -> str:
    said = settings.get("image_processor_type") or settings.get("feature_extractor_type")
    if said is None:
        return "Siglip" if model_type == "siglip" else "CLIP"
    for ending in ("Pil", "Fast", "ImageProcessor", "FeatureExtractor"):
        said = str(said).removesuffix(ending)
    if said not in _CLASSES:
        known = ", ".join(f"{kind}ImageProcessor" for kind in _CLASSES)
        raise BundleError(f"its {name} is for transformers' {said}ImageProcessor; we know what {known} do")
    return said


def _geometry(said: Mapping[str, Any], name: str) -> tuple[int, ResizeMode, int | None]:
    """Side of the square, mode, and what the sides are made before the middle is cut out."""
    crop = _side(said["crop_size"], f"{name}: crop_size") if said["do_center_crop"] else None
    if not said["do_resize"]:
        if crop is None:
            raise BundleError(f"its {name} neither resizes nor cuts, and the image tower takes one size only")
        return crop, "none", None
    size = said["size"]
    if isinstance(size, int):
        size = {"height": size, "width": size} if said["default_to_square"] else {"shortest_edge": size}
    if said.get("use_square_size") and "shortest_edge" in size:
        size = {"height": size["shortest_edge"], "width": size["shortest_edge"]}
    if isinstance(size, dict) and size.keys() == {"shortest_edge"}:
        side = square(size["shortest_edge"], name=f"{name}: size")
        if crop is None:
            raise BundleError(f"its {name} makes the shorter side {side} and cuts nothing; the tower takes squares")
        return crop, "shortest", side
    side = _side(size, f"{name}: size")
    return (side if crop is None else crop), "squash", side


def _side(size: Any, name: str) -> int:
    """The side of a square that is written as a number, a list or height and width."""
    if isinstance(size, dict):
        if size.keys() != {"height", "width"}:
            raise BundleError(f"its {name} is {size!r}; we read shortest_edge, or height and width")
        size = [size["height"], size["width"]]
    return square(size, name=name)


def _statistics(said: Mapping[str, Any], name: str) -> tuple[Triple, Triple]:
    """Mean and deviation of pixels in [0, 1] that do what multiplying and normalising does to bytes."""
    mean, std = (triple(said[key], name=f"{name}: {key}") for key in ("image_mean", "image_std"))
    if not said["do_normalize"]:
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    factor = said["rescale_factor"] if said["do_rescale"] else 1
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not factor > 0:
        raise BundleError(f"its {name} multiplies pixels by {factor!r}; it must be a positive number")
    if abs(255 * factor - 1) < 1e-4:  # 1 / 255, and what people write for it
        return mean, std
    # (byte * factor - mean) / std  =  (byte / 255 - mean / (255 factor)) / (std / (255 factor))
    mean, std = ((red / 255 / factor, green / 255 / factor, blue / 255 / factor) for red, green, blue in (mean, std))
    return mean, std
