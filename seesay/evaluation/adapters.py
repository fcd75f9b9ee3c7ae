"""Encoders that are not ours: two functions, or a live model of open_clip or transformers, as evaluation takes them.

Nothing of theirs is imported: a model says what it is by what it can do. Checkpoints by name or path need none of
this, `seesay.load` opens them.

Shape legend: N pictures or texts, E embedding.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seesay.base.errors import InputError
from seesay.encoders.encoder import Vectors
from seesay.encoders.video import VideoEncoder
from seesay.inputs.pictures import Source, open_picture

SCALE = 100.0
"""What CLIP's temperature ends at; source: CLIP, arXiv:2103.00020, section 2.5."""
_TEXTS_AT_ONCE = 256


def _same(picture: Image.Image) -> Any:
    return picture


@dataclass(frozen=True, kw_only=True, slots=True)
class Wrapped:
    """Two functions as an encoder."""

    id: str
    """Vectors are remembered under it: another model needs another one."""
    encode_images: Callable[[Sequence[Any]], Any]
    """What `read` gave of n pictures -> (n, E), of any length."""
    encode_texts: Callable[[Sequence[str]], Any]
    """n sentences -> (n, E), of any length."""
    scale: float = SCALE
    """What a cosine is multiplied by before a softmax."""
    read: Callable[[Any], Any] = _same
    """From what `open` gives to what `encode_images` takes; called in several threads."""
    open: Callable[[Source], Any] = open_picture
    """From a dataset's source to an upright RGB picture; of videos, to what `read` takes."""
    probes_vectors: bool = False
    """Whether probes are fitted on its vectors, there being nothing before a projection (videos)."""


class _OpenClip(Protocol):
    """What an open_clip model can do."""

    def encode_image(self, images: Any, normalize: bool = ...) -> Any: ...
    def encode_text(self, tokens: Any, normalize: bool = ...) -> Any: ...
    def state_dict(self) -> Any: ...
    def eval(self) -> Any: ...


def from_open_clip(model: _OpenClip, preprocess: Callable[[Any], Any], tokenizer: Callable[[Any], Any]) -> Wrapped:
    """A live model of open_clip, or of OpenAI's `clip`, as their functions return it.

    Args:
        model: as `open_clip.create_model_and_transforms` gives it.
        preprocess: the transform for validation that came with it.
        tokenizer: as `open_clip.get_tokenizer` gives it.
    """
    import torch

    model.eval()
    state = model.state_dict()
    device = next(iter(state.values())).device

    def encode_images(images: Sequence[Any]) -> Any:
        with torch.inference_mode():
            return model.encode_image(torch.stack(list(images)).to(device)).float().cpu().numpy()

    def encode_texts(texts: Sequence[str]) -> Any:
        with torch.inference_mode():
            parts = [
                model.encode_text(tokenizer(list(texts[start : start + _TEXTS_AT_ONCE])).to(device)).float().cpu()
                for start in range(0, len(texts), _TEXTS_AT_ONCE)
            ]
        return torch.cat(parts).numpy()

    scale = state.get("logit_scale")
    return Wrapped(
        id=f"open_clip@{_digest(state)}",
        encode_images=encode_images,
        encode_texts=encode_texts,
        scale=SCALE if scale is None else float(scale.float().exp()),
        read=preprocess,
    )


def from_transformers(model: Any, processor: Any) -> Wrapped:
    """A live CLIP or SigLIP of transformers, with its processor.

    The processor prepares the pictures, and it is not exactly OpenAI's: where half a pixel is to be cut off on each
    side it starts a pixel earlier at every other size, so that figures may differ in a digit from those of the same
    weights opened by `seesay.load` or open_clip.

    Args:
        model: a `CLIPModel` or `SiglipModel`.
        processor: what `AutoProcessor.from_pretrained` gives for it.
    """
    import torch

    model.eval()
    state = model.state_dict()
    padding = "max_length" if "siglip" in type(model).__name__.lower() else True

    def encode_images(images: Sequence[Any]) -> Any:
        with torch.inference_mode():
            pixels = processor(images=list(images), return_tensors="pt").to(model.device)
            return _rows(model.get_image_features(**pixels))

    def encode_texts(texts: Sequence[str]) -> Any:
        parts = []
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            some = list(texts[start : start + _TEXTS_AT_ONCE])
            tokens = processor(text=some, return_tensors="pt", padding=padding, truncation=True).to(model.device)
            with torch.inference_mode():
                parts.append(_rows(model.get_text_features(**tokens)))
        return np.concatenate(parts)

    scale = state.get("logit_scale")
    return Wrapped(
        id=f"transformers@{_digest(state)}",
        encode_images=encode_images,
        encode_texts=encode_texts,
        scale=SCALE if scale is None else float(scale.float().exp()),
    )


def from_video(encoder: VideoEncoder) -> Wrapped:
    """A model for videos; each becomes its vector where it is read, because its frames are too many to wait."""

    def read(source: Source) -> Vectors:
        if not isinstance(source, str | Path):
            raise InputError("it is no video's path")
        return encoder.encode_video(source)

    return Wrapped(
        id=encoder.id,
        encode_images=np.stack,
        encode_texts=encoder.encode_texts,
        scale=encoder.scale,
        open=read,
        probes_vectors=True,
    )


def unit_rows(vectors: Any) -> Vectors:
    """Rows of any length as float32 rows of length 1; what is no number stays none, for whoever looks to find."""
    rows = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, np.finfo(np.float32).tiny), np.float32)


def _rows(output: Any) -> NDArray[np.float32]:
    # transformers 5 returns an object with the vectors in it, 4 the vectors
    found = getattr(output, "pooler_output", output)
    return np.asarray(found.float().cpu().numpy(), np.float32)


def _digest(state: Any) -> str:
    """Over every weight: two models of one architecture must not share vectors."""
    digest = hashlib.sha256()
    for name, tensor in state.items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor.float().cpu().numpy()).data)
    return digest.hexdigest()[:12]
