"""Files that somebody would send to break a service."""

import io
import struct
import zlib

from PIL import Image


def png_of(width, height):
    """The beginning of a PNG that declares this size."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000)))


def saved(kind, **options):
    """A small sound picture."""
    out = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").resize((64, 48)).save(out, kind, **options)
    return out.getvalue()


def files():
    """Contents by a name that says what is wrong with them."""
    sound = {kind: saved(kind) for kind in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "JPEG2000")}
    cut = {f"half a {kind}": content[: len(content) // 2] for kind, content in sound.items()}
    torn = {
        f"a {kind} with its middle overwritten": content[:60] + b"\xff" * 40 + content[100:]
        for kind, content in sound.items()
    }
    return {
        "nothing": b"",
        "one byte": b"\x89",
        "zeros": bytes(10_000),
        "a bomb of pixels": png_of(60_000, 60_000),
        "a picture without width": png_of(0, 10),
        "a negative size": png_of(0xFFFFFFFF, 0xFFFFFFFF),
        "a drawing that asks for a file": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run\n",
        "a web page": b"<!doctype html><script>alert(1)</script>",
        "a playlist": b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10,\nfile:///etc/passwd\n",
        "a program": b"\x7fELF\x02\x01\x01" + bytes(200),
        "an archive": b"PK\x03\x04" + bytes(200),
        "a JPEG's start without end": b"\xff\xd8\xff" * 1000,
        "a GIF and a script": b"GIF89a/*" + bytes(20) + b"*/=1;alert(1)",
        **cut,
        **torn,
    }
