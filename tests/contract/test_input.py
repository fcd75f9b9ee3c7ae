"""What every way of bringing pictures and texts to a model must keep, over the tables of seesay/inputs."""

from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import numpy as np
import pytest
from pictures import photo

from seesay.base.errors import MissingExtraError
from seesay.base.tables import resolve
from seesay.inputs import CLEANERS
from seesay.inputs.transform import ImageConfig, ImageTransform, Interpolation, ResizeMode

SIZES = [(96, 64), (64, 96), (32, 32), (1, 1), (1, 300), (300, 2), (31, 33)]


def clean(name, text):
    try:
        return resolve(CLEANERS, name, kind="cleaner")(text)
    except MissingExtraError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", CLEANERS)
class TestCleaner:
    def test_plain_words_in_lower_case_stay_as_they_are(self, name):
        assert clean(name, "a photo of a dog") == "a photo of a dog"

    @pytest.mark.parametrize(
        "text", ["", " ", "\n", "A  Dog!", "naïve Ångström", "犬の写真", "😀", "\ufffd", "a" * 10_000]
    )
    def test_any_text_gives_a_text_and_always_the_same(self, name, text):
        cleaned = clean(name, text)
        assert isinstance(cleaned, str)
        assert clean(name, text) == cleaned


@pytest.mark.parametrize("interpolation", get_args(Interpolation))
@pytest.mark.parametrize("resize", get_args(ResizeMode))
class TestTransform:
    @pytest.fixture
    def transform(self, resize, interpolation):
        half = (0.5, 0.5, 0.5)
        return ImageTransform(ImageConfig(size_px=32, resize=resize, interpolation=interpolation, mean=half, std=half))

    @pytest.mark.parametrize("size", SIZES)
    def test_any_size_becomes_a_square_of_bytes(self, transform, size):
        pixels = transform(photo(*size))
        assert pixels.shape == (32, 32, 3)
        assert pixels.dtype == np.uint8
        assert pixels.flags.writeable
        assert pixels.flags.c_contiguous

    def test_the_picture_is_left_as_it_was(self, transform):
        picture = photo()
        transform(picture)
        assert picture.size == (96, 64)
        assert picture.tobytes() == photo().tobytes()

    def test_a_mirrored_picture_gives_mirrored_pixels(self, transform):
        # 90 × 60: every margin is whole. 2: Pillow rounds halves upwards, on whichever side they are, in both passes
        picture = photo(90, 60)
        mirrored = np.asarray(transform(picture.transpose(0)))[:, ::-1].astype(int)
        assert np.abs(mirrored - transform(picture)).max() <= 2

    def test_a_square_of_the_right_size_passes_unchanged(self, transform):
        np.testing.assert_array_equal(transform(photo(32, 32)), np.asarray(photo(32, 32)))

    def test_one_transform_serves_many_threads(self, transform):
        pictures = [photo(*size) for size in SIZES] * 5
        alone = [transform(picture) for picture in pictures]
        with ThreadPoolExecutor(8) as pool:
            for ours, expected in zip(pool.map(transform, pictures), alone, strict=True):
                np.testing.assert_array_equal(ours, expected)
