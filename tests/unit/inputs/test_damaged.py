"""Damaged pictures: nearly whole ones are taken and noted, all others refused. What is right, the whole file says."""

import io
import random
import re
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import numpy as np
import pytest
from pictures import encode, heic
from PIL import Image, ImageFile, JpegImagePlugin, PngImagePlugin, features

from seesay.base.errors import InputError
from seesay.inputs import damaged
from seesay.inputs.pictures import examine_picture, open_picture


def textured(width=320, height=256):
    """Edges and noise: what is missing shows."""
    rng = np.random.default_rng(0)
    blocks = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)).resize((width, height))
    return Image.fromarray((np.asarray(blocks) + rng.normal(0, 20, (height, width, 1))).clip(0, 255).astype(np.uint8))


PHOTO = textured()
WHOLE = "the file is cut short or damaged: every pixel is there and was taken; copy or download it again"
COARSER = "the file is cut short: the picture is coarser than it was and was taken; copy or download it again"


def strips_tiff(compress):
    """A TIFF whose strips of 8 rows come after all else, as cameras and scanners write them."""
    pixels = np.asarray(PHOTO)
    strips = [pixels[row : row + 8].tobytes() for row in range(0, PHOTO.height, 8)]
    strips = [zlib.compress(strip) for strip in strips] if compress else strips
    num = len(strips)
    beyond = 8 + 2 + 9 * 12 + 4
    start = beyond + 6 + 8 * num
    sizes = [len(strip) for strip in strips]
    offsets = [start + sum(sizes[:number]) for number in range(num)]
    entries = [
        (256, 4, 1, PHOTO.width), (257, 4, 1, PHOTO.height), (258, 3, 3, beyond), (259, 4, 1, 8 if compress else 1),
        (262, 4, 1, 2), (273, 4, num, beyond + 6), (277, 4, 1, 3), (278, 4, 1, 8), (279, 4, num, beyond + 6 + 4 * num),
    ]  # fmt: skip
    table = struct.pack("<H", 9) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    values = struct.pack(f"<3H{2 * num}I", 8, 8, 8, *offsets, *sizes)
    return struct.pack("<2sHI", b"II", 42, 8) + table + values + b"".join(strips)


FILES = {
    "JPEG": encode(PHOTO, "JPEG", quality=90),
    "JPEG 4:4:4": encode(PHOTO, "JPEG", quality=90, subsampling=0),
    "JPEG, restarts": encode(PHOTO, "JPEG", quality=90, restart_marker_blocks=3),
    "JPEG, grey": encode(PHOTO.convert("L"), "JPEG"),
    "JPEG, CMYK": encode(PHOTO.convert("CMYK"), "JPEG"),
    "PNG": encode(PHOTO, "PNG"),
    "PNG, palette": encode(PHOTO.quantize(), "PNG"),
    "WebP": encode(PHOTO, "WEBP", quality=90),
    "WebP, lossless": encode(PHOTO, "WEBP", lossless=True),
    "TIFF": strips_tiff(compress=False),
    "TIFF, deflate": strips_tiff(compress=True),
    "GIF": encode(PHOTO, "GIF", interlace=0),
    "BMP": encode(PHOTO, "BMP"),
    "PPM": encode(PHOTO, "PPM"),
}


def share_alike(picture, data):
    """How many pixels are as in the whole file, but for the rounding of a lossy format at the edge of what is there."""
    whole = np.asarray(open_picture(data)).astype(int)
    return float((np.abs(np.asarray(picture).astype(int) - whole).max(axis=2) < 12).mean())


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_lacks_its_last_bytes_is_taken_and_noted(kind):
    data = FILES[kind]
    for missing in (12, len(data) // 60):
        found = examine_picture(data[:-missing])
        assert found.picture.size == PHOTO.size
        assert found.problem is None or re.match(
            r"the file is cut short or damaged: (9[5-9]\.\d %|every pixel) .*there and was taken; copy", found.problem
        )
        assert share_alike(found.picture, data) > 0.95, (kind, missing)
    assert found.problem is not None


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_lacks_a_tenth_is_refused(kind):
    for part in (0.2, 0.5, 0.88):
        with pytest.raises(InputError, match=r"cut short|damaged"):
            examine_picture(FILES[kind][: int(part * len(FILES[kind]))])


@pytest.mark.parametrize("kind", [kind for kind in FILES if kind.startswith("JPEG")])
def test_a_jpeg_without_its_end_marker_is_whole(kind):
    for missing in (1, 2):
        found = examine_picture(FILES[kind][:-missing])
        assert found.problem == WHOLE
        np.testing.assert_array_equal(np.asarray(found.picture), np.asarray(open_picture(FILES[kind])))


def test_what_is_measured_at_a_reduced_scale_is_the_same_share():
    large = encode(PHOTO.resize((1600, 1280)), "JPEG", quality=90)
    reduced = [examine_picture(large[: int(0.97 * len(large))], target_px=px) for px in (None, 100)]
    assert [found.picture.size for found in reduced] == [(1600, 1280), (400, 320)]
    shares = [float(re.search(r"[\d.]+(?= %)", found.problem)[0]) for found in reduced]
    assert abs(shares[0] - shares[1]) < 1
    assert reduced[1].width_px == 1600


def test_a_jpeg_that_ends_at_any_restart_marker_is_never_half_grey():
    data = FILES["JPEG, restarts"]
    places = [match.start() for match in re.finditer(rb"\xff[\xd0-\xd7]", data)]
    assert len(places) > 50
    for place in places[::9]:
        for end in (place, place + 1, place + 2):
            try:
                picture = open_picture(data[:end])
            except InputError:
                continue
            assert share_alike(picture, data) > 0.94


def test_a_progressive_jpeg_without_its_last_passes_is_coarser():
    data = encode(PHOTO, "JPEG", quality=90, progressive=True)
    passes = [match.start() for match in re.finditer(rb"\xff\xda", data)]
    assert len(passes) == 10
    whole = np.asarray(open_picture(data)).astype(int)
    errors = []
    for end in [*passes[3:], passes[3] + 2, passes[4] + 100, len(data) - 2]:
        found = examine_picture(data[:end])
        assert found.problem == COARSER
        errors.append(np.abs(np.asarray(found.picture) - whole).mean())
    assert max(errors) < 20
    assert errors[-1] == 0
    for end in (passes[1], passes[1] - 50, passes[1] + 100):  # without the first details it is a picture of blocks
        with pytest.raises(InputError, match="cut short"):
            examine_picture(data[:end])


def test_a_jpeg_whose_colours_come_in_passes_of_their_own_must_have_them_all():
    picture = JpegImagePlugin.JpegImageFile(io.BytesIO(FILES["JPEG 4:4:4"]))
    assert picture.layers == 3
    passes = damaged._passes(FILES["JPEG 4:4:4"])
    assert passes.has_all_colours
    head, scan = FILES["JPEG 4:4:4"].split(b"\xff\xda", 1)
    only_one = head + b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 0, 63, 0) + scan[12:]
    assert not damaged._passes(only_one).has_all_colours
    with pytest.raises(InputError, match="cut short"):
        examine_picture(only_one[:-2])


