"""Whether a file is several recordings that were joined byte by byte, as by `cat a.ts b.ts`.

In such a file a time does not say a place, so it is read through instead of being sought in. Small MPEG streams are
read to know it; of large ones samples are taken, whose times must grow about evenly: a joined recording shorter than
the distance of two samples may be missed. Matroska and AVI say where they end. Of joined MP4 and FLV FFmpeg and the
players that are made with it see the first recording only.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import islice
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard
from av.video.stream import VideoStream

from seesay.inputs.video.clock import LEAP_S, Clock
from seesay.inputs.video.opening import open_container

_READ_BYTES = 64 << 20
_NUM_SAMPLES = 64
_UNEVEN = 4.0  # times the usual distance of two samples
_MATROSKA, _AVI, _STREAMS = "matroska,webm", "avi", ("mpegts", "mpeg")
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_SEARCH_BYTES = 1 << 24
_TS_DISCONT = 0x0200  # AVFMT_TS_DISCONT of FFmpeg's avformat.h


def joined_end_s(path: str | os.PathLike[str], index: int) -> float | None:
    """Where the last picture of a joined file ends, on the clock of its first part; None for all others.

    Args:
        path: the file.
        index: of the video stream.

    Raises:
        av.FFmpegError, OSError: it cannot be read.
    """
    status = Path(path).stat()
    return _end_s(os.fspath(path), index, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4096)
def _end_s(path: str, index: int, size_bytes: int, mtime_ns: int) -> float | None:
    del mtime_ns  # only for the cache
    with _opened(path, index) as (container, _):
        name = container.format.name
    if name == _MATROSKA:
        is_suspect = _has_segments(Path(path))
    elif name == _AVI:
        is_suspect = _has_second_avi(Path(path))
    elif name in _STREAMS and size_bytes > _READ_BYTES:
        is_suspect = _is_uneven(path, index, size_bytes)
    else:
        is_suspect = name in _STREAMS
    return _read_end_s(path, index) if is_suspect else None


def _read_end_s(path: str, index: int) -> float | None:
    """By going through all packets; None if its clock does not jump."""
    with _opened(path, index) as (container, stream):
        assert stream.time_base is not None  # every stream that was opened has one
        is_stream = closes_leaps(container)
        clock = Clock(stream.time_base, has_decode_times=is_stream, closes_leaps=is_stream)
        for packet in _packets(container, stream):
            clock.set(packet)
        is_joined = clock.has_jumped or container.format.name == _AVI  # its clock counts on
        return float(clock.end * stream.time_base) if is_joined else None


def _is_uneven(path: str, index: int, size_bytes: int) -> bool:
    """Whether times at even distances in a stream go back, or one leaps ahead of the others."""
    times: list[float] = []
    with _opened(path, index) as (container, stream):
        assert stream.time_base is not None
        for number in range(_NUM_SAMPLES):
            with suppress(av.FFmpegError):  # a place that cannot be gone to says nothing
                container.seek(size_bytes * number // _NUM_SAMPLES, unsupported_byte_offset=True)
                near = islice(_packets(container, stream), 100)
                times += [float(packet.pts * stream.time_base) for packet in near if packet.pts is not None][:1]
    steps = np.diff(times)
    return bool(len(steps)) and bool((steps < 0).any() or steps.max() > _UNEVEN * np.median(steps) + LEAP_S)


def _has_segments(path: Path) -> bool:
    """Whether a second Matroska file begins where the first one says that it ends, or later where it does not say."""
    with path.open("rb") as file:
        head = file.read(4096)
        place = head.find(_SEGMENT)
        if place < 0:
            return False
        place += len(_SEGMENT)
        num_bytes = 9 - head[place].bit_length()  # an EBML number says with its first bit how long it is
        size = int.from_bytes(head[place : place + num_bytes], "big") & ((1 << 7 * num_bytes) - 1)
        if size != (1 << 7 * num_bytes) - 1:
            file.seek(place + num_bytes + size)
            return file.read(len(_EBML)) == _EBML
        file.seek(place)
        overlap = b""
        while block := file.read(_SEARCH_BYTES):
            if _EBML in overlap + block:
                return True
            overlap = block[-len(_EBML) :]
    return False


def _has_second_avi(path: Path) -> bool:
    """Whether a second AVI begins in a file; one file may have several RIFF chunks, the later ones of the kind AVIX."""
    with path.open("rb") as file:
        place = num_files = 0
        while len(head := file.read(12)) == 12 and head[:4] == b"RIFF":
            num_files += head[8:] == b"AVI "
            size = int.from_bytes(head[4:8], "little")
            place += 8 + size + size % 2
            file.seek(place)
    return num_files > 1


def closes_leaps(container: InputContainer) -> bool:
    """Whether FFmpeg takes a leap of this container's clock for a new beginning."""
    return bool(container.format.flags & _TS_DISCONT)


@contextmanager
def _opened(path: str, index: int) -> Iterator[tuple[InputContainer, VideoStream]]:
    container, file = open_container(path)
    try:
        for stream in container.streams:
            stream.discard = Discard.default if stream.index == index else Discard.all
        stream = container.streams[index]
        assert isinstance(stream, VideoStream)
        yield container, stream
    finally:
        container.close()
        if file is not None:
            file.close()


def _packets(container: InputContainer, stream: VideoStream) -> "Iterator[Packet[VideoStream]]":
    """As far as they can be read: who reads the pictures meets the damage too, and says so."""
    with suppress(av.FFmpegError):
        yield from (packet for packet in container.demux(stream) if packet.size)
