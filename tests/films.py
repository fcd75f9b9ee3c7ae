"""Videos for tests: scenes of one colour each, so that whoever reads a test knows what is on at which time."""

import av
from encoders import COLOURS
from PIL import Image


def film(path, *scenes, rate=4, size=(64, 48), codec="libx264"):
    """Write scenes of (colour, seconds), one after the other."""
    pictures = [
        Image.new("RGB", size, COLOURS[colour]) for colour, seconds in scenes for _ in range(round(seconds * rate))
    ]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.options = {"crf": "10"}
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode(None))
    return path
