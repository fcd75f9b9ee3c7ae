"""Still pictures of high dynamic range and of wide colours, and which way round they are, by what their boxes say.

The light of a picture here is made by the formulas of the standards, so that what it should look like is known: greys
and colours that are darker than half of a page's white stay as they were (white is 203 cd/m2, ITU-R BT.2408).
"""

import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pictures import (
    HEIC_COLORS,
    avif_10,
    encode,
    exif,
    heic,
    heif,
    hevc_10,
    linear_to_srgb,
    photo,
    png_16,
    srgb_to_linear,
)
from PIL import Image, features

from seesay.inputs import cicp
from seesay.inputs.heif import Said, read_heif
from seesay.inputs.pictures import examine_picture, open_picture

DARK = (np.asarray(photo()) * 0.6).round().astype(np.uint8)  # 0.35 of white at most: nothing rolls off
# ITU-R BT.2087-0, section 2.2, and SMPTE EG 432-1: linear BT.709 to BT.2020, and to Display P3
TO_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
TO_P3 = np.array([[0.8225, 0.1774, 0.0], [0.0332, 0.9669, 0.0], [0.0171, 0.0724, 0.9108]])
needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow was built without AVIF")


def difference(picture, expected):
    return np.abs(np.asarray(picture).astype(int) - np.asarray(expected).astype(int)).mean()


def pq(light):
    """cd/m2 as the perceptual quantiser's signal: ITU-R BT.2100-2, table 4."""
    power = (light / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def signal(pixels, matrix=TO_2020, *, is_hdr=True):
    """(H, W, 3) sRGB in other primaries, as numbers up to 65535; as PQ with its white at 203 cd/m2."""
    light = (srgb_to_linear(pixels) @ matrix.T).clip(0, 1)
    if is_hdr:
        return (pq(203 * light) * 65535).round().astype(np.uint16)
    return (np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055) * 65535).astype(np.uint16)


def avif(pixels, nclx, **options):
    """An AVIF of 8 bits whose box says something else of its numbers than its encoder meant."""
    data = encode(Image.fromarray(pixels), "AVIF", quality=100, subsampling="4:4:4", **options)
    assert data.count(b"nclx\0\1\0\x0d") == 1
    return data.replace(b"nclx\0\1\0\x0d", b"nclx" + struct.pack(">HH", *nclx))


# --- high dynamic range, and wide colours ----------------------------------------------------------------------------


def test_a_png_in_pq_looks_as_it_was_before():
    assert difference(open_picture(png_16(signal(DARK), cicp=(9, 16, 0, 1))), DARK) < 1


def test_a_png_in_pq_keeps_what_is_transparent():
    alpha = np.full((64, 96, 1), 65535, np.uint16)
    alpha[:, :48] = 0
    opened = np.asarray(open_picture(png_16(np.concatenate([signal(DARK), alpha], 2), cicp=(9, 16, 0, 1))))
    assert (opened[:, :48] == 255).all()
    assert difference(opened[:, 48:], DARK[:, 48:]) < 1


def test_a_png_in_the_colours_of_a_phones_screen_is_right_too():
    assert difference(open_picture(png_16(signal(DARK, TO_P3, is_hdr=False), cicp=(12, 13, 0, 1))), DARK) < 1


def test_a_png_of_narrow_range_has_black_and_white():
    greys = np.array([16, 235], np.uint16)[None, :, None].repeat(3, 2) * 257
    np.testing.assert_allclose(np.asarray(open_picture(png_16(greys, cicp=(1, 1, 0, 0))))[0, :, 0], (0, 255), atol=1)


def test_the_chunk_is_looked_for_in_the_header_of_a_png_alone():
    assert cicp.of_png(io.BytesIO(png_16(signal(DARK)))) is None
    assert cicp.of_png(io.BytesIO(png_16(signal(DARK), cicp=(9, 16, 0, 1)))) == (9, 16, True)


def test_a_png_whose_profile_is_named_after_pq_is_in_pq():
    data = png_16(signal(DARK), cicp=(9, 16, 0, 1))
    chunk = b"iCCP" + b"ITUR_2100_PQ_FULL\0\0" + zlib.compress(b"any")
    named = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    place = data.index(b"cICP") - 4
    assert difference(open_picture(data[:place] + named + data[place + 16 :]), DARK) < 1
    other = named.replace(b"ITUR_2100", b"MINE_2100")
    assert cicp.of_png(io.BytesIO(data[:place] + other + data[place + 16 :])) is None


