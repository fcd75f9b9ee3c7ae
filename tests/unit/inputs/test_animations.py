"""What an animation may cost: its first pictures are read, however many a few bytes ask for."""

import struct
import time
from pathlib import Path

import pytest
from PIL import Image

from seesay.base.errors import InputError
from seesay.inputs import refusals
from seesay.inputs.video import Every, animation, frames, is_video, read_info

KINDS = ("gif", "webp", "png", "avif")


def dots(path: Path, side_px: int, num_pictures: int) -> Path:
    """A GIF of any size whose pictures change one dot each, in 24 bytes."""
    head = b"GIF89a" + struct.pack("<HHBBB", side_px, side_px, 0x80, 0, 0) + bytes([0, 0, 0, 255, 255, 255])
    picture = b"\x21\xf9\x04\x04\x0a\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0"
    path.write_bytes(head + picture * num_pictures + b";")
    return path


@pytest.mark.parametrize("suffix", KINDS)
def test_the_first_pictures_of_a_long_animation_are_read_and_the_rest_is_named(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"long.{suffix}"
    first, *others = (Image.new("RGB", (20, 10), (25 * number, 0, 0)) for number in range(10))
    first.save(path, save_all=True, append_images=others, duration=200)
    problems: list[str] = []
    whole = [frame.time_s for frame in frames(path, Every(seconds=0.2), on_error=problems.append)]
    assert (len(whole), problems) == (10, [])
    animation._steps_of.cache_clear()
    monkeypatch.setattr(animation, "MOST_PIXELS", 4 * 200 + 199)
    part = [frame.time_s for frame in frames(path, Every(seconds=0.2), on_error=problems.append)]
    assert part == whole[:4]
    assert problems == [
        "the animation has more than 4 pictures of 20 x 10, which would take too long; the first 0.8 s were read"
    ]
    assert read_info(path).duration_s == pytest.approx(0.8)
    animation._steps_of.cache_clear()
    monkeypatch.setattr(animation, "MOST_PIXELS", 10 * 200)
    problems.clear()
    assert [frame.time_s for frame in frames(path, Every(seconds=0.2), on_error=problems.append)] == whole
    assert problems == []  # exactly as many as are allowed


def test_a_few_bytes_do_not_make_it_compose_for_hours(tmp_path, monkeypatch):
    monkeypatch.setattr(animation, "MOST_PIXELS", 50_000_000)
    path = dots(tmp_path / "dots.gif", 2000, 100_000)
    began = time.monotonic()
    assert is_video(path)
    assert read_info(path).num_frames == 12
    assert time.monotonic() - began < 10  # all of them would be 400 gigapixels: half an hour or more


def test_pictures_that_would_take_too_much_memory_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(refusals, "MAX_BYTES", 12 * 100 * 100 - 1)
    with pytest.raises(InputError, match="too large"):
        read_info(dots(tmp_path / "dots.gif", 100, 2))
    monkeypatch.setattr(refusals, "MAX_BYTES", 12 * 100 * 100)
    assert read_info(tmp_path / "dots.gif").num_frames == 2
