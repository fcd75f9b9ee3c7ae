"""Cutting a clip out of a video: copied where that can be done, encoded anew where it cannot."""

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from seesay.base.errors import InputError, reason
from seesay.inputs.video import Every, frames, read_info

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


def cut_clip(source: str, start_s: float, end_s: float, to: Path) -> Clip:
    """Write a part of a video into a file of its own.

    Args:
        source: the video's path.
        start_s: seconds from its first picture.
        end_s: where the clip ends, in the same seconds.
        to: the clip's path without a suffix, which the codecs decide.

    Raises:
        InputError: the video cannot be read, or nothing of it can be written.
    """
    import av

    try:
        if clip := _copy(source, start_s, end_s, to):
            return clip
        return _encode(source, start_s, end_s, to.with_name(f"{to.name}.mp4"))
    except (av.FFmpegError, OSError) as error:
        for suffix in (".mp4", ".webm", ".mkv"):  # half a clip is none, and a full disk needs its room
            to.with_name(f"{to.name}{suffix}").unlink(missing_ok=True)
        raise InputError(f"no clip can be made of it: {reason(error)}") from error


def _copy(source: str, start_s: float, end_s: float, to: Path) -> Clip | None:
    """Packets as they are, from a key frame on; None where that cannot be done."""
    import av

    target = to
    try:
        # As in reading: nothing but this file is opened, whatever is written in it.
        with av.open(source, options={"protocol_whitelist": "file"}) as container:
            if container.format.name in ("gif", "apng", "webp_pipe", "image2"):
                return None
            streams = _streams(container)
            target = to.with_name(to.name + _suffix([stream.codec_context.name for stream in streams]))
            origin_s = read_info(source).start_s
            began_s = _write_packets(container, streams, origin_s + start_s, origin_s + end_s, target)
    except (av.FFmpegError, ValueError):  # a codec that the container does not take, times that go back
        began_s = None
    if began_s is None:
        target.unlink(missing_ok=True)
        return None
    return Clip(path=target, start_s=max(0.0, began_s - origin_s), is_copy=True)


def _streams(container: "InputContainer") -> "list[Stream]":
    return [*container.streams.video[:1], *container.streams.audio[:1]]


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

    video = streams[0]
    found = _key_before(container, video, start_s)
    if found is None or start_s - found[0] > LEAD_IN_S:
        return None
    began_s, target = found
    container.seek(target, stream=video, backward=True)
    has_begun = False
    open_streams = {stream.index for stream in streams}
    with av.open(os.fspath(to), "w") as out:
        copies = {stream.index: out.add_stream_from_template(stream) for stream in streams}
        for packet in container.demux(streams):
            time_s = _time_s(packet)
            if packet.size == 0 or packet.stream.index not in open_streams:
                continue
            if time_s is None:
                return None  # a container that does not say when its packets are shown
            if not has_begun:
                has_begun = packet.stream is video and packet.is_keyframe and time_s >= began_s
                if not has_begun:
                    continue
            decode_s = time_s if packet.dts is None else float(packet.dts * packet.time_base)
            if decode_s >= end_s:
                open_streams.remove(packet.stream.index)
                if not open_streams:
                    break
                continue
            if time_s < began_s:  # sound of before, or a picture that leans on the key frame before ours
                continue
            shift = round(began_s / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts - shift
            packet.dts = None if packet.dts is None else packet.dts - shift
            packet.stream = copies[packet.stream.index]
            out.mux(packet)
    return began_s


def _key_before(container: "InputContainer", video: "Stream", start_s: float) -> tuple[float, int] | None:
    """The last key frame at or before a time: (its time, ticks to seek to); None when none is near.

    A container without an index is sought by guessing, and may land later than asked for: then it is tried earlier.
    """
    assert video.time_base is not None
    for back_s in (0.0, 5.0, LEAD_IN_S, 2 * LEAD_IN_S):
        target = int((start_s - back_s) / video.time_base)
        container.seek(target, stream=video, backward=True)
        key_s: float | None = None
        for packet in container.demux(video):
            time_s = _time_s(packet)
            if packet.size == 0:
                continue
            if time_s is None:
                return None
            if packet.is_keyframe and time_s <= start_s + _SAME_S:
                key_s = time_s
            decode_s = time_s if packet.dts is None else float(packet.dts * packet.time_base)
            if decode_s > start_s:
                break
        if key_s is not None:
            return key_s, target
    return None


def _time_s(packet: "Packet[Stream]") -> float | None:
    ticks = packet.pts if packet.pts is not None else packet.dts
    return None if ticks is None else float(ticks * packet.time_base)


def _encode(source: str, start_s: float, end_s: float, to: Path) -> Clip:
    """Pictures as they are shown, upright and in sRGB, encoded anew; without sound."""
    import av

    with av.open(os.fspath(to), "w") as out:
        stream = None
        for number, shown in enumerate(frames(source, Every(seconds=1 / ENCODED_RATE), from_s=start_s)):
            if shown.time_s >= end_s and number > 0:
                break
            width, height = shown.image.width // 2 * 2 or 2, shown.image.height // 2 * 2 or 2  # what yuv420p can hold
            if stream is None:
                stream = out.add_stream("libx264", rate=ENCODED_RATE, options={"crf": "20", "preset": "veryfast"})
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                stream.codec_context.time_base = _CLOCK
                began_s = shown.time_s
            picture = (
                shown.image.resize((stream.width, stream.height))
                if shown.image.size
                != (
                    stream.width,
                    stream.height,
                )
                else shown.image
            )
            frame = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
            frame.pts, frame.time_base = round((shown.time_s - began_s) / _CLOCK), _CLOCK
            out.mux(stream.encode(frame))
        if stream is None:
            raise InputError(f"it has no picture at {start_s:.1f} s")
        out.mux(stream.encode(None))
    return Clip(path=to, start_s=began_s, is_copy=False)
