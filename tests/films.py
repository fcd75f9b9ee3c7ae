"""Videos for tests: scenes of one colour each, so that whoever reads a test knows what is on at which time."""

from clips import write_video
from encoders import COLOURS
from PIL import Image


def film(path, *scenes, rate=4, size=(64, 48)):
    """Write scenes of (colour, seconds), one after the other."""
    frames = [
        Image.new("RGB", size, COLOURS[colour]) for colour, seconds in scenes for _ in range(round(seconds * rate))
    ]
    return write_video(path, frames, rate=rate)
