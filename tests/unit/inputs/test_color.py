"""Colours: whatever a file stores, what comes out is the sRGB that was meant."""

import numpy as np
import pytest
from pictures import (
    ADOBE_TO_XYZ,
    SRGB_TO_XYZ,
    cmyk_profile,
    encode,
    grey_profile,
    linear_to_srgb,
    photo,
    png_16,
    rgb_profile,
    srgb_to_linear,
    tiff_16,
)
from PIL import Image, ImageCms

from seesay.inputs.pictures import open_picture

PHOTO = np.asarray(photo())
ADOBE_GAMMA = 563 / 256  # as the specification writes 2.2
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def opened(data):
    return np.asarray(open_picture(data)).astype(int)


def in_space(to_xyz, gamma):
    """The photo's colours written in another space, by matrices of our own."""
    linear = srgb_to_linear(PHOTO) @ SRGB_TO_XYZ.T @ np.linalg.inv(to_xyz).T
    return Image.fromarray((linear.clip(0, 1) ** (1 / gamma) * 255).round().astype(np.uint8))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_a_picture_in_adobe_rgb_comes_out_as_the_srgb_original(kind):
    stored = in_space(ADOBE_TO_XYZ, ADOBE_GAMMA)
    assert np.abs(np.asarray(stored).astype(int) - PHOTO).mean() > 8  # it would be seen if nothing were done
    options = {"quality": 98, "subsampling": 0} if kind == "JPEG" else {}
    ours = opened(encode(stored, kind, icc_profile=rgb_profile(ADOBE_TO_XYZ, ADOBE_GAMMA), **options))
    # 8 bits of one space do not hold all 8 bits of the other; JPEG adds its own
    assert np.abs(ours - PHOTO).max() <= (12 if kind == "JPEG" else 3)
    assert np.abs(ours - PHOTO).mean() < 1


def test_a_profile_with_red_and_blue_exchanged_exchanges_them_back():
    swapped = SRGB_TO_XYZ[:, ::-1]
    ours = opened(encode(in_space(swapped, 2.2), "PNG", icc_profile=rgb_profile(swapped, 2.2)))
    assert np.abs(ours - PHOTO).max() <= 2


def test_a_picture_with_alpha_keeps_it_through_its_profile():
    stored = in_space(ADOBE_TO_XYZ, ADOBE_GAMMA)
    alpha = np.broadcast_to(np.linspace(0, 255, 96).astype(np.uint8), (64, 96))
    stored.putalpha(Image.fromarray(alpha))
    ours = opened(encode(stored, "PNG", icc_profile=rgb_profile(ADOBE_TO_XYZ, ADOBE_GAMMA)))
    part = alpha[..., None] / 255
    assert np.abs(ours - (PHOTO * part + 255 * (1 - part))).max() <= 4


def test_an_srgb_profile_changes_no_pixel():
    np.testing.assert_array_equal(opened(encode(photo(), "PNG", icc_profile=SRGB)), PHOTO)


@pytest.mark.parametrize("profile", [b"junk", SRGB[:200], SRGB[:16] + b"RGB " + bytes(300), bytes(128)])
def test_a_broken_profile_is_ignored(profile):
    np.testing.assert_array_equal(opened(encode(photo(), "PNG", icc_profile=profile)), PHOTO)


@pytest.mark.parametrize("profile", [grey_profile(1.8), cmyk_profile((50.0, 0.0, 0.0))])
def test_a_profile_of_another_kind_of_picture_is_ignored(profile):
    np.testing.assert_array_equal(opened(encode(photo(), "PNG", icc_profile=profile)), PHOTO)


@pytest.mark.parametrize("with_alpha", [False, True])
def test_a_grey_picture_follows_its_grey_profile(with_alpha):
    grey = np.arange(256, dtype=np.uint8)[None].repeat(4, 0)
    picture = Image.fromarray(grey)
    if with_alpha:
        picture.putalpha(255)
    ours = opened(encode(picture, "PNG", icc_profile=grey_profile(1.8)))
    expected = linear_to_srgb((grey / 255) ** 1.8).astype(int)
    assert np.abs(ours - expected[..., None]).max() <= 2
    assert np.abs(expected - grey).max() > 10


