"""An open video file: its stream, its clock and what it says of itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from seesay.base.errors import InputError
from seesay.inputs.video.info import VideoInfo


@dataclass(frozen=True, slots=True)
class OpenVideo:
    """A container with its first video stream."""

    container: InputContainer
    stream: VideoStream
    info: VideoInfo

    def time_s(self, pts: int) -> float:
        """Seconds from the first picture."""
        return float((pts - (self.stream.start_time or 0)) * _time_base(self.stream))


@contextmanager
def opened(path: str | Path) -> Iterator[OpenVideo]:
    """Open a file for reading its first video stream."""
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"not a video that can be read ({error})") from error
    with container:
        if not container.streams.video:
            raise InputError("there is no video in the file")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        yield OpenVideo(container, stream, _info(container, stream))


def _time_base(stream: VideoStream) -> Fraction:
    assert stream.time_base is not None  # a stream that was opened has one
    return stream.time_base


def _info(container: InputContainer, stream: VideoStream) -> VideoInfo:
    duration = float((stream.duration or 0) * _time_base(stream))
    return VideoInfo(
        duration_s=duration or (container.duration or 0) / 1e6,
        width_px=stream.width,
        height_px=stream.height,
        frame_rate=float(stream.average_rate or 0),
        codec=stream.codec_context.name,
        rotation_deg=0,
        num_frames=stream.frames or None,
        start_s=float((stream.start_time or 0) * _time_base(stream)),
        is_hdr=False,
    )
