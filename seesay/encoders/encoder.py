"""An encoder: a model ready to use. Pictures and texts in, unit vectors out.

This file holds the protocol that every room above relies on; it must not know any backend.
Shape legend: N pictures or texts, E embedding, D image tower's width, S picture side in pixels,
P patches a side.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seesay.inputs.pictures import Source
from seesay.inputs.transform import ImageTransform

Vectors = NDArray[np.float32]
Pixels = NDArray[np.uint8]


@runtime_checkable
class Encoder(Protocol):
    """What search, tasks and evaluation need of a model. Every returned row has length 1, but those of features."""

    @property
    def id(self) -> str:
        """`name@hash`, where the hash covers weights, tokenizer and preprocessing."""
        ...

    @property
    def dim(self) -> int:
        """E, the length of a vector."""
        ...

    @property
    def scale(self) -> float:
        """What a cosine is multiplied by before a softmax over labels (exp of the learned log scale)."""
        ...

    @property
    def transform(self) -> ImageTransform:
        """From a decoded picture to the model's pixels; safe to call from several threads."""
        ...

    def encode_pixels(self, pixels: Pixels) -> Vectors:
        """(N, S, S, 3) uint8 as `transform` makes them -> (N, E)."""
        ...

    def encode_images(self, images: Sequence[Source | Image.Image]) -> Vectors:
        """Paths, bytes or Pillow pictures -> (N, E), in batches, whatever N.

        Raises:
            InputError: a picture cannot be read.
        """
        ...

    def encode_features(self, images: Sequence[Source | Image.Image]) -> Vectors:
        """Paths, bytes or Pillow pictures -> (N, D) before the projection, of any length: what a probe is fitted on.

        Raises:
            InputError: a picture cannot be read.
            UsageError: this model does not give them.
        """
        ...

    def encode_pixels_and_features(self, pixels: Pixels) -> tuple[Vectors, Vectors]:
        """What `encode_pixels` and `encode_features` return, (N, E) and (N, D), in one run of the tower.

        Raises:
            UsageError: this model does not give them.
        """
        ...

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Sentences -> (N, E).

        Raises:
            InputError: a text is empty or longer than the context.
        """
        ...

    def encode_patches(self, images: Sequence[Source | Image.Image]) -> Vectors:
        """Dense features in the space of the texts: (N, P, P, E), rows top to bottom.

        Raises:
            UsageError: the model has no patch features.
        """
        ...


@runtime_checkable
class Calibrated(Protocol):
    """An encoder of which somebody measured when a picture shows what a text says."""

    def least_cosine(self, num_pictures: int) -> float | None:
        """When the best of so many pictures for a text is below this, probably none shows it; None: nobody knows."""
        ...


@runtime_checkable
class KnowsWords(Protocol):
    """An encoder that was given the words it knows."""

    def unknown_words(self, text: str) -> list[str]:
        """The words of a text that it does not know, as they are written there; none where it was given no words."""
        ...
