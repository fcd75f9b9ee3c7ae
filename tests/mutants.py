"""Damages small files of every format at random, and indexes them all in one run beside sound ones.

    python tests/mutants.py --num 3000 --seed 0

A run passes when it ends by itself, when every sound file is in the library, and when every damaged one is either in
the library or a line in the ledger. The same seed makes the same files on every machine with the same encoders.
"""

import argparse
import io
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from painting import paint
from pictures import dng, exif, heic, png_16
from PIL import Image
from program import SEESAY

PER_SOUND = 10  # damaged files to one sound one
TIMEOUT_S = 900.0

_STILLS = {
    "baseline.jpg": ("JPEG", {}),
    "progressive.jpg": ("JPEG", {"progressive": True, "subsampling": 0}),
    "turned.jpg": ("JPEG", {"exif": exif(6)}),
    "plain.png": ("PNG", {}),
    "palette.png": ("PNG", {"mode": "P"}),
    "alpha.png": ("PNG", {"mode": "RGBA"}),
    "cmyk.jpg": ("JPEG", {"mode": "CMYK"}),
    "grey.jpg": ("JPEG", {"mode": "L"}),
    "still.gif": ("GIF", {}),
    "lossy.webp": ("WEBP", {}),
    "lossless.webp": ("WEBP", {"lossless": True}),
    "plain.tif": ("TIFF", {}),
    "lzw.tif": ("TIFF", {"compression": "tiff_lzw"}),
    "jpeg.tif": ("TIFF", {"compression": "jpeg"}),
    "plain.bmp": ("BMP", {}),
    "still.avif": ("AVIF", {"speed": 10}),
    "plain.jp2": ("JPEG2000", {}),
    "plain.ppm": ("PPM", {}),
    "bits.pbm": ("PPM", {"mode": "1"}),
}
_ANIMATIONS = {
    "moving.gif": ("GIF", {"duration": 400, "loop": 0}),
    "moving.webp": ("WEBP", {"duration": 400}),
    "moving.png": ("PNG", {"duration": 400}),
    "moving.avif": ("AVIF", {"duration": 400, "speed": 10}),
    "pages.tif": ("TIFF", {}),
    "second.mpo": ("MPO", {}),
}
_VIDEOS = {
    "h264.mp4": "libx264",
    "h264.mkv": "libx264",
    "h264.ts": "libx264",
    "h264.flv": "libx264",
    "hevc.mp4": "libx265",
    "hevc.mov": "libx265",
    "mpeg2.mpg": "mpeg2video",
    "mpeg2.ts": "mpeg2video",
    "mpeg4.avi": "mpeg4",
    "mpeg4.m4v": "mpeg4",
    "vp8.webm": "libvpx",
    "vp9.webm": "libvpx-vp9",
    "av1.mp4": "libsvtav1",
    "mjpeg.mov": "mjpeg",
    "wmv2.wmv": "wmv2",
    "prores.mov": "prores",
}
_QUIET = {
    "libx264": {"preset": "ultrafast"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "libsvtav1": {"preset": "12", "svtav1-params": "lp=1"},
}


def originals() -> dict[str, bytes]:
    """Small sound files of every format that is read, by name."""
    files: dict[str, bytes] = {}
    for name, (kind, options) in _STILLS.items():
        files[name] = _still(kind, **options)
    for name, (kind, options) in _ANIMATIONS.items():
        files[name] = _animation(kind, **options)
    files["sixteen.png"] = png_16(np.linspace(0, 65535, 48 * 32).reshape(32, 48, 1).repeat(3, 2).astype(np.uint16))
    files["phone.heic"] = heic()
    files["camera.dng"] = dng(np.linspace(0, 1, 48 * 32 * 3).reshape(32, 48, 3))
    for name, codec in _VIDEOS.items():
        files[name] = _video(name, codec)
    return files


def _picture(number: int = 0) -> Image.Image:
    ramp = np.add.outer(np.arange(32) * 7, np.arange(48) * 5 + 60 * number)
    return Image.fromarray(np.stack([ramp, ramp * 2, 255 - ramp], axis=2).astype(np.uint8))


def _still(kind: str, *, mode: str = "RGB", **options: object) -> bytes:
    out = io.BytesIO()
    _picture().convert(mode).save(out, kind, **options)
    return out.getvalue()


def _animation(kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    first, *others = (_picture(number) for number in range(4))
    first.save(out, kind, save_all=True, append_images=others, **options)
    return out.getvalue()


def _video(name: str, codec: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=25, options=_QUIET.get(codec, {}))
            stream.width, stream.height, stream.gop_size = 96, 64, 10
            stream.pix_fmt = {"mjpeg": "yuvj420p", "prores": "yuv422p10le"}.get(codec, "yuv420p")
            stream.codec_context.time_base = Fraction(1, 25)
            for number in range(30):
                frame = av.VideoFrame.from_image(_picture(number % 5).resize((96, 64))).reformat(format=stream.pix_fmt)
                frame.pts, frame.time_base = number, Fraction(1, 25)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path.read_bytes()


def mutate(content: bytes, chance: random.Random) -> bytes:
    """One of the ways in which files are damaged: bits, runs, lengths, cuts, holes and doubled parts."""
    data = bytearray(content)
    way = chance.randrange(7)
    at = chance.randrange(len(data))
    length = min(len(data) - at, 1 << chance.randrange(10))
    if way == 0:
        for _ in range(1 << chance.randrange(6)):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif way == 1:  # a few bytes of the header, where the decoder decides what to do
        for _ in range(1 << chance.randrange(4)):
            data[chance.randrange(min(256, len(data)))] = chance.randrange(256)
    elif way == 2:
        data[at : at + length] = chance.randbytes(length)
    elif way == 3:  # numbers that are far too large, or negative
        data[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\0"))
    elif way == 4:
        del data[at:]
    elif way == 5:
        del data[at : at + length]
    else:
        data[at:at] = data[at : at + length]
    return bytes(data)


def write(folder: Path, *, num: int, seed: int) -> tuple[set[str], set[str]]:
    """Fill a folder with damaged files, and sound ones between them.

    Returns:
        The names of the damaged files and of the sound ones.
    """
    chance = random.Random(seed)
    sources = originals()
    names = sorted(sources)
    damaged: set[str] = set()
    sound: set[str] = set()
    for number in range(num):
        source = names[number % len(names)]
        name = f"{number:05}-{source}"
        (folder / name).write_bytes(mutate(sources[source], chance))
        damaged.add(name)
        if number % PER_SOUND == 0:
            paint(folder / f"{number:05}-sound.png", (number % 256, 120, 40))
            sound.add(f"{number:05}-sound.png")
        if number % (PER_SOUND * 5) == 0:  # videos are read after the pictures: they have sound neighbours too
            (folder / f"{number:05}-sound.mp4").write_bytes(sources["h264.mp4"] + number.to_bytes(4, "big"))
            sound.add(f"{number:05}-sound.mp4")
    return damaged, sound


def run(*, num: int, seed: int) -> str:
    """Index `num` damaged files in one process.

    Returns:
        The summary in a line.

    Raises:
        AssertionError: it crashed, hung, or passed over a file in silence.
    """
    with tempfile.TemporaryDirectory() as made:
        folder, library = Path(made) / "files", Path(made) / "library"
        folder.mkdir()
        damaged, sound = write(folder, num=num, seed=seed)
        began = time.monotonic()
        done = subprocess.run(
            [SEESAY, "index", folder],
            env={**os.environ, "SEESAY_LIBRARY": str(library)},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
        )
        assert done.returncode == 0, f"exit {done.returncode}: {done.stderr[-2000:]}"
        with closing(sqlite3.connect(library / "library.sqlite")) as db:
            read = {os.fsdecode(name) for (name,) in db.execute("SELECT name FROM files")}
            failed = {os.path.basename(os.fsdecode(path)) for (path,) in db.execute("SELECT path FROM errors")}  # noqa: PTH119
        assert sound <= read, f"sound files that were passed over: {sorted(sound - read)[:5]}"
        silent = damaged - read - failed
        assert not silent, f"damaged files without a word: {sorted(silent)[:5]}"
        kinds = len(originals())
        return (
            f"{num} damaged files of {kinds} kinds (seed {seed}): {len(damaged & read)} read, of these "
            f"{len(damaged & read & failed)} in part, {len(damaged - read)} refused with a reason; "
            f"{len(sound)} sound neighbours read; {time.monotonic() - began:.0f} s"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    sys.stdout.write(run(num=asked.num, seed=asked.seed) + "\n")
