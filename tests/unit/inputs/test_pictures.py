"""Opening pictures: the pixels are right, or the reason is; and nothing hangs, warns or leaks."""

import io
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from pictures import HEIC_COLORS, dng, encode, exif, heic, photo, srgb_to_linear, tiff_16
from PIL import Image, features

from seesay.base.errors import InputError, MissingExtraError
from seesay.inputs import pictures, refusals
from seesay.inputs.pictures import PICTURE_SUFFIXES, open_picture
from seesay.inputs.transform import ImageConfig, ImageTransform

PHOTO = np.asarray(photo())
JPEG = encode(photo(), "JPEG", quality=95)
PNG = encode(photo(), "PNG")
TURNS = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: np.rot90(pixels, 1),
}
needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow was built without AVIF")


def difference(picture, pixels):
    """The mean absolute difference, of 255; the sizes must be the same."""
    ours = np.asarray(picture)
    assert ours.shape == pixels.shape
    return np.abs(ours.astype(int) - pixels).mean()


# --- what can be opened ----------------------------------------------------------------------------------------------


def test_a_path_as_text_a_path_object_bytes_and_an_open_file_give_the_same_picture(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    with path.open("rb") as file:
        file.read(5)  # it is read from its start, wherever it stands
        opened = [open_picture(source) for source in (str(path), path, PNG, file)]
        assert not file.closed
    for picture in opened:
        np.testing.assert_array_equal(np.asarray(picture), PHOTO)


def test_a_path_that_is_not_utf_8_opens(tmp_path):
    name = os.fsdecode(b"\xff\xfe.png")
    try:
        (tmp_path / name).write_bytes(PNG)
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    assert open_picture(str(tmp_path / name)).size == (96, 64)


def test_the_content_decides_and_not_the_suffix(tmp_path):
    for name in ("png.jpg", "png.dng", "png", "png.heic"):
        (tmp_path / name).write_bytes(PNG)
        np.testing.assert_array_equal(np.asarray(open_picture(tmp_path / name)), PHOTO)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_the_picture_has_let_go_of_its_file_and_carries_no_metadata(kind, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(encode(photo(), kind, exif=exif(6), dpi=(300, 300)))
    picture = open_picture(path)
    assert type(picture) is Image.Image
    assert picture.info == {}
    assert picture.getexif().get(0x0112) is None
    path.unlink()
    picture.load()


def test_the_suffixes_are_lower_case_with_a_dot_and_name_what_cameras_write():
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in PICTURE_SUFFIXES)
    assert {".jpg", ".jpeg", ".png", ".webp", ".heic", ".avif", ".dng", ".nef", ".cr3", ".tif"} <= PICTURE_SUFFIXES
    assert not PICTURE_SUFFIXES & {".svg", ".pdf", ".mp4", ".txt", ""}


# --- the right way up, the right frame -------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", pytest.param("AVIF", marks=needs_avif)])
def test_a_picture_stands_upright_whatever_its_exif_says(kind, orientation):
    picture = open_picture(encode(photo(), kind, exif=exif(orientation)))
    # 3: the lossy ones; a wrong turn differs by 30 and more
    assert difference(picture, TURNS[orientation](PHOTO)) < 3


@pytest.mark.parametrize(
    "tag", [b"\x00\x00", b"Exif\x00\x00", b"Exif\x00\x00II*\x00\xff\xff\xff\xff", b"Exif\0\0MM\0*junk"]
)
def test_broken_exif_is_ignored(tag):
    assert difference(open_picture(encode(photo(), "JPEG", quality=95, exif=tag)), PHOTO) < 1


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_of_an_animation_the_first_frame_is_taken(kind):
    other = [Image.new("RGB", (96, 64), "black")] * 2
    picture = open_picture(encode(photo(), kind, save_all=True, append_images=other, duration=100))
    assert difference(picture, PHOTO) < 4  # a GIF has 256 colours


def test_of_the_two_pictures_of_an_mpo_the_first_is_taken():
    data = encode(photo(), "MPO", save_all=True, append_images=[Image.new("RGB", (96, 64), "black")], quality=95)
    assert difference(open_picture(data), PHOTO) < 1


# --- transparency, palettes, few and many bits -----------------------------------------------------------------------


def alpha_ramp():
    return np.broadcast_to(np.linspace(0, 255, 96).round().astype(np.uint8), (64, 96))


def on_white(pixels, alpha):
    part = alpha[..., None] / 255
    return (pixels * part + 255 * (1 - part)).round()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_what_is_transparent_is_white(kind):
    picture = photo()
    picture.putalpha(Image.fromarray(alpha_ramp()))
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    opened = np.asarray(open_picture(encode(picture, kind, **options)))
    np.testing.assert_allclose(opened, on_white(PHOTO, alpha_ramp()), atol=1)  # 1: Pillow's rounding


def test_transparent_grey_is_white():
    grey = photo().convert("L")
    pixels = np.repeat(np.asarray(grey)[..., None], 3, axis=2)
    grey.putalpha(Image.fromarray(alpha_ramp()))
    np.testing.assert_allclose(np.asarray(open_picture(encode(grey, "PNG"))), on_white(pixels, alpha_ramp()), atol=1)


@pytest.mark.parametrize("transparency", [0, b"\x00\xff\x80"])
def test_a_palette_with_transparency_becomes_its_colours_on_white(transparency):
    indices = np.repeat(np.arange(3, dtype=np.uint8), 8)[None].repeat(8, 0)
    picture = Image.fromarray(indices).convert("P")
    picture.putpalette([10, 20, 30, 200, 100, 0, 0, 0, 255])
    opened = open_picture(encode(picture, "PNG", transparency=transparency))
    last = (0, 0, 255) if transparency == 0 else (127, 127, 255)
    assert [opened.getpixel((x, 4)) for x in (4, 12, 20)] == [(255, 255, 255), (200, 100, 0), last]


def test_a_gif_with_a_transparent_colour_shows_white_there():
    picture = photo().convert("P", palette=Image.Palette.ADAPTIVE, colors=255)
    picture.paste(255, (0, 0, 48, 64))
    opened = open_picture(encode(picture, "GIF", transparency=255))
    assert opened.getpixel((10, 10)) == (255, 255, 255)
    assert difference(opened.crop((48, 0, 96, 64)), PHOTO[:, 48:]) < 4


def test_a_picture_of_one_bit_is_black_and_white():
    bits = Image.fromarray(alpha_ramp()).point(lambda value: 255 * (value > 127)).convert("1")
    for kind in ("PNG", "TIFF", "PPM", "BMP"):
        opened = np.asarray(open_picture(encode(bits, kind)))
        np.testing.assert_array_equal(opened, np.repeat(255 * (alpha_ramp() > 127)[..., None], 3, axis=2))


# --- how much of a JPEG is decoded -----------------------------------------------------------------------------------


def textured(width, height):
    """A photograph's worth of edges and noise, so that the scale of decoding could show."""
    rng = np.random.default_rng(0)
    blocks = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)).resize((width, height))
    return Image.fromarray((np.asarray(blocks) + rng.normal(0, 6, (height, width, 1))).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize(
    ("target_px", "size"), [(None, (1600, 1200)), (100, (400, 300)), (64, (200, 150)), (500, (1600, 1200))]
)
def test_a_jpeg_is_decoded_at_the_smallest_scale_that_is_twice_the_target(target_px, size):
    data = encode(photo(1600, 1200), "JPEG")
    assert open_picture(data, target_px=target_px).size == size
    assert open_picture(encode(photo(1600, 1200), "JPEG", exif=exif(6)), target_px=target_px).size == size[::-1]


def test_the_reduced_scale_hardly_changes_what_the_model_sees():
    data = encode(textured(1600, 1200), "JPEG", quality=90)
    transform = ImageTransform(
        ImageConfig(size_px=96, resize="shortest", interpolation="bicubic", mean=(0.5,) * 3, std=(0.5,) * 3)
    )
    whole, reduced = (transform(open_picture(data, target_px=px)).astype(int) for px in (None, 96))
    # 0.2 of 255 on photographs of 12 megapixels; both are averages over the same pixels, by two filters
    assert np.abs(whole - reduced).mean() < 0.5


# --- HEIC, AVIF, camera originals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("quarter_turns", "order"), [(0, (0, 1, 2, 3)), (1, (1, 3, 0, 2))])
def test_a_heic_opens_upright_and_in_its_colours(quarter_turns, order):
    pytest.importorskip("pi_heif", reason="the extra `heic` is not installed")
    picture = open_picture(heic(quarter_turns=quarter_turns))
    corners = [picture.getpixel(place) for place in ((16, 16), (48, 16), (16, 48), (48, 48))]
    np.testing.assert_allclose(corners, [HEIC_COLORS[index] for index in order], atol=3)  # 3: a lossy format


def test_a_heic_that_is_cut_short_is_refused():
    pytest.importorskip("pi_heif", reason="the extra `heic` is not installed")
    with pytest.raises(InputError, match="cut short"):
        open_picture(heic()[:-40])


def test_without_the_extra_a_heic_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(MissingExtraError, match=r"HEIC.*seesay\[heic\]"):
        open_picture(heic())


@needs_avif
def test_an_avif_opens_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    data = encode(photo(), "AVIF", quality=95)
    assert difference(open_picture(data), PHOTO) < 2
    # a still picture that names the container's brand first, and AVIF only among those it fits as well
    assert data[8:12] == b"avif"
    assert difference(open_picture(data[:8] + b"mif1" + data[12:]), PHOTO) < 2


def light():
    return srgb_to_linear(np.asarray(photo(192, 128)))


def test_a_camera_original_is_developed():
    pytest.importorskip("rawpy", reason="the extra `raw` is not installed")
    picture = open_picture(dng(light()))
    assert picture.size == (192, 128)
    ours, theirs = np.asarray(picture).astype(int), np.asarray(photo(192, 128)).astype(int)
    # LibRaw brightens until the brightest hundredth is white, so only the order of the values is compared
    for channel in range(3):
        assert np.corrcoef(ours[..., channel].ravel(), theirs[..., channel].ravel())[0, 1] > 0.98


def test_a_camera_original_is_developed_at_half_its_size_where_that_is_enough():
    pytest.importorskip("rawpy", reason="the extra `raw` is not installed")
    assert open_picture(dng(light()), target_px=32).size == (96, 64)
    assert open_picture(dng(light()), target_px=33).size == (192, 128)


def test_the_preview_of_a_camera_original_is_taken_where_it_is_large_enough():
    pytest.importorskip("rawpy", reason="the extra `raw` is not installed")
    data = dng(light(), preview=photo())
    assert difference(open_picture(data, target_px=32), PHOTO) < 1
    assert open_picture(data, target_px=40).size == (192, 128)
    assert open_picture(data).size == (192, 128)


def test_a_camera_original_stands_upright_by_preview_and_developed():
    pytest.importorskip("rawpy", reason="the extra `raw` is not installed")
    assert difference(open_picture(dng(light(), orientation=6, preview=photo()), target_px=32), TURNS[6](PHOTO)) < 1
    ours = np.asarray(open_picture(dng(light(), orientation=6))).astype(int)
    assert ours.shape == (192, 128, 3)
    assert np.corrcoef(ours[..., 0].ravel(), TURNS[6](np.asarray(photo(192, 128)))[..., 0].ravel())[0, 1] > 0.98


def test_a_broken_preview_is_no_reason_to_refuse_a_camera_original():
    pytest.importorskip("rawpy", reason="the extra `raw` is not installed")
    data = bytearray(dng(light(), preview=photo()))
    start = data.index(b"\xff\xda")  # where the preview's pixels begin
    data[start : start + 600] = bytes(600)
    assert open_picture(bytes(data), target_px=40).size == (192, 128)


def test_a_camera_original_that_is_none_says_so(tmp_path):
    pytest.importorskip("rawpy", reason="the extra `raw` is not installed")
    path = tmp_path / "a.NEF"
    path.write_bytes(b"no camera wrote this" * 10)
    with pytest.raises(InputError, match=r"cannot be developed \(Unsupported file format"):
        open_picture(path)


@pytest.mark.parametrize("name", ["a.dng", "a.tif"])
def test_without_the_extra_a_camera_original_names_it_and_no_thumbnail_stands_in(name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rawpy", None)
    (tmp_path / name).write_bytes(dng(light(), preview=photo()))
    with pytest.raises(MissingExtraError, match=r"camera original.*seesay\[raw\]"):
        open_picture(tmp_path / name)


def test_nothing_optional_is_imported_before_it_is_needed():
    code = (
        "import sys, seesay.inputs; assert 'PIL' not in sys.modules;"
        "import seesay.inputs.pictures; assert not {'pi_heif', 'rawpy', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# --- what is refused, and how ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "^the file is empty$"),
        (b"Dear diary, today I took a picture.", "not a picture: no known format starts with b'Dear dia'"),
        (b"<!DOCTYPE html><title>404", "not a picture but a web page"),
        (b"%PDF-1.7 and so on", "not a picture but a PDF"),
        (b"PK\x03\x04 and so on and on", "not a picture but a ZIP archive"),
        (b"\x1aE\xdf\xa3 and so on and on", "not a picture but a video"),
        (b"\x00\x00\x00\x20ftypisom" + bytes(52), "a file of kind 'isom', perhaps a video"),
        (b"\x00\x00\x00\x20ftypavif" + bytes(52), "a damaged AVIF"),
        (bytes(5000), "not a picture but zeros"),
        (b"\x89PNG, more or less", "a damaged PNG"),
        (b"GIF89a", "a damaged GIF"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "a damaged WebP, or a sound or video"),
        (b"II*\x00\x08\x00\x00\x00" + bytes(60), "a damaged TIFF"),
        (b"\x00\x00\x00\x0cjP  ", "a damaged JPEG 2000"),
        (b"\xff\xd8\xff\xe0", "damaged|cut short"),
    ],
)
def test_content_that_is_no_picture_is_refused_with_what_it_is(content, reason):
    with pytest.raises(InputError, match=reason):
        open_picture(content)


@pytest.mark.parametrize(
    "kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "JPEG2000", pytest.param("AVIF", marks=needs_avif)]
)
@pytest.mark.parametrize("part", [0.5, 0.9])
def test_a_truncated_file_is_an_error_and_never_half_a_picture(kind, part):
    data = encode(photo(), kind)
    with pytest.raises(InputError):
        open_picture(data[: int(part * len(data))])


def test_a_truncated_file_says_that_it_is_cut_short():
    for data in (JPEG, PNG):
        with pytest.raises(InputError, match=r"cut short \(.*truncated.*\); copy or download it again"):
            open_picture(data[: len(data) // 2])


def with_jpeg_size(data, width, height):
    """The same JPEG claiming another size."""
    start = data.index(b"\xff\xc0") + 5
    return data[:start] + struct.pack(">HH", height, width) + data[start + 4 :]


def test_a_picture_that_would_take_too_much_time_or_memory_is_refused_before_it_is_decoded():
    with pytest.raises(InputError, match=r"too large: 3,600 megapixels.*the limits are 500 megapixels and 2 GiB"):
        open_picture(with_jpeg_size(JPEG, 60_000, 60_000), target_px=224)
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    png = PNG[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + PNG[33:]
    with pytest.raises(InputError, match=r"too large: Image size \(3600000000 pixels\) exceeds limit.*smaller copy"):
        open_picture(png)


def test_the_200_megapixels_of_a_phone_are_not_too_large_at_a_reduced_scale():
    data = with_jpeg_size(JPEG, 16_320, 12_240)  # Pillow's own limit is 179 million pixels
    assert open_picture(data, target_px=224).size == (2040, 1530)


def test_a_progressive_jpeg_counts_its_coefficients(monkeypatch):
    monkeypatch.setattr(refusals, "MAX_BYTES", 60_000)
    open_picture(JPEG)  # 96 * 64 * 8 bytes are 49,152
    with pytest.raises(InputError, match="too large"):
        open_picture(encode(photo(), "JPEG", progressive=True))


def test_a_file_too_large_to_be_a_picture_is_not_read(tmp_path):
    path = tmp_path / "a.heic"
    with path.open("wb") as file:
        file.truncate(3 << 30)
    with pytest.raises(InputError, match=r"too large: a file of 3\.0 GiB"):
        open_picture(path)


@pytest.mark.timeout(20)
def test_what_is_no_regular_file_is_refused_and_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    with tempfile.TemporaryDirectory(dir="/tmp") as short, socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{short}/socket.jpg")  # a socket's path has room for a hundred bytes
        for path, kind in (
            (tmp_path / "pipe.jpg", "a named pipe"),
            (tmp_path / "folder.jpg", "a directory"),
            (Path(short) / "socket.jpg", "a socket"),
            (Path("/dev/zero"), "a device"),
        ):
            with pytest.raises(InputError, match=f"^not a file but {kind}$"):
                open_picture(path)


def test_the_systems_reasons_come_without_the_path(tmp_path, monkeypatch):
    (tmp_path / "link.jpg").symlink_to(tmp_path / "gone.jpg")
    for path in (tmp_path / "none.jpg", tmp_path / "link.jpg"):
        with pytest.raises(InputError, match=r"^no such file or directory$"):
            open_picture(path)
    with pytest.raises(InputError, match="no file can have this name"):
        open_picture("a\0b.jpg")

    def refuse(self, *_):
        raise PermissionError(13, "Permission denied", str(self))

    (tmp_path / "mine.jpg").write_bytes(JPEG)
    monkeypatch.setattr(Path, "open", refuse)  # the user of a test may be root, who is never refused
    with pytest.raises(InputError, match=r"^permission denied$"):
        open_picture(tmp_path / "mine.jpg")


def test_an_open_file_that_was_closed_is_refused():
    file = io.BytesIO(PNG)
    file.close()
    with pytest.raises(InputError, match=r"cannot be read .*closed"):
        open_picture(file)


def test_too_little_memory_is_a_reason_too(monkeypatch):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(Image.Image, "load", fail)
    with pytest.raises(InputError, match="not enough memory"):
        open_picture(JPEG)


def test_whatever_is_damaged_gives_a_picture_or_an_input_error():
    rng = random.Random(0)
    seeds = [encode(photo(), kind) for kind in ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "JPEG2000", "PPM")]
    seeds += [
        encode(photo(), "TIFF", compression="tiff_lzw"),
        encode(photo().convert("P"), "PNG"),
        heic(),
        dng(light()),
    ]
    num_refused = 0
    for _ in range(600):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.choice((1, 3, 10))):
            data[rng.randrange(min(len(data), rng.choice((64, 10_000))))] = rng.randrange(256)
        try:
            assert open_picture(bytes(data), target_px=16).mode == "RGB"
        except (InputError, MissingExtraError):
            num_refused += 1
    assert num_refused > 100


# --- warnings and threads --------------------------------------------------------------------------------------------


NOISY = tiff_16(PHOTO.astype(np.uint16) * 257, {274: (3, (1, 1))})
"""A TIFF with two orientations, on which Pillow comments."""


def test_pillow_warns_of_this_file_outside_and_not_inside():
    with pytest.warns(UserWarning, match="tag 274 had too many entries"):
        Image.open(io.BytesIO(NOISY)).load()
    np.testing.assert_array_equal(np.asarray(open_picture(NOISY)), PHOTO)  # warnings are errors here


def test_the_filters_of_the_process_are_as_before():
    before = list(warnings.filters)
    open_picture(NOISY)
    with pytest.raises(InputError):
        open_picture(b"nothing")
    assert list(warnings.filters) == before


def test_other_warnings_still_come_through_while_a_picture_is_read():
    with pictures._QUIET, pytest.warns(UserWarning, match="mine"):
        warnings.warn("mine", stacklevel=1)


def test_many_threads_open_many_kinds_at_once():
    sources = [JPEG, PNG, NOISY, encode(photo(), "WEBP"), encode(photo(), "TIFF", exif=exif(6)), heic(), b"nothing"]

    def read(index):
        try:
            return open_picture(sources[index % len(sources)], target_px=16).tobytes()
        except (InputError, MissingExtraError) as error:
            return str(error)

    before = list(warnings.filters)
    alone = [read(index) for index in range(len(sources))]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(read, range(40 * len(sources))))
    assert together == alone * 40
    assert list(warnings.filters) == before
