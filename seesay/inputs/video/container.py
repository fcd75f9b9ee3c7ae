"""An open video file: its stream, its clock, what it says of itself, and what went wrong while reading it."""

import math
import os
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
from av.packet import Packet
from av.stream import Discard
from av.video.frame import VideoFrame
from av.video.reformatter import ColorTrc
from av.video.stream import VideoStream

from seesay.base.errors import InputError
from seesay.inputs.video.access import AccessPoints, Entry
from seesay.inputs.video.choosing import EARLY_S, REORDER
from seesay.inputs.video.clock import Clock
from seesay.inputs.video.info import VideoInfo
from seesay.inputs.video.joins import closes_leaps, joined_end_s
from seesay.inputs.video.opening import open_container
from seesay.inputs.video.picture import quarter_turns
from seesay.inputs.video.tracks import video_tracks

_DECODE_TIMED = frozenset({"avi"})  # containers whose times are those of decoding, whatever they call them
_INDEXED = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"})  # those in which any time is found exactly
_FIELD_CODECS = frozenset({"h264", "mpeg2video", "vc1"})  # in an MPEG stream each field of a frame may be a packet
_MAX_BROKEN_READS = 100
# Where pictures become whole little by little, decoding begins this much before what is wanted.
_GRADUAL_POINTS, _GRADUAL_S = 4, 30.0
_MAX_AHEAD = 1000  # packets that are not shown, before the first that is

HDR_CURVES = frozenset({int(ColorTrc.SMPTE2084), int(ColorTrc.ARIB_STD_B67)})


@dataclass(slots=True)
class Damage:
    """What was passed over, gathered so that a file with a thousand broken packets makes one sentence of them."""

    num_packets: int = 0
    first_s: float | None = None
    reason: str = ""
    num_pictures: int = 0
    first_picture_s: float = 0.0
    num_late: int = 0
    ends_s: float | None = None
    declared_s: float = 0.0

    def note(self, error: Exception, time_s: float | None) -> None:
        """A packet that cannot be decoded, or a part of the file that cannot be read."""
        if not self.num_packets:
            self.reason, self.first_s = _system_words(error), time_s
        self.num_packets += 1

    def note_picture(self, time_s: float) -> None:
        """A picture that the decoder marked as damaged, or never gave."""
        self.first_picture_s = min(self.first_picture_s, time_s) if self.num_pictures else time_s
        self.num_pictures += 1

    def add(self, other: "Damage") -> None:
        """What another reading passed over, of other parts of the same file."""
        if other.num_packets and (not self.num_packets or _at(other.first_s) < _at(self.first_s)):
            self.reason, self.first_s = other.reason, other.first_s
        self.num_packets += other.num_packets
        if other.num_pictures:
            first_s = min(self.first_picture_s, other.first_picture_s)
            self.first_picture_s = first_s if self.num_pictures else other.first_picture_s
        self.num_pictures += other.num_pictures
        self.num_late += other.num_late
        if other.ends_s is not None:
            self.ends_s, self.declared_s = other.ends_s, other.declared_s

    @property
    def why_empty(self) -> str:
        """The reason that there is not one picture."""
        return next(iter(self.sentences()), "the file holds not one picture")

    def sentences(self) -> Iterator[str]:
        """One for each kind of damage."""
        if self.num_packets:
            where = "" if self.first_s is None else f", the first at {self.first_s:.1f} s"
            plural = "one packet is" if self.num_packets == 1 else f"{self.num_packets} packets are"
            yield f"{plural} damaged{where} ({self.reason}); all others were read"
        if self.num_pictures:
            plural = "one picture is" if self.num_pictures == 1 else f"{self.num_pictures} pictures are"
            where = f"the first at {self.first_picture_s:.1f} s"
            yield f"{plural} damaged, {where}; none was taken, and those after it may be smeared"
        if self.num_late:
            yield f"the times go back in the file; {self.num_late} pictures were passed over"
        if self.ends_s is not None:
            yield (
                f"the file is cut short: its pictures end at {self.ends_s:.1f} of {self.declared_s:.1f} s; "
                "copy or download it again"
            )


