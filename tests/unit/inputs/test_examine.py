"""What a file says of its picture is what a person sees."""

import io

import numpy as np
import pytest
from pictures import dng, encode, heic
from PIL import Image

from seesay.inputs.pictures import examine_picture


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(Image.new("RGB", (900, 600)), "JPEG", exif=exif)


@pytest.mark.parametrize(("orientation", "size"), [(1, (900, 600)), (3, (900, 600)), (6, (600, 900)), (8, (600, 900))])
def test_the_size_is_upright_and_of_the_file(orientation, size):
    found = examine_picture(turned(orientation), target_px=20)
    assert (found.format, found.width_px, found.height_px) == ("JPEG", *size)
    assert max(found.picture.size) < 200


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_the_format_is_that_of_the_content(kind):
    content = io.BytesIO()
    Image.new("RGB", (30, 50)).save(content, kind)
    assert examine_picture(content)[1:4] == (kind, 30, 50)


def test_heic_and_camera_originals_have_a_format_too():
    pytest.importorskip("pi_heif")
    pytest.importorskip("rawpy")
    assert examine_picture(heic())[1:4] == ("HEIC", 64, 64)
    found = examine_picture(dng(np.full((64, 96, 3), 0.4), orientation=6))
    assert found[1:4] == ("RAW", 64, 96)
