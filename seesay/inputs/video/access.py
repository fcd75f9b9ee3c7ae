"""Where in a stream decoding can begin, and what has to be known to begin there: read from the packets' own bytes.

What a container calls a key frame is one of three things:

    closed    the decoder begins anew by itself; nothing after it refers to what is before (IDR, VP9, AV1)
    open      exact from its own picture on, in the order of display; pictures that are shown before it may refer to
              what is before. A decoder that has missed something must be emptied first, since it goes on counting
              (H.264 recovery points, HEVC CRA, the I pictures of MPEG-1, 2 and 4 and of VC-1)
    gradual   a recovery point with a count, as intra refresh has them: pictures become whole little by little. The
              count is not to be trusted: x264's pictures were seen to stay wrong until the next such point and longer

Sources: ITU-T H.264, 7.4.1.2.4 and D.2.8 (recovery point); ITU-T H.265, 7.4.2.2 (types of NAL units).
"""

from collections.abc import Iterator
from typing import NamedTuple

_HEAD_BYTES = 1 << 16  # parameter sets and messages come first; of the picture itself nothing is needed
_LEAST_SEI_BYTES = 3
_RECOVERY_POINT = 6

_H264_SLICES, _H264_IDR, _H264_SEI = range(1, 6), 5, 6
_HEVC_PICTURES = 32  # types below are parts of pictures
_HEVC_CLOSED = range(16, 21)  # BLA and IDR

# Their key frames let a decoder begin anew.
_CLOSED = frozenset({"av1", "libdav1d", "vp8", "vp9", "libvpx", "libvpx-vp9", "theora"})


class Entry(NamedTuple):
    """A packet at which decoding can begin."""

    is_closed: bool
    """The decoder begins anew by itself."""
    is_gradual: bool = False
    """Pictures are whole only some time after it."""


class AccessPoints:
    """Tells what the key frames of one stream are.

    Args:
        codec: FFmpeg's name.
        extradata: the stream's own, which says how its packets are divided.
        intra_only: whether the codec stores each picture whole.
    """

    def __init__(self, codec: str, extradata: bytes, *, intra_only: bool) -> None:
        self._codec = codec
        self._is_closed = intra_only or codec in _CLOSED
        place = {"h264": 4, "hevc": 21}.get(codec, 0)
        has_lengths = extradata[:1] == b"\1" and len(extradata) > place
        self._length_bytes = (extradata[place] & 3) + 1 if has_lengths else 0  # 0: start codes, as in MPEG streams

    def of_key(self, content: bytes) -> Entry:
        """What a packet is that the container calls a key frame.

        Args:
            content: the packet.
        """
        if self._codec == "h264":
            return self._h264(content)
        if self._codec == "hevc":
            kinds = (unit[0] >> 1 & 63 for unit in self._units(content))
            first = next((kind for kind in kinds if kind < _HEVC_PICTURES), None)
            return Entry(first in _HEVC_CLOSED)
        return Entry(self._is_closed)

    def _h264(self, content: bytes) -> Entry:
        is_gradual = False
        for unit in self._units(content):
            kind = unit[0] & 31
            if kind == _H264_IDR:
                return Entry(is_closed=True)
            if kind == _H264_SEI:
                is_gradual = is_gradual or _recovery_count(unit) > 0
            elif kind in _H264_SLICES:
                break
        return Entry(is_closed=False, is_gradual=is_gradual)

    def _units(self, content: bytes) -> Iterator[bytes]:
        """The NAL units of a packet, as far as its first picture, each from its header on."""
        return _by_length(content, self._length_bytes) if self._length_bytes else _by_start_code(content)


def _by_length(content: bytes, length_bytes: int) -> Iterator[bytes]:
    place = 0
    while place + length_bytes < len(content):
        begin = place + length_bytes
        place = begin + int.from_bytes(content[place:begin], "big")
        if place > begin:
            yield content[begin : min(place, begin + _HEAD_BYTES)]


def _by_start_code(content: bytes) -> Iterator[bytes]:
    begin = content.find(b"\0\0\1") + 3
    while 3 <= begin < len(content):
        end = content.find(b"\0\0\1", begin, begin + _HEAD_BYTES)
        yield content[begin : end if end >= 0 else begin + _HEAD_BYTES]
        begin = end + 3 if end >= 0 else 0


def _recovery_count(unit: bytes) -> int:
    """`recovery_frame_cnt` of an SEI unit, 0 where it has none."""
    body = unit[1:].replace(b"\0\0\3", b"\0\0")
    place = 0
    while place + _LEAST_SEI_BYTES <= len(body):
        kind, place = _sum_of_bytes(body, place)
        size, place = _sum_of_bytes(body, place)
        if kind == _RECOVERY_POINT:
            return _exp_golomb(body[place : place + size])
        place += size
    return 0


def _sum_of_bytes(body: bytes, place: int) -> tuple[int, int]:
    """A number as SEI messages write it: a byte 255 means that it goes on."""
    total = 0
    while place < len(body):
        total += body[place]
        place += 1
        if body[place - 1] != 255:
            break
    return total, place


def _exp_golomb(content: bytes) -> int:
    """The first number, in the code of ITU-T H.264, 9.1."""
    bits = "".join(f"{byte:08b}" for byte in content)
    zeros = len(bits) - len(bits.lstrip("0"))
    digits = bits[zeros : 2 * zeros + 1]
    return int(digits, 2) - 1 if len(digits) == zeros + 1 else 0
