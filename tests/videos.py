"""Little videos whose pictures say their own number, so that tests check content and not only times."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

BITS = 10


def numbered(number: int, width: int = 160, height: int = 96) -> np.ndarray:
    """Ten black or white bars: the number in binary, the highest bit on the left."""
    bars = np.array([255 * (number >> bit & 1) for bit in reversed(range(BITS))], np.uint8)
    row = bars[np.arange(width) * BITS // width]
    return np.repeat(np.repeat(row[None, :, None], height, axis=0), 3, axis=2)


def number_of(image: Image.Image) -> int:
    """What `numbered` wrote; the picture may have been scaled."""
    row = np.asarray(image.convert("L"), np.float32).mean(axis=0)
    bars = [part[len(part) // 4 : -len(part) // 4 or None].mean() > 127 for part in np.array_split(row, BITS)]
    return int("".join(str(int(bar)) for bar in bars), 2)


def write_video(
    path: Path,
    times: Sequence[int],
    *,
    time_base: Fraction = Fraction(1, 1000),
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    gop: int = 12,
    rotation_deg: int = 0,
    pixel_format: str = "yuv420p",
) -> Path:
    """Write a video of `len(times)` numbered pictures shown at these ticks of `time_base`."""
    quiet = {
        "libx264": {"preset": "ultrafast", "bf": "3", "x264-params": "b-pyramid=normal:scenecut=0:open-gop=0"},
        "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:bframes=3:scenecut=0"},
        "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
        "libsvtav1": {"preset": "12", "svtav1-params": "lp=1"},
    }
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={**quiet.get(codec, {}), **(options or {})})
        stream.width, stream.height, stream.pix_fmt = 160, 96, pixel_format
        stream.gop_size = gop
        stream.time_base = stream.codec_context.time_base = time_base
        if rotation_deg:
            stream.set_display_rotation(rotation_deg)
        for number, ticks in enumerate(times):
            frame = av.VideoFrame.from_ndarray(numbered(number), "rgb24").reformat(format=pixel_format)
            frame.pts, frame.time_base = ticks, time_base
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path
