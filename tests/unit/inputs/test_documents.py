"""Photoshop documents, JPEG XL, and files of several pages."""

import io
import sys

import numpy as np
import pytest
from photoshop import BITMAP, CMYK, DUOTONE, GREY, INDEXED, LAB, MULTICHANNEL, RGB, psd, resource
from pictures import ADOBE_TO_XYZ, HEIC_COLORS, encode, exif, photo, rgb_profile, srgb_to_linear
from PIL import Image, ImageCms, TiffImagePlugin

from seesay.base.errors import InputError, MissingExtraError
from seesay.inputs.pictures import examine_pages, examine_picture, has_pages, open_picture

PHOTO = np.asarray(photo())
CHANNELS = [PHOTO[..., number] for number in range(3)]
GREYS = np.asarray(photo().convert("L"))


def difference(picture, expected):
    return np.abs(np.asarray(picture).astype(int) - np.asarray(expected).astype(int)).max()


# --- Photoshop -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize("is_large", [False, True])
@pytest.mark.parametrize("depth", [8, 16, 32])
def test_a_photoshop_document_shows_its_layers_together(depth, is_large, is_packed):
    values = {8: CHANNELS, 16: [one.astype(int) * 257 for one in CHANNELS], 32: map(srgb_to_linear, CHANNELS)}[depth]
    found = examine_picture(psd(list(values), RGB, depth, is_large=is_large, is_packed=is_packed))
    assert found[1:] == ("PSD", 96, 64, None)
    assert difference(found.picture, PHOTO) == 0


def test_a_photoshop_document_of_8_bits_is_as_pillow_reads_it():
    data = psd(CHANNELS, RGB, is_packed=True)
    assert difference(open_picture(data), Image.open(io.BytesIO(data))) == 0