def test_a_grey_picture_may_carry_an_rgb_profile():
    grey = photo().convert("L")
    ours = opened(encode(grey, "JPEG", quality=100, icc_profile=rgb_profile(SRGB_TO_XYZ, 1.0)))
    expected = linear_to_srgb(np.asarray(grey) / 255).astype(int)[..., None]
    assert np.abs(ours - expected).max() <= 4  # JPEG's error of 1, doubled where the curve is steep


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_becomes_the_colours_that_were_printed(kind):
    options = {"quality": 98} if kind == "JPEG" else {}
    ours = opened(encode(photo().convert("CMYK"), kind, **options))  # without a profile: plain subtraction
    assert np.abs(ours - PHOTO).mean() < 2


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_follows_its_profile(kind):
    picture = Image.new("CMYK", (48, 48), (255, 0, 0, 0))
    picture.paste((0, 0, 0, 0), (0, 0, 16, 48))
    picture.paste((0, 0, 0, 255), (0, 32, 48, 48))
    srgb_red = (54.29, 80.8, 69.9)  # in Lab: this press's cyan ink is red
    ours = opened(encode(picture, kind, icc_profile=cmyk_profile(srgb_red)))
    for (x, y), color in (((4, 4), (255, 255, 255)), ((40, 4), (255, 0, 0)), ((4, 44), (0, 0, 0))):
        np.testing.assert_allclose(ours[y, x], color, atol=6)  # 6: Lab in steps of one


def test_ycbcr_and_lab_become_rgb():
    assert np.abs(opened(encode(photo().convert("YCbCr"), "TIFF")) - PHOTO).max() <= 3
    lab = ImageCms.profileToProfile(
        photo(), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert np.abs(opened(encode(lab, "TIFF")) - PHOTO).mean() < 2


# --- 16 bits and more ------------------------------------------------------------------------------------------------

WIDE = PHOTO.astype(np.uint16) * 257  # 255 becomes 65535


@pytest.mark.parametrize("make", [png_16, tiff_16])
def test_of_16_bits_a_channel_the_upper_8_are_kept(make):
    np.testing.assert_array_equal(opened(make(WIDE)), PHOTO)


def test_16_bits_with_alpha_are_put_on_white():
    alpha = np.full((64, 96, 1), 0x8080, np.uint16)
    expected = PHOTO * (128 / 255) + 255 * (127 / 255)
    assert np.abs(opened(png_16(np.concatenate([WIDE, alpha], axis=2))) - expected).max() <= 1
    assert np.abs(opened(png_16(np.concatenate([WIDE[..., :1], alpha], axis=2))) - expected[..., :1]).max() <= 1


def test_grey_of_16_bits_keeps_its_shades_and_is_not_clipped_to_white():
    grey = WIDE[..., 0]
    expected = np.repeat(PHOTO[..., :1], 3, axis=2)
    portable = b"P5 96 64 65535\n" + grey.astype(">u2").tobytes()
    wide = Image.fromarray(grey)
    for data in (png_16(grey), encode(wide, "TIFF"), encode(wide, "PNG"), encode(wide, "JPEG2000"), portable):
        np.testing.assert_array_equal(opened(data), expected)
    np.testing.assert_array_equal(opened(encode(Image.fromarray(grey.astype(np.int32)), "TIFF")), expected)


def test_grey_of_16_bits_may_name_one_transparent_grey():
    grey = WIDE[..., 0].copy()
    grey[:10] = 1234
    ours = opened(png_16(grey, transparent_grey=1234))
    assert (ours[:10] == 255).all()
    np.testing.assert_array_equal(ours[10:], np.repeat(PHOTO[10:, :, :1], 3, axis=2))


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0, 1e6])
def test_floats_find_their_white(white):
    shades = np.linspace(0, 1, 96 * 64).reshape(64, 96)
    data = encode(Image.fromarray((shades * white).astype(np.float32)), "TIFF")
    assert np.abs(opened(data) - (shades * 255)[..., None]).max() <= 1


def test_not_a_number_is_black_and_below_zero_too():
    values = np.array([[np.nan, -5.0, np.inf, 1.0]], np.float32)
    assert opened(encode(Image.fromarray(values), "TIFF"))[0, :, 0].tolist() == [0, 0, 0, 255]
