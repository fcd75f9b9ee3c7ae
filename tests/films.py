"""Videos for tests: scenes of one colour each, so that whoever reads a test knows what is on at which time."""

import av
from encoders import COLOURS
from PIL import Image


def film(path, *scenes, others=(), rate=4, size=(64, 48), codec="libx264"):
    """Write scenes of (colour, seconds), one after the other; `others`: those of a second track."""
    tracks = [
        [Image.new("RGB", size, COLOURS[colour]) for colour, seconds in track for _ in range(round(seconds * rate))]
        for track in (scenes, others)
        if track
    ]
    with av.open(str(path), "w") as container:
        streams = [container.add_stream(codec, rate=rate) for _ in tracks]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            stream.options = {"crf": "10"}
        for number in range(max(map(len, tracks))):
            for stream, pictures in zip(streams, tracks, strict=True):
                if number < len(pictures):
                    container.mux(stream.encode(av.VideoFrame.from_image(pictures[number])))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


def motion_photo(path, colour, *scenes):
    """Write a JPEG of one colour with a film after its end, as phones do."""
    whole = film(path.with_suffix(".mp4"), *scenes)
    Image.new("RGB", (64, 48), COLOURS[colour]).save(path)
    path.write_bytes(path.read_bytes() + whole.read_bytes())
    whole.unlink()
    return path