def test_photoshops_other_colours():
    inks = [255 - np.asarray(band) for band in photo().convert("CMYK").split()]
    assert difference(open_picture(psd(inks, CMYK)), PHOTO) == 0
    lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    bands = [np.asarray(band) for band in lab.apply(photo()).split()]
    found = open_picture(psd(bands, LAB))
    assert np.abs(np.asarray(found).astype(int) - PHOTO).mean() < 1  # 8 bits of Lab are coarse
    half = np.full((8, 8), 50 * 255 // 100, np.uint8)  # L* 50 is 119 of sRGB
    none = np.full((8, 8), 128, np.uint8)
    assert difference(open_picture(psd([half, none, none], LAB)), np.full((8, 8, 3), 119)) <= 1
    for mode in (GREY, DUOTONE):
        assert difference(open_picture(psd([GREYS], mode)), GREYS[..., None].repeat(3, 2)) == 0
    bits = GREYS > 128
    assert difference(open_picture(psd([~bits], BITMAP, 1)), 255 * bits[..., None].repeat(3, 2)) == 0
    indexed = photo().quantize(64)
    palette = np.asarray(indexed.getpalette("RGB") + [0] * 768)[:768].reshape(256, 3).T.astype(np.uint8).tobytes()
    found = open_picture(psd([np.asarray(indexed)], INDEXED, palette=palette))
    assert difference(found, indexed.convert("RGB")) == 0


def test_a_lab_tiff_is_read_too():
    lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    found = open_picture(encode(lab.apply(photo()), "TIFF"))
    assert np.abs(np.asarray(found).astype(int) - PHOTO).mean() < 1


def test_a_photoshop_documents_profile_is_applied():
    profile = rgb_profile(ADOBE_TO_XYZ, 2.2)
    data = psd(CHANNELS, RGB, resources=resource(1005, b"abc") + resource(1039, profile))
    assert difference(open_picture(data), open_picture(encode(photo(), "PNG", icc_profile=profile))) == 0


def test_a_fourth_channel_is_transparency_only_where_the_layers_say_so():
    alpha = np.zeros((64, 96), np.uint8)
    alpha[:, 48:] = 255
    assert difference(open_picture(psd([*CHANNELS, alpha], RGB)), PHOTO) == 0  # a selection that somebody saved
    for is_large in (False, True):
        shown = np.asarray(open_picture(psd([*CHANNELS, alpha], RGB, num_layers=-1, is_large=is_large)))
        assert (shown[:, :48] == 255).all()
        assert difference(shown[:, 48:], PHOTO[:, 48:]) == 0


def test_a_photoshop_document_that_cannot_be_shown_says_why():
    without = resource(1057, b"\0\0\0\1\0")
    with pytest.raises(InputError, match="without a picture of the whole; save it with 'Maximize Compatibility'"):
        open_picture(psd(CHANNELS, RGB, resources=without))
    assert difference(open_picture(psd(CHANNELS, RGB, resources=resource(1057, b"\0\0\0\1\1"))), PHOTO) == 0
    with pytest.raises(InputError, match="in multichannel mode; export it as PNG"):
        open_picture(psd(CHANNELS, MULTICHANNEL))
    with pytest.raises(InputError, match="too large"):
        open_picture(psd(CHANNELS, RGB).replace(b"\0\0\0\x40\0\0\0\x60", b"\0\1\0\0\0\1\0\0"))
    with pytest.raises(InputError, match="cut short"):
        open_picture(b"8BPS\x00\x01 and so on and on")


@pytest.mark.parametrize("is_packed", [False, True])
def test_a_photoshop_document_that_is_nearly_whole_is_taken_and_noted(is_packed):
    data = psd(CHANNELS, RGB, is_packed=is_packed)
    found = examine_picture(data[:-150])
    assert found.problem == "the file is cut short: 2 of 64 rows are missing; copy or download it again"
    assert difference(np.asarray(found.picture)[:62], PHOTO[:62]) == 0
    for length in (len(data) - 1000, len(data) // 2, 200, 40, 20):
        with pytest.raises(InputError, match=r"cut short|damaged"):
            open_picture(data[:length])


# --- JPEG XL ---------------------------------------------------------------------------------------------------------

# Four squares as those of a HEIC in test pictures, by libjxl's cjxl: turned by its header, and darker in PQ.
JXL_TURNED = bytes.fromhex(
    "0000000c4a584c200d0a870a00000014667479706a786c20000000006a786c20000000fe6a786c63ff0a432c90505c1200128800a00397"
    "b149010050a132cab8c1cbb99e2f3f74584cdbb8ced056db1696248a8c639374028724b112c8ce51120001a0f23f8f59ed64f35fc707fc"
    "15e76d30aa7a1037f2600ab88003155220a55450d9bc4b49c793e8fb2c004150ab9bf825316ce59e6099cb14c98fd20ea231484128154a"
    "d4e0a30ada920eace377d0f437729afc9dd320f4ac6642f13904d36930ea059163ce1dc7fb7058cc3fda50baf030f7cc4b984cf6ab5f24"
    "bb361dd4bd47799f595b655129257b0cb9f002eec15589d1ad2380fb295be2b8506b8824d64d171d512013c90f156cb734795d685e37ce"
    "4bd34bb05f4f05d6036e00"
)
JXL_PQ = bytes.fromhex(
    "0000000c4a584c200d0a870a00000014667479706a786c20000000006a786c20000000096a786c6c0a0000004f6a786c63ff0a4304fc00"
    "e4d1230e070000008008020100c8004b18938e83850900c13be21a830787e1058200506f7302105ab91002135074e4828c575a5b3f2a9c"
    "36f659b2cff0fa03f82b"
)
PLACES = ((3, 3), (12, 3), (3, 12), (12, 12))


def test_a_jpeg_xl_opens_upright():
    pytest.importorskip("pyjpegxl", reason="the extra `jxl` is not installed")
    found = examine_picture(JXL_TURNED)
    assert found[1:] == ("JXL", 16, 16, None)
    colours = [found.picture.getpixel(place) for place in PLACES]
    np.testing.assert_allclose(colours, [HEIC_COLORS[number] for number in (2, 0, 3, 1)], atol=12)  # lossy


def test_a_jpeg_xl_in_pq_looks_as_it_was_before():
    pytest.importorskip("pyjpegxl", reason="the extra `jxl` is not installed")
    colours = [open_picture(JXL_PQ).getpixel(place) for place in PLACES]
    np.testing.assert_allclose(colours, np.array(HEIC_COLORS) * 0.6, atol=2)


def test_jpeg_xl_of_any_channels_is_right():
    pyjpegxl = pytest.importorskip("pyjpegxl", reason="the extra `jxl` is not installed")
    alpha = np.full((64, 96, 1), 255, np.uint8)
    alpha[:, :48] = 0
    grey = GREYS[..., None]
    for pixels in (PHOTO, grey, np.concatenate([PHOTO, alpha], 2), np.concatenate([grey, alpha], 2)):
        data = pyjpegxl.encode_from_numpy(np.ascontiguousarray(pixels), lossless=True)
        shown = np.asarray(open_picture(data))
        colours = PHOTO if pixels.shape[2] > 2 else grey.repeat(3, 2)
        assert difference(shown[:, 48:], colours[:, 48:]) == 0
        if pixels.shape[2] in (2, 4):
            assert (shown[:, :48] == 255).all()


def test_a_jpeg_xl_that_is_cut_short_or_damaged_is_refused():
    pytest.importorskip("pyjpegxl", reason="the extra `jxl` is not installed")
    with pytest.raises(InputError, match="cut short"):
        open_picture(JXL_TURNED[:-20])
    with pytest.raises(InputError, match="damaged"):
        open_picture(b"\xff\x0a and so on and on")


def test_without_the_extra_a_jpeg_xl_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyjpegxl", None)
    with pytest.raises(MissingExtraError, match=r"JPEG XL.*seesay\[jxl\]"):
        open_picture(JXL_TURNED)


# --- pages -----------------------------------------------------------------------------------------------------------

COLOURS = ((200, 30, 30), (30, 160, 30), (30, 30, 200))


def scan(*pages, **options):
    """A TIFF of (picture, tags) pages."""
    file = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(file, new=True) as writer:
        for picture, tags in pages:
            picture.save(writer, "TIFF", tiffinfo=tags, **options)
            writer.newFrame()
    return file.getvalue()


def plain(colour, size=(60, 40)):
    return Image.new("RGB", size, colour)


def dcx(*pages):
    contents = [encode(page, "PCX") for page in pages]
    starts = np.cumsum([4 + 4 * len(contents) + 4, *map(len, contents)])[:-1]
    return b"\xb1\x68\xde\x3a" + np.array([*starts, 0], "<u4").tobytes() + b"".join(contents)


@pytest.mark.parametrize(
    "data", [scan(*((plain(colour), {}) for colour in COLOURS)), dcx(*map(plain, COLOURS))], ids=["TIFF", "DCX"]
)
def test_every_page_is_there_with_its_number(data):
    assert has_pages(data)
    pages = list(examine_pages(data))
    assert [page.number for page in pages] == [1, 2, 3]
    assert [page.found.picture.getpixel((30, 20)) for page in pages] == list(COLOURS)
    assert [page.problem for page in pages] == [None] * 3
    assert [page.number for page in examine_pages(data, first=3)] == [3]
    assert list(examine_pages(data, first=4)) == []
    assert open_picture(data, page=2).getpixel((30, 20)) == COLOURS[1]
    assert open_picture(data).getpixel((30, 20)) == COLOURS[0]
    with pytest.raises(InputError, match="the file has no page 4"):
        open_picture(data, page=4)


def test_pages_of_other_sizes_and_directions_are_right_too():
    turned = scan((plain(COLOURS[0]), {}), (plain(COLOURS[1], (80, 20)), {274: 6}), (photo().convert("L"), {}))
    sizes = [(page.found.width_px, page.found.height_px) for page in examine_pages(turned)]
    assert sizes == [(60, 40), (20, 80), (96, 64)]


def test_smaller_copies_and_masks_are_no_pages():
    small = plain(COLOURS[2], (30, 20))
    copies = scan((plain(COLOURS[0]), {}), (small, {254: 1}), (small.convert("1"), {254: 4}), (small, {255: 2}))
    assert not has_pages(copies)
    mixed = scan((plain(COLOURS[0]), {}), (small, {254: 1}), (plain(COLOURS[1]), {254: 2}))
    assert [page.found.picture.getpixel((5, 5)) for page in examine_pages(mixed)] == list(COLOURS[:2])
    assert open_picture(mixed, page=2).getpixel((5, 5)) == COLOURS[1]


def test_an_animation_or_a_single_picture_has_no_pages(tmp_path):
    animation = encode(plain(COLOURS[0]), "GIF", save_all=True, append_images=[plain(COLOURS[1])])
    for data in (animation, encode(photo(), "TIFF"), encode(photo(), "JPEG"), b"II*\0nothing", b""):
        assert not has_pages(data)
    with pytest.raises(InputError, match="the file has no page 2"):
        open_picture(animation, page=2)
    assert not has_pages(tmp_path / "none.tif")


def test_a_page_that_cannot_be_read_does_not_end_the_file():
    pages = [(Image.effect_noise((60, 40), 50).convert("RGB"), {}) for _ in range(3)]
    data = scan(*pages, compression="tiff_adobe_deflate")
    second = io.BytesIO(data)
    picture = Image.open(second)
    picture.seek(1)
    start = picture.tag_v2[273][0]
    broken = data[:start] + bytes(100) + data[start + 100 :]
    found = list(examine_pages(broken))
    assert [page.found is None for page in found] == [False, True, False]
    assert "damaged" in found[1].problem


def test_the_last_page_of_a_scan_that_lacks_some_bytes_is_taken_and_noted():
    data = scan((plain(COLOURS[0]), {}), (photo(), {}))
    last = max(range(len(data)), key=lambda place: place if data[place : place + 9] == PHOTO[-1, -3:].tobytes() else 0)
    *_, page = examine_pages(data[: last + 4])
    assert page.number == 2
    assert "98.4 % of the picture is there" in page.problem
    assert difference(np.asarray(page.found.picture)[:63], PHOTO[:63]) == 0


def test_a_file_of_many_pages_is_read_one_at_a_time():
    data = scan(*((plain((number, 0, 0), (4, 4)), {}) for number in range(200)))
    pages = examine_pages(data, first=150)
    assert next(pages).found.picture.getpixel((0, 0)) == (149, 0, 0)
    assert sum(1 for _ in pages) == 50


def test_the_orientation_of_a_tiff_of_one_page_is_as_before():
    turned = np.asarray(photo().transpose(Image.Transpose.ROTATE_270))
    assert difference(open_picture(encode(photo(), "TIFF", exif=exif(6))), turned) == 0