class OpenVideo:
    """A container with its video stream.

    Args:
        path: the file.
        num_threads: of the decoder; 0: as many as FFmpeg likes, more than there are cores.
        track: which of the file's films.

    Raises:
        InputError: it cannot be opened, or has no video.
    """

    def __init__(self, path: str | os.PathLike[str], num_threads: int = 0, track: int = 0) -> None:
        self._path, self._num_threads, self._track = path, num_threads, track
        self._joined_end_s: float | None = None
        self._open()
        self._joined_end_s = joined_end_s(path, self.stream.index)
        self._clock = self._new_clock()
        first = self._look()
        self.is_decode_timed = self.container.format.name in _DECODE_TIMED
        """Whether the times of packets are those of decoding."""
        self.has_times = not self.is_decode_timed and _say_when(first, may_be_fields=self._may_be_fields)
        """Whether packets say when their pictures are shown."""
        self.origin = self._first_ticks(first)
        """The ticks of the first picture, our 0."""
        self.is_indexed = self.has_times and not self.is_joined and self.container.format.name in _INDEXED
        """Whether any time is found without reading what is before."""
        self.end_s: float | None = None
        """Where the last picture ends, once a reading has come there."""

    def _open(self) -> None:
        self.damage = Damage()
        self._ahead: deque[Packet[VideoStream]] = deque()
        self.has_moved = False
        """Whether the reading stands elsewhere than at the beginning."""
        self.leads_until_s: float | None = None
        """Where the reading stands, pictures that are shown before this refer to what is before it."""
        self.sound_s = -EARLY_S
        """Pictures shown before this cannot be decoded rightly from where the reading stands."""
        self.container, self._file = open_container(self._path)
        try:
            tracks = video_tracks(self.container)
            if self._track >= len(tracks):
                raise InputError(f"the file has no video track {self._track + 1}")
            self.num_tracks, self.stream = len(tracks), tracks[self._track]
        except InputError:
            self.close()
            raise
        for other in self.container.streams:
            if other.index != self.stream.index:
                other.discard = Discard.all
        self.stream.thread_type = "AUTO"
        self.stream.codec_context.thread_count = self._num_threads
        assert self.stream.time_base is not None  # every stream that was opened has one
        self.time_base: Fraction = self.stream.time_base
        context = self.stream.codec_context
        self._clock = self._new_clock()
        self._access = AccessPoints(context.name, context.extradata or b"", intra_only=context.codec.intra_only)

    @property
    def _may_be_fields(self) -> bool:
        return self.container.format.name == "mpegts" and self.stream.codec_context.name in _FIELD_CODECS

    @property
    def is_joined(self) -> bool:
        """Whether it is several recordings that were joined, so that no time says a place."""
        return self._joined_end_s is not None

    def _new_clock(self) -> Clock:
        is_stream = closes_leaps(self.container)
        return Clock(self.time_base, has_decode_times=is_stream, closes_leaps=is_stream and self.is_joined)

    def _look(self) -> "list[Packet[VideoStream]]":
        """The packets of the first pictures that are shown; they stay to be read."""
        shown: list[Packet[VideoStream]] = []
        ahead: list[Packet[VideoStream]] = []
        for packet in self.packets():
            ahead.append(packet)
            if not packet.is_discard:
                shown.append(packet)
            if len(shown) > REORDER or len(ahead) > _MAX_AHEAD:
                break
        self._ahead.extend(ahead)
        return shown

    def _first_ticks(self, shown: "list[Packet[VideoStream]]") -> int:
        """When the first picture comes that can be decoded: a recording may begin in the middle of a group."""
        first = min((packet.pts for packet in shown if packet.pts is not None), default=0)
        head = self._ahead[0] if self._ahead else None
        is_whole = head is None or (head.is_keyframe and head.pts is not None and head.pts <= first)
        if is_whole or not self.has_times:
            return first
        for _, packet in zip(range(_MAX_AHEAD), self.packets(), strict=False):
            for frame in self._decoded(packet):
                if frame.pts is not None and not frame.is_corrupt:
                    first = frame.pts
                    self.rewind()
                    return first
        self.rewind()
        return first

    def _decoded(self, packet: "Packet[VideoStream]") -> list[VideoFrame]:
        try:
            return packet.decode()
        except (av.FFmpegError, OSError):
            return []

    def entry_of(self, packet: "Packet[VideoStream]") -> Entry:
        """How decoding can begin at a key frame."""
        return self._access.of_key(bytes(packet))

    def close(self) -> None:
        """Close the file."""
        self.container.close()
        if self._file is not None:
            self._file.close()

    def time_s(self, pts: int) -> float:
        """Seconds from the first picture."""
        return float((pts - self.origin) * self.time_base)

    def packets(self) -> "Iterator[Packet[VideoStream]]":
        """From where the reading stands to the end; a part that cannot be read is passed over."""
        while self._ahead:
            yield self._ahead.popleft()
        for _ in range(_MAX_BROKEN_READS):
            try:
                for packet in self.container.demux(self.stream):
                    if packet.size:  # the last one is empty
                        self._clock.set(packet)
                        yield packet
                return
            except (av.FFmpegError, OSError) as error:
                self.damage.note(error, None)

    def seek(self, time_s: float) -> None:
        """Go to where what is shown at `time_s` and later can be decoded; the beginning if nothing later is found.

        Where a container has no index its seeking lands anywhere near, so it is looked at, and tried again earlier.
        """
        back_s = math.inf if self.is_joined else 0.0
        while time_s - back_s > 0:
            key_s = self._seek_key(time_s - back_s)
            if key_s is not None and key_s <= time_s and self._can_enter(key_s, time_s):
                return
            back_s = 2 * back_s + 5
        self.rewind()

    def _can_enter(self, key_s: float, time_s: float) -> bool:
        """Whether pictures from `time_s` on are right when decoding begins at the key frame that was gone to."""
        if not self.entry_of(self._ahead[0]).is_gradual:
            self.leads_until_s = self.sound_s = key_s
            return True
        num_points = 0
        ahead: list[Packet[VideoStream]] = []
        for packet in self.packets():
            ahead.append(packet)
            num_points += packet.is_keyframe
            is_later = packet.pts is not None and self.time_s(packet.pts) > time_s
            if is_later or num_points > _GRADUAL_POINTS:
                break
        self._ahead.extend(ahead)
        self.leads_until_s, self.sound_s = None, time_s
        return num_points > _GRADUAL_POINTS and key_s + _GRADUAL_S <= time_s

    def edge(self, time_s: float) -> float:
        """When the key frame is shown that the index has for `time_s`; `time_s` where it has none. The reading moves.

        Later times have later edges, and the same ones whenever they are asked for.
        """
        damage, self.damage = self.damage, Damage()  # what is met on the way is met again by who reads there
        key_s = self._seek_key(time_s)
        self.damage = damage
        return time_s if key_s is None or key_s > time_s else key_s

    def _seek_key(self, time_s: float) -> float | None:
        """Seek once, and go to the first key frame there; when it is shown, or None if there is none."""
        self._ahead.clear()
        self._clock = self._new_clock()
        self.has_moved = True
        try:
            self.container.seek(self.origin + int(time_s / self.time_base), stream=self.stream, backward=True)
            key = next((packet for packet in self.packets() if packet.is_keyframe and packet.pts is not None), None)
        except (av.FFmpegError, OSError):
            return None  # it cannot be sought there
        if key is None or key.pts is None:
            return None
        self._ahead.append(key)
        return self.time_s(key.pts)

    def rewind(self) -> None:
        """Go to the beginning: by opening the file anew, since not every container can seek there."""
        damage = self.damage
        self.close()
        self._open()
        self.damage = damage

    def declared_s(self) -> float:
        """How long the file says that its pictures last; 0 where it does not."""
        if self._joined_end_s is not None:
            return self._joined_end_s - float(self.origin * self.time_base)
        if self.stream.duration:
            begins = self.stream.start_time
            hidden = 0 if begins is None else max(0, self.origin - begins)  # what cannot be decoded, at the beginning
            return float((self.stream.duration - hidden) * self.time_base)
        parts = self.stream.metadata.get("DURATION", "").split(":")  # Matroska: hours, minutes, seconds
        try:
            hours, minutes, seconds = (float(part) for part in parts)
        except ValueError:
            return (self.container.duration or 0) / 1e6
        # it counts from the container's 0
        return max(0.0, hours * 3600 + minutes * 60 + seconds - float(self.origin * self.time_base))

    def length_if_short_s(self, limit_s: float) -> float:
        """How long a video is that is shorter than a limit; 0 for all others. Its packets are read: headers may lie."""
        if not (self.has_times or self.is_decode_timed) or not 0 < self.declared_s() < limit_s:
            return 0.0
        damage, self.damage, end_s = self.damage, Damage(), 0.0  # what is met is met again by who reads it
        for packet in self.packets():
            if packet.pts is not None:
                end_s = max(end_s, self.time_s(packet.pts + (packet.duration or 0)))
            if end_s >= limit_s:
                break
        self.rewind()
        self.damage = damage
        return end_s if end_s < limit_s else 0.0


