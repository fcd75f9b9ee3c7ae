"""Cutting a clip out of a video: copied where that can be done, encoded anew where it cannot."""

import math
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from seesay.base.errors import InputError, reason
from seesay.inputs.video import At, Every, frames, read_info
from seesay.inputs.video.access import AccessPoints

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream

LEAD_IN_S = 15.0  # a copy begins at a key frame; one that is further back than this is not worth the wait
ENCODED_RATE = 30
_SAME_S = 1e-3  # times went through floating point
_CLOCK = Fraction(1, 90_000)

_MP4 = frozenset({"h264", "hevc", "av1", "mpeg4", "vp9", "aac", "mp3", "ac3", "eac3", "opus", "alac"})
_WEBM = frozenset({"vp8", "vp9", "av1", "opus", "vorbis"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A clip that was written."""

    path: Path
    start_s: float
    """Where it begins in the video. A copy begins at the key frame at or before what was asked for."""
    is_copy: bool
    """Its picture and sound are the video's own, bit by bit; otherwise it was encoded anew, without sound."""


def cut_clip(source: str, start_s: float, end_s: float, to: Path, *, track: int = 0) -> Clip:
    """Write a part of a video into a file of its own.

    Args:
        source: the video's path.
        start_s: seconds from its first picture.
        end_s: where the clip ends, in the same seconds.
        to: the clip's path without a suffix, which the codecs decide.
        track: which of the video's tracks.

    Raises:
        InputError: the video cannot be read, or nothing of it can be written.
    """
    import av

    try:
        if clip := _copy(source, start_s, end_s, to, track):
            return clip
        encoded = to.with_name(f"{to.name}.mp4")
        try:
            return _encode(source, start_s, end_s, encoded, track)
        except InputError:
            encoded.unlink(missing_ok=True)
            raise
    except (av.FFmpegError, OSError) as error:
        for suffix in (".mp4", ".webm", ".mkv"):  # half a clip is none, and a full disk needs its room
            to.with_name(f"{to.name}{suffix}").unlink(missing_ok=True)
        raise InputError(f"no clip can be made of it: {reason(error)}") from error


def _copy(source: str, start_s: float, end_s: float, to: Path, track: int) -> Clip | None:
    """Packets as they are, from a key frame on; None where that cannot be done."""
    import av

    from seesay.inputs.video.joins import joined_end_s
    from seesay.inputs.video.tracks import video_tracks

    target = to
    try:
        with _opened(source) as container:
            if container.format.name in ("gif", "apng", "webp_pipe", "image2"):
                return None
            video = video_tracks(container)[track]
            if joined_end_s(source, video.index) is not None:  # its times go back
                return None
            streams: list[Stream] = [video, *container.streams.audio[:1]]
            target = to.with_name(to.name + _suffix([stream.codec_context.name for stream in streams]))
            info = read_info(source, track)
            origin_s = info.start_s
            end_s = min(end_s, info.duration_s) if info.duration_s > start_s else end_s
            began_s = _write_packets(container, streams, origin_s + start_s, origin_s + end_s, target)
    except (av.FFmpegError, ValueError):  # a codec that the container does not take, times that go back
        began_s = None
    if began_s is None:
        target.unlink(missing_ok=True)
        return None
    return Clip(path=target, start_s=max(0.0, began_s - origin_s), is_copy=True)


@contextmanager
def _opened(source: str) -> "Iterator[InputContainer]":
    from seesay.inputs.video.opening import open_container

    container, file = open_container(source)
    try:
        yield container
    finally:
        container.close()
        if file is not None:
            file.close()


def _suffix(codecs: list[str]) -> str:
    """Of the container that most players take with these codecs."""
    if set(codecs) <= _MP4:
        return ".mp4"
    return ".webm" if set(codecs) <= _WEBM else ".mkv"


def _write_packets(
    container: "InputContainer", streams: "list[Stream]", start_s: float, end_s: float, to: Path
) -> float | None:
    """Where the copy begins, in the container's own time; None when no key frame is near."""
    import av

    # A container without an index is sought by guessing, and may land later than asked for: then it is tried earlier.
    found = (_from_key(container, streams, start_s, back_s) for back_s in (0.0, 5.0, LEAD_IN_S, 2 * LEAD_IN_S))
    began_s, packets = next((one for one in found if one is not None), (-math.inf, iter(())))
    if start_s - began_s > LEAD_IN_S:
        return None
    with av.open(os.fspath(to), "w") as out:
        copies = {stream.index: out.add_stream_from_template(stream) for stream in streams}
        last: Packet[Stream] | None = None  # of the pictures: it stays to the end of the clip
        for packet in _until(packets, copies.keys(), end_s):
            time_s = _time_s(packet)
            if time_s is None:
                return None  # a container that does not say when its packets are shown
            if time_s < began_s:  # sound of before, or a picture that leans on the key frame before ours
                continue
            shift = round(began_s / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts - shift
            packet.dts = None if packet.dts is None else packet.dts - shift
            ready: Packet[Stream] | None = packet
            if packet.stream.index == streams[0].index:
                ready, last = last, packet
            if ready is not None:
                ready.stream = copies[ready.stream.index]
                out.mux(ready)
        if last is not None:
            left = round((end_s - began_s) / last.time_base) - (last.pts or 0 if last.dts is None else last.dts)
            last.duration = max(last.duration or 0, left)
            last.stream = copies[last.stream.index]
            out.mux(last)
    return began_s


def _until(packets: "Iterator[Packet[Stream]]", indices: "Collection[int]", end_s: float) -> "Iterator[Packet[Stream]]":
    """The packets that are decoded before a time."""
    open_streams = set(indices)
    for packet in packets:
        time_s = _time_s(packet)
        if packet.size == 0 or packet.stream.index not in open_streams:
            continue
        decode_s = time_s if packet.dts is None else float(packet.dts * packet.time_base)
        if decode_s is None or decode_s < end_s:
            yield packet
            continue
        open_streams.remove(packet.stream.index)
        if not open_streams:
            return


def _from_key(
    container: "InputContainer", streams: "list[Stream]", start_s: float, back_s: float
) -> "tuple[float, Iterator[Packet[Stream]]] | None":
    """The last key frame at or before a time, as (its time, the packets from it on); None when none is found.

    The packets are those that were seen on the way: a second seek could land elsewhere, since FFmpeg learns where key
    frames are while it reads a Matroska file without an index.
    """
    from av.video.stream import VideoStream

    video = streams[0]
    assert isinstance(video, VideoStream)
    context = video.codec_context
    access = AccessPoints(context.name, context.extradata or b"", intra_only=context.codec.intra_only)
    assert video.time_base is not None  # every stream that was opened has one
    container.seek(int((start_s - back_s) / video.time_base), stream=video, backward=True)
    key_s: float | None = None
    held: list[Packet[Stream]] = []
    packets = container.demux(streams)
    for packet in packets:
        time_s = _time_s(packet)
        if packet.size == 0:
            continue
        if time_s is None:
            return None
        is_video = packet.stream.index == video.index
        is_key = is_video and packet.is_keyframe and time_s <= start_s + _SAME_S
        if is_key and not access.of_key(bytes(packet)).is_gradual:
            key_s, held = time_s, []
        if key_s is not None:
            held.append(packet)
        if is_video and (time_s if packet.dts is None else float(packet.dts * packet.time_base)) > start_s:
            break
    return None if key_s is None else (key_s, chain(held, packets))


def _time_s(packet: "Packet[Stream]") -> float | None:
    ticks = packet.pts if packet.pts is not None else packet.dts
    return None if ticks is None else float(ticks * packet.time_base)


def _encode(source: str, start_s: float, end_s: float, to: Path, track: int) -> Clip:
    """Pictures as they are shown, upright and in sRGB, encoded anew; without sound."""
    import av

    with av.open(os.fspath(to), "w") as out:
        stream = None
        for time_s, picture in _shown(source, start_s, end_s, track):
            if stream is None:
                stream = out.add_stream("libx264", rate=ENCODED_RATE, options={"crf": "20", "preset": "veryfast"})
                # even sides are what yuv420p can hold
                stream.width, stream.height = (side // 2 * 2 or 2 for side in picture.size)
                stream.pix_fmt, stream.codec_context.time_base = "yuv420p", _CLOCK
            size = stream.width, stream.height
            frame = av.VideoFrame.from_ndarray(
                np.asarray(picture if picture.size == size else picture.resize(size)), format="rgb24"
            )
            frame.pts, frame.time_base = round((time_s - start_s) / _CLOCK), _CLOCK
            out.mux(stream.encode(frame))
        assert stream is not None  # what has no picture at all raises before
        out.mux(stream.encode(None))
    return Clip(path=to, start_s=start_s, is_copy=False)


def _shown(source: str, start_s: float, end_s: float, track: int) -> Iterator[tuple[float, Image.Image]]:
    """What is on the screen: at the start the picture that began before, then all others, at the end the last again.

    The ends matter where a picture stays for long, as in slides.
    """
    (first,) = frames(source, At((start_s,)), track=track)
    time_s, picture = start_s, first.image
    yield time_s, picture
    for frame in frames(source, Every(seconds=1 / ENCODED_RATE), from_s=start_s, track=track):
        if frame.time_s >= end_s:
            break
        if frame.time_s > max(time_s, first.time_s) + _SAME_S:
            time_s, picture = frame.time_s, frame.image
            yield time_s, picture
    else:  # nothing comes after
        duration_s = read_info(source, track).duration_s
        if start_s > max(duration_s, first.time_s + LEAD_IN_S):
            raise InputError(f"it has no picture at {start_s:.1f} s; it ends at {duration_s:.1f} s")
        end_s = min(end_s, duration_s)
    if (last_s := end_s - 1 / ENCODED_RATE) > time_s + 1 / ENCODED_RATE:
        yield last_s, picture