def test_a_jpeg_2000_without_its_last_packets_is_coarser():
    data = encode(PHOTO, "JPEG2000")
    whole = np.asarray(open_picture(data)).astype(int)
    for missing in (1, 2, 20, len(data) // 100):
        found = examine_picture(data[:-missing])
        assert np.abs(np.asarray(found.picture) - whole).mean() < 4
    assert "coarser" in found.problem
    with pytest.raises(InputError, match="damaged"):
        examine_picture(data[: len(data) // 2])


def test_a_jpeg_with_something_before_or_after_it_is_taken():
    data = FILES["JPEG"]
    found = examine_picture(b"\r\n\r\n" + data)
    assert found.problem == "4 bytes stand before the picture; it was taken without them"
    np.testing.assert_array_equal(np.asarray(found.picture), np.asarray(open_picture(data)))
    assert examine_picture(data + b"something else" * 99).problem is None
    with pytest.raises(InputError, match="a PDF"):
        examine_picture(b"%PDF-1.7\n" + data)
    with pytest.raises(InputError, match="no known format"):
        examine_picture(b"x" * 5000 + data)


# --- checksums of a PNG ----------------------------------------------------------------------------------------------


def png_with_text():
    text = PngImagePlugin.PngInfo()
    text.add_text("name", "a" * 50)
    return encode(PHOTO, "PNG", pnginfo=text)


def broken_at(data, place):
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def test_a_png_can_do_without_a_damaged_chunk_beside_its_pixels():
    data = png_with_text()
    broken = broken_at(data, data.index(b"tEXt") + 20)
    with pytest.raises(OSError, match="cannot identify"):
        Image.open(io.BytesIO(broken))
    found = examine_picture(broken)
    assert found.problem == WHOLE
    np.testing.assert_array_equal(np.asarray(found.picture), np.asarray(PHOTO))
    for end in (data[:-12], data[:-5], broken_at(data, len(data) - 2)):
        np.testing.assert_array_equal(np.asarray(open_picture(end)), np.asarray(PHOTO))


def test_a_png_whose_pixels_are_damaged_is_refused():
    data = png_with_text()
    for place in (data.index(b"IDAT") + 3000, data.index(b"IHDR") + 18):
        with pytest.raises(InputError, match="damaged"):
            examine_picture(broken_at(data, place))


# --- what is left alone ----------------------------------------------------------------------------------------------


def test_what_is_cut_says_how_much_of_it_is_there_where_the_file_knows():
    whole = [FILES["WebP"], FILES["WebP, lossless"], encode(PHOTO, "TIFF", compression="tiff_lzw")]
    whole += [heic()] if find_spec("pi_heif") else []
    whole += [encode(PHOTO, "AVIF")] if features.check("avif") else []
    for data in whole:
        for part in (0.5, 0.9):
            with pytest.raises(
                InputError, match=r"the file is cut short \(at most \d\d % of it is there\); copy"
            ) as raised:
                examine_picture(data[: int(part * len(data))])
            assert 100 * part - 2 < float(re.search(r"\d+", str(raised.value))[0]) < 99
    end = struct.pack(">I4sQ", 1, b"mdat", 10_000)
    for boxes in (bytes(4) + b"ftypavif", struct.pack(">I4s4s", 12, b"ftyp", b"avif"), b"\0\0\0\x0cftypavif" + end):
        with pytest.raises(InputError, match="cut short" if boxes.endswith(end) else "a damaged AVIF"):
            examine_picture(boxes)


def test_nothing_of_pillow_is_switched_and_threads_do_not_meet():
    cut = [data[:-12] for data in FILES.values()]
    alone = [open_picture(data).tobytes() for data in cut]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda data: open_picture(data).tobytes(), cut * 3)) == alone * 3
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_any_cut_gives_a_picture_like_the_whole_or_a_reason():
    rng = random.Random(0)
    num_taken = 0
    for _ in range(120):
        data = FILES[rng.choice(list(FILES))]
        end = rng.randrange(len(data) * 9 // 10, len(data))
        try:
            picture = open_picture(data[:end])
        except InputError:
            continue
        num_taken += 1
        assert share_alike(picture, data) > 0.94
    assert num_taken > 20
