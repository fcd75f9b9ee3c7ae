"""A clock that goes on: recordings that were joined byte by byte count from their beginning again in the middle.

`cat a.ts b.ts`, segments of a live stream, a receiver that was switched over: players go on with the second recording
where the first ended, and so do our times. A leap forward of more than ten seconds is closed too, in the formats for
which FFmpeg does so (MPEG streams, Ogg), and only in files that are known to be joined; elsewhere it is a pause.
The ten seconds are those of FFmpeg's `-dts_delta_threshold`.
"""

from fractions import Fraction

from av.packet import Packet
from av.video.stream import VideoStream

LEAP_S = 10.0
_STEADY_S, _NUM_STEADY = 1.0, 25  # a leap is one after this many pictures that were no further apart than this
_BACK_S = 0.1  # of a key frame: its time is never before those that are stored before it
_BACK_OTHERS_S = 1.5


class Clock:
    """Gives packets times that go on. Feed it with all of a stream's, in the order of the file.

    Args:
        time_base: seconds a tick.
        has_decode_times: whether the container stores the times of decoding, so that they say of every packet whether
            the clock went back; else only key frames do.
        closes_leaps: whether a leap forward is closed too.
    """

    def __init__(self, time_base: Fraction, *, has_decode_times: bool, closes_leaps: bool) -> None:
        self._time_base, self._has_decode_times, self._closes_leaps = time_base, has_decode_times, closes_leaps
        self._back, self._back_others = _BACK_S / time_base, _BACK_OTHERS_S / time_base
        self._offset = self._length = self._num_steady = 0
        self._latest: int | None = None
        self._latest_decoded: int | None = None
        self._before: tuple[int, int] | None = None
        self.has_jumped = False

    @property
    def end(self) -> int:
        """Where the latest picture ends, in ticks."""
        return (self._latest or 0) + self._length

    def set(self, packet: "Packet[VideoStream]") -> None:
        """Change a packet's times to those that go on."""
        raw = packet.pts if packet.pts is not None else packet.dts
        if raw is not None:
            self._follow(raw, packet)
        if self._offset:
            packet.pts = None if packet.pts is None else packet.pts + self._offset
            packet.dts = None if packet.dts is None else packet.dts + self._offset

    def _follow(self, raw: int, packet: "Packet[VideoStream]") -> None:
        latest = self._latest
        if self._was_wrong(raw):
            self._offset, latest = self._before or (self._offset, latest)
            self._before, self._latest_decoded = None, None
        elif latest is not None and self._is_jump(raw + self._offset - latest, packet):
            self._before = self._offset, latest
            self._offset = latest + self._length - raw
            self.has_jumped, self._latest_decoded = True, None
        else:
            self._before = None
        ticks = raw + self._offset
        is_steady = latest is not None and ticks - latest <= _STEADY_S / self._time_base
        self._num_steady = self._num_steady + 1 if is_steady else 0
        self._latest = ticks if latest is None else max(ticks, latest)
        decoded = None if packet.dts is None else packet.dts + self._offset
        if decoded is not None and self._latest_decoded is not None and decoded > self._latest_decoded:
            self._length = decoded - self._latest_decoded  # what a stream says of itself may be half of a field
        else:
            self._length = self._length or packet.duration or 0
        self._latest_decoded = decoded

    def _was_wrong(self, raw: int) -> bool:
        """Whether the packet before had a wrong time: this one goes on where those before that stopped."""
        if self._before is None or self._latest is None:
            return False
        offset, latest = self._before
        fits = abs(raw + offset - latest) < self._back_others
        return fits and abs(raw + self._offset - self._latest) > self._back_others

    def _is_jump(self, step: int, packet: "Packet[VideoStream]") -> bool:
        """Whether a packet belongs to another clock, by how far it lies from the latest one."""
        if packet.is_corrupt:
            return False
        if self._closes_leaps and self._num_steady >= _NUM_STEADY and step > LEAP_S / self._time_base:
            return True
        if packet.is_keyframe and step < -self._back:
            return True
        if not self._has_decode_times or packet.dts is None or self._latest_decoded is None:
            return False
        return packet.dts + self._offset < self._latest_decoded - self._back_others
