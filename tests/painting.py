"""Plain pictures for tests."""

import zlib

from PIL import Image


def paint(path, colour):
    """A picture of one colour, with a corner that is the path's own: no two files have the same content."""
    picture = Image.new("RGB", (40, 40), colour)
    picture.putpixel((0, 0), tuple(zlib.crc32(path.name.encode()).to_bytes(4, "big")[:3]))
    picture.save(path)
    return path