def test_of_a_picture_with_a_gain_map_the_ordinary_one_is_shown():
    base, gains = encode(photo(), "JPEG", quality=95), encode(photo(24, 16).convert("L"), "JPEG")
    note = b'<x:xmpmeta xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"/>'
    segment = b"http://ns.adobe.com/xap/1.0/\0" + note
    data = base[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + base[2:] + gains
    assert difference(open_picture(data), open_picture(base)) == 0
    assert difference(open_picture(data[:-10]), open_picture(base)) == 0


def test_a_heic_in_pq_of_10_bits_looks_as_it_was_before():
    pytest.importorskip("pi_heif", reason="the extra `heic` is not installed")
    found = examine_picture(heif(hevc_10(signal(DARK)), nclx=(9, 16, 9, 1)))
    assert found[1:4] == ("HEIC", 96, 64)
    assert difference(found.picture, DARK) < 2.5  # lossy


def test_a_heic_in_pq_is_the_same_every_time_in_many_threads():
    pytest.importorskip("pi_heif", reason="the extra `heic` is not installed")
    data = heif(hevc_10(signal(np.asarray(photo(320, 256)))), nclx=(9, 16, 9, 1))
    once = open_picture(data).tobytes()
    with ThreadPoolExecutor(4) as pool:  # its pixels are libheif's until they are copied
        assert set(pool.map(lambda _: open_picture(data).tobytes(), range(40))) == {once}


def test_a_heic_in_wide_colours_is_right_too():
    pytest.importorskip("pi_heif", reason="the extra `heic` is not installed")
    wide = heif(hevc_10(signal(DARK, is_hdr=False)), nclx=(9, 13, 9, 1))
    assert difference(open_picture(wide), DARK) < 2.5
    plain = heif(hevc_10(DARK.astype(np.uint16) * 257), nclx=(1, 13, 9, 1))
    assert difference(open_picture(plain), DARK) < 2.5


def test_a_small_target_makes_a_picture_of_high_range_small_before_its_light_is_computed():
    pytest.importorskip("pi_heif", reason="the extra `heic` is not installed")
    found = examine_picture(heif(hevc_10(signal(DARK)), nclx=(9, 16, 9, 1)), target_px=16)
    assert found.picture.size == (48, 32)
    assert (found.width_px, found.height_px) == (96, 64)
    assert difference(found.picture, Image.fromarray(DARK).resize((48, 32), Image.Resampling.BOX)) < 2.5


@needs_avif
def test_an_avif_in_pq_looks_as_it_was_before():
    pixels = (signal(DARK) / 257).round().astype(np.uint8)
    assert difference(open_picture(avif(pixels, (9, 16))), DARK) < 3.5  # 8 bits are few for PQ
    transparent = np.concatenate([pixels, np.full((64, 96, 1), 255, np.uint8)], 2)
    transparent[:, :48, 3] = 0
    opened = np.asarray(open_picture(avif(transparent, (9, 16))))
    assert (opened[:, :48] == 255).all()
    assert difference(opened[:, 48:], DARK[:, 48:]) < 3.5


@needs_avif
def test_an_avif_in_pq_stands_upright_too():
    pixels = (signal(DARK) / 257).round().astype(np.uint8)
    turned = avif(pixels, (9, 16), exif=exif(6))
    assert difference(open_picture(turned), np.rot90(DARK, -1)) < 3.5


@needs_avif
def test_an_avif_in_wide_colours_is_right_too():
    for primaries, matrix in ((9, TO_2020), (12, TO_P3)):
        pixels = (signal(DARK, matrix, is_hdr=False) / 257).round().astype(np.uint8)
        assert difference(open_picture(avif(pixels, (primaries, 13))), DARK) < 2


@needs_avif
def test_an_avif_of_10_bits_keeps_them_and_its_stream_may_say_what_they_mean():
    data = avif_10(signal(DARK), primaries=9, transfer=16)
    unsaid = b"nclx\0\2\0\2\0\2"
    assert data.count(unsaid) == 1
    assert difference(open_picture(data), DARK) < 1.5
    small = open_picture(data, target_px=16)
    assert small.size == (48, 32)
    said = data.replace(unsaid, b"nclx\0\x09\0\x10\0\x09")
    assert difference(open_picture(said), open_picture(data)) == 0
    assert Image.open(io.BytesIO(said)).size == (96, 64)  # Pillow's 8 bits of it are further away
    plain = avif_10(DARK.astype(np.uint16) * 257, primaries=1, transfer=13)
    assert difference(open_picture(plain), DARK) < 2.5


def test_the_stream_of_a_heic_may_say_what_its_numbers_mean():
    pytest.importorskip("pi_heif", reason="the extra `heic` is not installed")
    says = ":colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"
    for nclx in (None, (2, 2, 9, 1)):
        found = open_picture(heif(hevc_10(signal(DARK), says=says), nclx=nclx))
        assert difference(found, DARK) < 2.5


@pytest.mark.parametrize(("hlg", "light"), [(0.38, 26), (0.75, 203)])
def test_the_same_light_in_pq_and_hlg_looks_the_same(hlg, light):
    # ITU-R BT.2408-7, table 1: a grey card is 38 % of both (26 cd/m2), a page's white 75 % of HLG (203 cd/m2)
    shown = [
        np.asarray(open_picture(png_16(np.full((8, 8, 3), round(level * 65535), np.uint16), cicp=(9, curve, 0, 1))))
        for level, curve in ((hlg, 18), (pq(light), 16))
    ]
    assert abs(int(shown[0][0, 0, 0]) - int(shown[1][0, 0, 0])) <= 2
    if light == 26:
        np.testing.assert_allclose(shown[0][0, 0, :1], linear_to_srgb(np.array([26 / 203])), atol=2)


def test_a_profile_that_names_its_curve_is_taken_at_its_word():
    tag = b"cicp" + bytes(4) + bytes([9, 16, 0, 1])
    profile = bytes(128) + struct.pack(">I4sII", 1, b"cicp", 144, 12) + tag
    assert cicp.of_profile(profile) == (9, 16, True)
    assert cicp.of_profile(profile[:150]) is None
    assert cicp.of_profile(bytes(200)) is None
    assert cicp.of_profile(None) is None
    upper = Image.fromarray((signal(DARK) / 257).round().astype(np.uint8))
    assert difference(open_picture(encode(upper, "PNG", icc_profile=profile)), DARK) < 2


# --- which way round -------------------------------------------------------------------------------------------------

CORNERS = ((16, 16), (48, 16), (16, 48), (48, 48))


def corners(data):
    picture = open_picture(data)
    colours = np.array([picture.getpixel(place) for place in CORNERS])
    return [int(np.abs(np.array(HEIC_COLORS) - colour).sum(1).argmin()) for colour in colours]


@pytest.mark.parametrize(
    ("asked", "order"),
    [
        ({"quarter_turns": None, "orientation": 6}, [2, 0, 3, 1]),  # only EXIF: clockwise
        ({"quarter_turns": None, "orientation": 3}, [3, 2, 1, 0]),
        ({"quarter_turns": 3, "orientation": 6}, [2, 0, 3, 1]),  # both: once
        ({"quarter_turns": 0, "orientation": 6}, [0, 1, 2, 3]),  # the box says that it is upright
        ({"quarter_turns": 1}, [1, 3, 0, 2]),
        ({"quarter_turns": None, "mirror": 1}, [1, 0, 3, 2]),  # ISO/IEC 23008-12: axis 1, left and right change
        ({"quarter_turns": None, "mirror": 1, "orientation": 6}, [1, 0, 3, 2]),
        ({"quarter_turns": None}, [0, 1, 2, 3]),
    ],
)
def test_a_heic_is_turned_once_by_its_boxes_or_else_by_its_exif(asked, order):
    pytest.importorskip("pi_heif", reason="the extra `heic` is not installed")
    assert corners(heic(**asked)) == order


@needs_avif
def test_an_avif_is_turned_once_by_its_boxes_or_else_by_its_exif():
    by_boxes = encode(photo(), "AVIF", quality=95, exif=exif(6))
    assert b"irot" in by_boxes
    upright = np.asarray(photo().transpose(Image.Transpose.ROTATE_270))
    assert difference(open_picture(by_boxes), upright) < 2
    tags = Image.Exif()
    tags[0x010F] = "x"
    data = encode(photo(), "AVIF", quality=95, exif=tags)
    other = struct.pack(">HHI4s", 0x010F, 2, 2, b"x")
    assert data.count(other) == 1
    assert b"irot" not in data
    by_exif = data.replace(other, struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0))
    assert difference(open_picture(by_exif), upright) < 2


def test_damaged_boxes_say_nothing():
    data = heic(orientation=6)
    assert read_heif(io.BytesIO(data)).orientation == 6
    for length in range(24, len(data) - 200, 7):
        found = read_heif(io.BytesIO(data[:length]))
        assert found.orientation in (1, 6)
    assert read_heif(io.BytesIO(b"")) == read_heif(io.BytesIO(bytes(100))) == Said()
