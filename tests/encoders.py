"""Encoders for tests: tiny, exact, and understood by whoever reads a failing test."""

import re

import numpy as np
from PIL import Image

from seesay.inputs.pictures import open_picture
from seesay.inputs.transform import ImageConfig, ImageTransform

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255), "black": (0, 0, 0)}


class ColourEncoder:
    """Sees a 4 x 4 grid of colours; a text is the colour it names. Counts what it was asked to do."""

    def __init__(self, name="colours"):
        self.id = f"{name}@000000000000"
        self.dim = 48
        self.scale = 20.0
        self.transform = ImageTransform(
            ImageConfig(size_px=32, resize="squash", interpolation="bicubic", mean=(0.5,) * 3, std=(0.5,) * 3)
        )
        self.num_pixels = 0

    def encode_pixels(self, pixels):
        self.num_pixels += len(pixels)
        cells = pixels.reshape(-1, 4, 8, 4, 8, 3).mean((2, 4), dtype=np.float64)
        vectors = cells.reshape(-1, 48) - 100.0  # off the middle: no grey is the zero vector
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    def encode_pixels_and_features(self, pixels):
        vectors = self.encode_pixels(pixels)
        return vectors, 3 * vectors

    def encode_features(self, images):
        return 3 * self.encode_images(images)

    def encode_images(self, images):
        opened = (image if isinstance(image, Image.Image) else open_picture(image) for image in images)
        return self.encode_pixels(np.stack([self.transform(picture) for picture in opened]))

    def encode_texts(self, texts):
        named = [[word for word in re.findall(r"\w+", text) if word in COLOURS] for text in texts]
        plain = [np.full((32, 32, 3), COLOURS[words[-1]], np.uint8) for words in named]
        count = self.num_pixels
        vectors = self.encode_pixels(np.stack(plain))
        self.num_pixels = count
        return vectors

    def encode_patches(self, images):
        raise NotImplementedError
