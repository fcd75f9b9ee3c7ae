"""The transform: torchvision's pixels bit by bit, for every shape of picture."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import encode, photo
from PIL import Image

from seesay.base.errors import BundleError, InputError
from seesay.inputs.transform import MAX_ASPECT, ImageConfig, ImageTransform, load_pixels

SECTION = {
    "size_px": 32,
    "resize": "shortest",
    "interpolation": "bicubic",
    "mean": [0.48, 0.45, 0.40],
    "std": [0.26, 0.26, 0.27],
}
FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def transform(**changes):
    return ImageTransform(ImageConfig.from_dict({**SECTION, **changes}))


def noise(width, height):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def torchvision_recipe(picture, size, resampling):
    """Resize(size) and CenterCrop(size), as torchvision/transforms/functional.py has them for Pillow pictures."""
    width, height = picture.size
    short, long = (width, height) if width <= height else (height, width)
    new_short, new_long = size, int(size * long / short)
    new_width, new_height = (new_short, new_long) if width <= height else (new_long, new_short)
    if (new_width, new_height) != (width, height):
        picture = picture.resize((new_width, new_height), resampling)
    top = int(round((new_height - size) / 2.0))  # noqa: RUF046  as they wrote it
    left = int(round((new_width - size) / 2.0))  # noqa: RUF046
    return np.asarray(picture.crop((left, top, left + size, top + size)))


@settings(deadline=None, max_examples=150)
@given(
    width=st.integers(1, 200),
    height=st.integers(1, 200),
    size=st.integers(1, 50),
    interpolation=st.sampled_from(sorted(FILTERS)),
)
def test_shortest_is_torchvisions_resize_and_centre_crop(width, height, size, interpolation):
    if max(width, height) > MAX_ASPECT * min(width, height):
        width = height
    picture = noise(width, height)
    ours = transform(size_px=size, interpolation=interpolation)(picture)
    np.testing.assert_array_equal(ours, torchvision_recipe(picture, size, FILTERS[interpolation]))


@pytest.mark.parametrize(("width", "height"), [(640, 427), (427, 640), (225, 224), (224, 224), (333, 500), (1, 1)])
def test_usual_sizes_are_exact_at_the_usual_target(width, height):
    picture = noise(width, height)
    np.testing.assert_array_equal(
        transform(size_px=224)(picture), torchvision_recipe(picture, 224, Image.Resampling.BICUBIC)
    )


@pytest.mark.parametrize(("width", "height"), [(20_000, 3), (3, 20_000), (1, 2000), (2001, 1), (1, 101)])
def test_of_a_sliver_the_middle_is_taken_within_half_a_pixel_of_exact(width, height):
    ramp = np.linspace(0, 255, max(width, height)).round().astype(np.uint8)
    pixels = np.broadcast_to(ramp if width > height else ramp[:, None], (height, width))
    picture = Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
    ours = transform()(picture).astype(int)
    exact = torchvision_recipe(picture, 32, Image.Resampling.BICUBIC).astype(int)
    step = 255 / min(max(width, height) - 1, 255)  # what one source pixel makes on the ramp
    assert np.abs(ours - exact).max() <= max(1, step)


@pytest.mark.parametrize("resize", ["shortest", "squash", "longest"])
@pytest.mark.parametrize("size", [(60_000, 1), (1, 60_000), (3, 50_000), (1, 1)])
def test_every_shape_of_picture_comes_out_with_its_colour_in_the_middle(resize, size):
    pixels = transform(size_px=64, resize=resize)(Image.new("RGB", size, (9, 90, 200)))
    assert pixels.shape == (64, 64, 3)
    assert (pixels[31, 31] == (9, 90, 200)).all()


def test_of_a_sliver_only_the_middle_is_resized_so_that_memory_is_bounded(monkeypatch):
    asked = []
    resize = Image.Image.resize
    monkeypatch.setattr(
        Image.Image, "resize", lambda self, size, *rest: asked.append(size) or resize(self, size, *rest)
    )
    transform(size_px=64)(Image.new("RGB", (60_000, 3)))
    assert asked == [(64 * MAX_ASPECT, 64)]


def test_squash_uses_the_whole_picture_whatever_its_shape():
    picture = noise(90, 40)
    ours = transform(resize="squash")(picture)
    np.testing.assert_array_equal(ours, np.asarray(picture.resize((32, 32), Image.Resampling.BICUBIC)))


@pytest.mark.parametrize(("size", "inside"), [((90, 40), (32, 14)), ((40, 90), (14, 32)), ((50, 50), (32, 32))])
def test_longest_fits_the_whole_picture_in_the_middle_of_black(size, inside):
    ours = transform(resize="longest")(Image.new("RGB", size, "white"))
    rows, columns = np.nonzero(ours[..., 0])
    assert (np.ptp(columns) + 1, np.ptp(rows) + 1) == inside
    assert (columns.min(), rows.min()) == ((32 - inside[0]) // 2, (32 - inside[1]) // 2)
    assert set(np.unique(ours)) <= {0, 255}


@pytest.mark.parametrize("resize", ["shortest", "squash", "longest"])
@pytest.mark.parametrize("size", [(90, 40), (40, 90), (32, 32), (33, 32), (500, 333)])
def test_what_is_not_enlarged_is_not_sharpened(resize, size):
    sharp, plain = (transform(resize=resize, interpolation=name) for name in ("bicubic_sharp", "bicubic"))
    np.testing.assert_array_equal(sharp(noise(*size)), plain(noise(*size)))


@pytest.mark.parametrize("resize", ["shortest", "squash"])
@pytest.mark.parametrize("size", [(20, 20), (31, 24), (10, 70)])
def test_what_is_enlarged_has_sharper_edges_than_bicubic_gives_it(resize, size):
    def steps(interpolation):
        pixels = transform(resize=resize, interpolation=interpolation)(noise(*size)).astype(int)
        return np.square(np.diff(pixels, axis=0)).sum() + np.square(np.diff(pixels, axis=1)).sum()

    assert steps("bicubic_sharp") > 1.05 * steps("bicubic")


@pytest.mark.parametrize("size", [(5, 5), (8, 31), (1, 1), (16, 200)])
@pytest.mark.parametrize("resize", ["shortest", "squash"])
def test_a_picture_of_one_colour_stays_so_however_it_is_sharpened(resize, size):
    pixels = transform(resize=resize, interpolation="bicubic_sharp")(Image.new("RGB", size, (9, 90, 200)))
    assert (pixels == (9, 90, 200)).all()


def test_the_more_a_picture_is_enlarged_the_wider_it_is_sharpened(monkeypatch):
    radii = []
    monkeypatch.setattr(
        Image.Image, "filter", lambda self, unsharp: radii.append((unsharp.radius, unsharp.percent)) or self
    )
    for side in (32, 16, 8, 4):
        transform(interpolation="bicubic_sharp")(noise(side, side))
    (two, percent), (four, _), (eight, _) = radii
    assert (four, eight) == pytest.approx((2 * two, 4 * two))
    assert {strength for _, strength in radii} == {percent}


def test_a_picture_that_is_not_rgb_is_converted():
    assert transform()(Image.new("L", (50, 40), 77))[5, 5].tolist() == [77, 77, 77]


def test_load_pixels_opens_and_transforms():
    np.testing.assert_array_equal(load_pixels(encode(photo(), "PNG"), transform()), transform()(photo()))
    with pytest.raises(InputError, match="empty"):
        load_pixels(b"", transform())


def test_the_target_is_the_size():
    assert transform(size_px=48).target_px == 48


# --- the config ------------------------------------------------------------------------------------------------------


def test_a_config_survives_json():
    config = ImageConfig.from_dict(SECTION)
    assert ImageConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert config.mean == (0.48, 0.45, 0.40)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size_px": 0}, r"size_px must be a whole number of pixels, at least 1; got 0"),
        ({"size_px": 32.0}, r"got 32\.0"),
        ({"size_px": True}, r"got True"),
        ({"resize": "shorter"}, r"image\.resize must be one of shortest, squash, longest, none; got 'shorter'"),
        (
            {"interpolation": "sinc"},
            r"image\.interpolation must be one of bicubic, bilinear, bicubic_sharp, lanczos, .*; got 'sinc'",
        ),
        ({"crop_rounding": "up"}, r"image\.crop_rounding must be one of even, down; got 'up'"),
        ({"resize_px": 0}, r"image\.resize_px must be a whole number of pixels, .*; got 0 with shortest"),
        ({"resize_px": 40, "resize": "longest"}, r"goes with the modes shortest and squash only; got 40 with longest"),
        ({"mean": [0.5, 0.5]}, r"image\.mean must be three numbers"),
        ({"mean": 0.5}, r"image\.mean must be three numbers; got 0\.5"),
        ({"std": ["a", 1, 1]}, r"image\.std must be three numbers"),
        ({"std": [0.5, 0.0, 0.5]}, r"image\.std must be positive"),
        ({"std": [0.5, float("nan"), 0.5]}, r"image\.std must be three numbers"),
        ({"sise_px": 3}, r"'image' of config\.json does not fit: 'sise_px' is not known \(did you mean 'size_px'\?\)"),
    ],
)
def test_a_config_that_no_model_can_mean_is_refused_with_its_key(changes, message):
    with pytest.raises(BundleError, match=message):
        ImageConfig.from_dict({**SECTION, **changes})


@pytest.mark.parametrize("key", SECTION)
def test_a_config_without_a_key_names_it(key):
    with pytest.raises(BundleError, match=f"'{key}' is missing"):
        ImageConfig.from_dict({name: value for name, value in SECTION.items() if name != key})


def test_what_is_rarely_said_is_left_out_of_a_bundle_and_kept_where_it_is_said():
    plain = ImageConfig(size_px=32, resize="shortest", interpolation="bicubic", mean=(0.5,) * 3, std=(0.5,) * 3)
    assert plain.to_dict().keys() == {"size_px", "resize", "interpolation", "mean", "std"}
    rare = replace(plain, resize_px=40, crop_rounding="down")
    for config in (plain, rare):
        assert ImageConfig.from_dict(config.to_dict()) == config
    assert (rare.at_size(64).size_px, rare.at_size(64).resize_px) == (64, 80)


@pytest.mark.parametrize(("rounding", "place"), [("even", 2), ("down", 1)])
def test_the_middle_of_a_picture_in_its_own_size_with_black_where_it_is_smaller(rounding, place):
    pixels = np.random.default_rng(0).integers(1, 256, (5, 11, 3), dtype=np.uint8)
    config = ImageConfig(
        size_px=8, resize="none", interpolation="bicubic", mean=(0.5,) * 3, std=(0.5,) * 3, crop_rounding=rounding
    )
    expected = np.zeros((8, 8, 3), np.uint8)
    expected[1:6] = pixels[:, place : place + 8]  # three rows of black: one above, two below
    np.testing.assert_array_equal(ImageTransform(config)(Image.fromarray(pixels)), expected)
    assert ImageTransform(config).target_px > 10_000  # nothing is decoded smaller
