"""The same pixels, bit by bit, as the recipes that published models were trained on, whatever the picture's size."""

import numpy as np
import pytest
from PIL import Image

from seesay.inputs import statistics
from seesay.inputs.transform import ImageConfig, ImageTransform

SIZES = [
    (1, 1),
    (1, 7),
    (3, 2),
    (224, 224),
    (225, 223),
    (223, 224),
    (640, 480),
    (481, 641),
    (333, 1000),
    (1999, 37),
    (57, 58),
]
PIXELS = 224


def picture(size, seed=0):
    """Noise over slopes: no two pixels are alike, so that a shift by one shows."""
    width, height = size
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3))
    slope = np.linspace(0, 255, width)[None, :, None]
    return Image.fromarray(((noise + slope) / 2).astype(np.uint8))


def ours(resize, interpolation="bicubic", size_px=PIXELS, mean=statistics.OPENAI_MEAN, std=statistics.OPENAI_STD):
    config = ImageConfig(size_px=size_px, resize=resize, interpolation=interpolation, mean=mean, std=std)
    return ImageTransform(config)


def normalized(transform, image):
    mean, std = (np.array(values, np.float32) for values in (transform.config.mean, transform.config.std))
    return ((transform(image).astype(np.float32) / 255 - mean) / std).transpose(2, 0, 1)


@pytest.fixture(scope="session")
def openai_recipe(open_clip):
    """OpenAI's resize and crop, written down again from its public code; what follows there is arithmetic."""
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

    return Compose([Resize(PIXELS, interpolation=InterpolationMode.BICUBIC), CenterCrop(PIXELS)])


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_openais_recipe_bit_by_bit(openai_recipe, size):
    image = picture(size)
    np.testing.assert_array_equal(ours("shortest")(image), np.asarray(openai_recipe(image)))


@pytest.mark.parametrize("size_px", [224, 256, 288, 336, 378, 384, 448])
def test_every_size_that_a_model_asks_for(open_clip, size_px):
    reference = open_clip.image_transform(size_px, is_train=False)
    image = picture((517, 389))
    # one float32 rounding of the normalisation, which stands in another order there
    np.testing.assert_allclose(normalized(ours("shortest", size_px=size_px), image), reference(image), atol=1e-6)


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("resize", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_open_clips_modes(open_clip, resize, interpolation, size):
    reference = open_clip.image_transform(
        PIXELS, is_train=False, resize_mode=resize, interpolation=interpolation, mean=(0, 0, 0), std=(1, 1, 1)
    )
    image = picture(size)
    expected = (reference(image).numpy() * 255).round().astype(np.uint8).transpose(1, 2, 0)
    np.testing.assert_array_equal(ours(resize, interpolation)(image), expected)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_siglips_processor_in_transformers(transformers, size):
    """Pillow's processor; the one on torch tensors differs by up to 2 of 255, as its resize does."""
    kind = getattr(transformers, "SiglipImageProcessorPil", None) or transformers.SiglipImageProcessor  # before 5.0
    processor = kind(size={"height": 256, "width": 256})
    image = picture(size)
    transform = ours("squash", size_px=256, mean=statistics.INCEPTION_MEAN, std=statistics.INCEPTION_STD)
    expected = processor(image, return_tensors="np")["pixel_values"][0]
    np.testing.assert_allclose(normalized(transform, image), expected, atol=1e-6)


def test_the_statistics_are_open_clips(open_clip):
    theirs = open_clip.constants
    assert (statistics.OPENAI_MEAN, statistics.OPENAI_STD) == (theirs.OPENAI_DATASET_MEAN, theirs.OPENAI_DATASET_STD)
    assert (statistics.INCEPTION_MEAN, statistics.INCEPTION_STD) == (theirs.INCEPTION_MEAN, theirs.INCEPTION_STD)
    assert (statistics.IMAGENET_MEAN, statistics.IMAGENET_STD) == (theirs.IMAGENET_MEAN, theirs.IMAGENET_STD)
