"""An open video file: its stream, its clock, what it says of itself, and what went wrong while reading it."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition
from av.video.reformatter import ColorTrc
from av.video.stream import VideoStream

from seesay.base.errors import InputError
from seesay.inputs.video.choosing import REORDER
from seesay.inputs.video.info import VideoInfo
from seesay.inputs.video.picture import quarter_turns

# Nothing but this file is opened: a playlist that is called .mp4 must not reach for others, or for the network.
_OPTIONS = {"protocol_whitelist": "file"}
_NO_TIMES = frozenset({"avi"})  # containers whose times are those of decoding, whatever they call them
_MAX_BROKEN_READS = 100

HDR_CURVES = frozenset({int(ColorTrc.SMPTE2084), int(ColorTrc.ARIB_STD_B67)})


@dataclass(slots=True)
class Damage:
    """What was passed over, gathered so that a file with a thousand broken packets makes one sentence of them."""

    num_packets: int = 0
    first_s: float | None = None
    reason: str = ""
    num_late: int = 0
    ends_s: float | None = None
    declared_s: float = 0.0

    def note(self, error: Exception, time_s: float | None) -> None:
        """A packet that cannot be decoded, or a part of the file that cannot be read."""
        if not self.num_packets:
            self.reason, self.first_s = _system_words(error), time_s
        self.num_packets += 1

    def sentences(self) -> Iterator[str]:
        """One for each kind of damage."""
        if self.num_packets:
            where = "" if self.first_s is None else f", the first at {self.first_s:.1f} s"
            plural = "one packet is" if self.num_packets == 1 else f"{self.num_packets} packets are"
            yield f"{plural} damaged{where} ({self.reason}); all others were read"
        if self.num_late:
            yield f"the times go back in the file; {self.num_late} pictures were passed over"
        if self.ends_s is not None:
            yield (
                f"the file is cut short: its pictures end at {self.ends_s:.1f} of {self.declared_s:.1f} s; "
                "copy or download it again"
            )


@dataclass(slots=True)
class OpenVideo:
    """A container with its video stream."""

    container: InputContainer
    stream: VideoStream
    time_base: Fraction
    origin: int
    """The ticks of the first picture, our 0."""
    has_times: bool
    """Whether packets say when their pictures are shown."""
    damage: Damage = field(default_factory=Damage)

    def time_s(self, pts: int) -> float:
        """Seconds from the first picture."""
        return float((pts - self.origin) * self.time_base)

    def packets(self) -> "Iterator[Packet[VideoStream]]":
        """From where the reading stands to the end; a part that cannot be read is passed over."""
        for _ in range(_MAX_BROKEN_READS):
            try:
                for packet in self.container.demux(self.stream):
                    if packet.size:  # the last one is empty
                        yield packet
                return
            except (av.FFmpegError, OSError) as error:
                self.damage.note(error, None)

    def seek(self, time_s: float) -> None:
        """Go to a key frame that is shown at `time_s` or before; the beginning if no later one is found.

        Where a container has no index its seeking lands anywhere near, so it is looked at, and tried again earlier.
        """
        back_s = 0.0
        while time_s - back_s > 0:
            target = self.origin + int((time_s - back_s) / self.time_base)
            try:
                self.container.seek(target, stream=self.stream, backward=True)
                key = next((packet for packet in self.packets() if packet.is_keyframe and packet.pts is not None), None)
                if key is not None and key.pts is not None and self.time_s(key.pts) <= time_s:
                    self.container.seek(target, stream=self.stream, backward=True)
                    return
            except (av.FFmpegError, OSError):
                pass  # it cannot be sought there
            back_s = 2 * back_s + 5
        self.rewind()

    def rewind(self) -> None:
        """Go to the beginning."""
        first = self.stream.start_time
        ticks = self.origin if first is None else min(first, self.origin)
        try:
            self.container.seek(ticks, stream=self.stream, backward=True)
        except (av.FFmpegError, OSError):
            self.container.seek(0, backward=True, any_frame=True)

    def declared_s(self) -> float:
        """How long the file says that its pictures last; 0 where it does not."""
        if self.stream.duration:
            return float(self.stream.duration * self.time_base)
        written = self.stream.metadata.get("DURATION", "")  # Matroska
        parts = written.split(":")
        if len(parts) == 3:
            try:
                hours, minutes, seconds = (float(part) for part in parts)
            except ValueError:
                pass
            else:
                # it counts from the container's 0
                return max(0.0, hours * 3600 + minutes * 60 + seconds - float(self.origin * self.time_base))
        return (self.container.duration or 0) / 1e6


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[OpenVideo]:
    """Open a file for reading its first video stream.

    Raises:
        InputError: it cannot be opened, or has no video.
    """
    _check_file(path)
    try:
        container = _open(path)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(_reason(error)) from error
    with container:
        yield _look(container)


def _open(path: str | os.PathLike[str]) -> InputContainer:
    name = os.fspath(path)
    source: str | BinaryIO = f"file:{name}"  # else a name with a colon would be taken for an address
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:  # a name that is no text: PyAV can only be given the open file
        source = Path(name).open("rb")  # noqa: SIM115 (closed with the container's last reference)
    return av.open(source, "r", options=_OPTIONS, metadata_errors="ignore")


def _look(container: InputContainer) -> OpenVideo:
    """Find the stream and its first picture."""
    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails)  # a song's cover
    ]
    if not streams:
        raise InputError("there is no video in the file, only sound or other data")
    stream = streams[0]
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all
    stream.thread_type = "AUTO"
    assert stream.time_base is not None  # every stream that was opened has one
    video = OpenVideo(container, stream, stream.time_base, stream.start_time or 0, has_times=True)
    first = _first_times(video)
    video.has_times = bool(first) and container.format.name not in _NO_TIMES
    if first:
        video.origin = min(first)
    video.damage = Damage()  # whatever the look met, the reading will meet again
    video.rewind()
    return video


def _first_times(video: OpenVideo) -> list[int]:
    """When the first pictures are shown; empty where a packet does not say."""
    times: list[int] = []
    for packet in video.packets():
        if packet.is_discard:
            continue
        if packet.pts is None:
            return []
        times.append(packet.pts)
        if len(times) > REORDER:
            break
    return times


def read_stream_info(video: OpenVideo) -> VideoInfo:
    """What the file declares, with the size as it is seen. Decodes the first picture, which knows how it is turned."""
    stream = video.stream
    turns, width, height = 0, stream.width, stream.height
    try:
        first = next(video.container.decode(stream), None)
    except (av.FFmpegError, OSError):
        first = None
    if first is not None:
        turns, width, height = quarter_turns(first), first.width, first.height
    ratio = stream.sample_aspect_ratio
    width = max(1, round(width * (float(ratio) if ratio else 1.0)))
    return VideoInfo(
        duration_s=video.declared_s(),
        width_px=height if turns % 2 else width,
        height_px=width if turns % 2 else height,
        frame_rate=float(stream.average_rate or 0),
        codec=stream.codec_context.name,
        rotation_deg=90 * turns,
        num_frames=stream.frames or None,
        start_s=float(video.origin * video.time_base),
        is_hdr=int(stream.codec_context.color_trc) in HDR_CURVES,
    )


def _check_file(path: str | os.PathLike[str]) -> None:
    """Look before opening: a named pipe would wait for ever for somebody to write to it."""
    try:
        status = Path(path).stat()
    except (OSError, ValueError) as error:
        raise InputError(_reason(error)) from error
    if not stat.S_ISREG(status.st_mode):
        raise InputError("not a file but a folder, a pipe, a socket or a device")
    if not status.st_size:
        raise InputError("the file is empty")


def _system_words(error: Exception) -> str:
    words = (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip()
    return words[:1].lower() + words[1:]


def _reason(error: Exception) -> str:
    """One short line for what the system or FFmpeg raised on opening."""
    words = _system_words(error)
    if isinstance(error, av.FFmpegError) and not isinstance(error, OSError):
        log = str(error.log) if error.log else ""
        if "moov atom not found" in log:
            return "the file is cut short (its index, which comes last, is not there); copy or download it again"
        return f"not a video that can be read ({words})"
    return words