@contextmanager
def opened(path: str | os.PathLike[str], num_threads: int = 0, track: int = 0) -> Iterator[OpenVideo]:
    """Open a file for reading one of its films; `num_threads` is that of `OpenVideo`.

    Raises:
        InputError: it cannot be opened, or has no video.
    """
    _check_file(path)
    try:
        video = OpenVideo(path, num_threads, track)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(_reason(error, path)) from error
    try:
        yield video
    finally:
        video.close()


def read_stream_info(video: OpenVideo) -> VideoInfo:
    """What the file declares, with the size as it is seen. Decodes the first picture, which knows how it is turned."""
    stream = video.stream
    turns, width, height = 0, stream.width, stream.height
    try:
        first = next((frame for packet in video.packets() for frame in packet.decode()), None)
        first = first or next(iter(stream.codec_context.decode(None)), None)
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
        num_tracks=video.num_tracks,
    )


def _say_when(packets: "list[Packet[VideoStream]]", *, may_be_fields: bool) -> bool:
    """Whether packets say when their pictures are shown; of two fields only the first has to."""
    has_time = [packet.pts is not None for packet in packets]
    if not may_be_fields:
        return all(has_time)
    return all(has_time[:1]) and all(one or other for one, other in pairwise(has_time))


def _at(time_s: float | None) -> float:
    return math.inf if time_s is None else time_s


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


def _reason(error: Exception, path: str | os.PathLike[str] | None = None) -> str:
    """One short line for what the system or FFmpeg raised on opening."""
    words = _system_words(error)
    if isinstance(error, av.FFmpegError) and not isinstance(error, OSError):
        if path is not None and _lacks_index(Path(path)):
            return "the file is cut short (its index, which comes last, is not there); copy or download it again"
        return f"not a video that can be read ({words})"
    return words


def _lacks_index(path: Path) -> bool:
    """Whether an MP4 or MOV ends before its box `moov`, as a recording does that was not finished."""
    with path.open("rb") as file:
        position = 0
        kinds: list[bytes] = []
        while len(kinds) < 100 and len(head := file.read(16)) >= 8:
            size, kind = int.from_bytes(head[:4], "big"), head[4:8]
            size = int.from_bytes(head[8:], "big") if size == 1 else size
            kinds.append(kind)
            if size < 8:
                break
            position += size
            file.seek(position)
    return kinds[:1] == [b"ftyp"] and (b"moov" not in kinds or position > path.stat().st_size)
