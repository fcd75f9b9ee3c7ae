"""A model's self-test: a few inputs and the vectors they must give.

The classic silent errors of CLIP tools (another activation, resize mode, mean or std, another
tokenizer) leave every shape right and every number a little wrong. selftest.json holds pictures that
are not square and have fine structure, so that each such swap moves a vector by far more than backends
differ among themselves. It is written at export, from torch in float32, and run after an install, an
export, and by `seesay doctor`.
"""

import base64
import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from seesay.base.errors import BundleError
from seesay.encoders.bundle import SELFTEST, Bundle, write_atomically
from seesay.encoders.encoder import Vectors
from seesay.encoders.ready import BundleEncoder

TOLERANCE = 1e-3
"""Largest difference of one number of a unit vector. Backends differ by about 1e-5, a change of one in
256 in every pixel (another JPEG or Pillow version) by 2e-4, a swapped resize filter by 5e-3 or more."""

LEAST_COSINE_IN_8_BITS = 0.98
"""A tower that multiplies in 8 bits and falls below this to its own float32 is of no use. Its vectors are kept
beside those of torch, and an encoder must give the one or the other."""

TEXTS = ("dog", "a photo of a cat on a sofa.", "Two red bicycles lean against the wall of an old café, in the rain!")


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """How far an encoder is from its self-test."""

    model: str
    num_images: int
    num_texts: int
    max_difference: float
    """Largest difference of one number of a unit vector."""
    min_cosine: float


def run(encoder: BundleEncoder) -> Report:
    """Encode the bundle's self-test and compare.

    Raises:
        BundleError: there is no self-test, it is broken, or a vector is off.
    """
    path = encoder.bundle.folder / SELFTEST
    try:
        raw = json.loads(path.read_text("utf-8"))
        images = [Image.open(io.BytesIO(base64.b64decode(entry["png"]))) for entry in raw["images"]]
        texts = [entry["text"] for entry in raw["texts"]]
        expected = [_read(raw[side], "vector") for side in ("images", "texts")]
        in_8_bits = _read(raw["images"], "in_8_bits") if "in_8_bits" in raw["images"][0] else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{path} cannot be read; make it again with `seesay export`: {error!r}") from error
    got = [encoder.encode_images(images), encoder.encode_texts(texts)]
    if in_8_bits is not None and _worst(in_8_bits, got[0]) < _worst(expected[0], got[0]):
        expected[0] = in_8_bits
    for side, wanted, vectors in zip(("image", "text"), expected, got, strict=True):
        if wanted.shape != vectors.shape:
            raise BundleError(f"{path}: the {side} vectors have shape {wanted.shape}, the model makes {vectors.shape}")
        worst = _worst(wanted, vectors)
        if not worst <= TOLERANCE:
            raise BundleError(
                f"{encoder.id} fails its self-test: its {side} vectors are off by up to {worst:.2g} "
                f"(allowed {TOLERANCE}); weights, preprocessing or runtime are not those it was made with"
            )
    wanted, vectors = (np.concatenate(parts) for parts in (expected, got))
    return Report(
        model=encoder.id,
        num_images=len(images),
        num_texts=len(texts),
        max_difference=_worst(wanted, vectors),
        min_cosine=float((wanted * vectors).sum(axis=1).min()),
    )


def write(bundle: Bundle, *, is_in_8_bits: bool = False) -> Report:
    """Write selftest.json from the torch backend in float32, then run it on the exported graphs.

    Args:
        bundle: with its graphs.
        is_in_8_bits: the image graph multiplies in 8 bits, so its vectors are kept as well.

    Raises:
        BundleError: the graphs do not compute what torch computes, or 8 bits are too few for this model.
    """
    from seesay.encoders.onnx import OnnxBackend
    from seesay.encoders.torch import TorchBackend

    reference = BundleEncoder(bundle, TorchBackend(bundle, device="cpu"), truncate=True)
    images = pictures()
    content: dict[str, Any] = {
        "made_by": "torch float32 from the stored weights; vectors are unit rows rounded to 5 decimals",
        "images": [
            {"png": base64.b64encode(_png(image)).decode(), "vector": _rounded(vector)}
            for image, vector in zip(images, reference.encode_images(images), strict=True)
        ],
        "texts": [
            {"text": text, "vector": _rounded(vector)}
            for text, vector in zip(TEXTS, reference.encode_texts(TEXTS), strict=True)
        ],
    }
    encoder = BundleEncoder(bundle, OnnxBackend(bundle), truncate=True)
    if is_in_8_bits:
        _add_8_bits(content["images"], encoder.encode_images(images), encoder.id)
    write_atomically(bundle.folder / SELFTEST, (json.dumps(content, ensure_ascii=False) + "\n").encode())
    return run(encoder)


def _add_8_bits(entries: list[dict[str, Any]], vectors: Vectors, model: str) -> None:
    cosine = float((_read(entries, "vector") * vectors).sum(axis=1).min())
    if cosine < LEAST_COSINE_IN_8_BITS:
        raise BundleError(
            f"{model} does not stand 8 bits: its image vectors have a cosine of {cosine:.3f} to those in float32, "
            f"at least {LEAST_COSINE_IN_8_BITS} is needed; export it without --int8"
        )
    for entry, vector in zip(entries, vectors, strict=True):
        entry["in_8_bits"] = _rounded(vector)


def _read(entries: list[dict[str, Any]], kind: str) -> Vectors:
    return np.array([entry[kind] for entry in entries], np.float32)


def _worst(wanted: Vectors, vectors: Vectors) -> float:
    return float(np.abs(wanted - vectors).max()) if wanted.shape == vectors.shape else np.inf


def pictures() -> list[Image.Image]:
    """The self-test's: taller, much wider and much taller than a square."""
    return [make_picture(seed, size) for seed, size in enumerate(((47, 64), (640, 200), (150, 410)))]


def make_picture(seed: int, size: tuple[int, int]) -> Image.Image:
    """A picture with large shapes, fine stripes and hard edges; each tells another swap apart.

    Args:
        seed: which picture.
        size: width and height in pixels.
    """
    random = np.random.default_rng(seed)
    width, height = size
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    picture = np.stack([x * 255 // width, y * 255 // height, (x + y) * 255 // (width + height)], axis=2)
    for _ in range(6):
        left, top = random.integers(0, width * 3 // 4), random.integers(0, height * 3 // 4)
        inside = (x >= left) & (x < left + width // 4) & (y >= top) & (y < top + height // 4)
        stripes = (x // random.integers(1, 4) + y // random.integers(1, 4)) % 2 == 0
        picture[inside & stripes] = random.integers(0, 256, 3)
    return Image.fromarray(picture.astype(np.uint8))


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _rounded(vector: Vectors) -> list[float]:
    return [round(float(value), 5) for value in vector]
