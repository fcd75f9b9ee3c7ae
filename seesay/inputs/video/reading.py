"""From a video file to the pictures of the moments that were asked for.

    packets ─→ plan (which are needed) ─→ decoder ─→ only what is wanted is converted

Where the container says when each packet is shown, decisions are made on packets and most are never decoded. Where it
does not (AVI, bare streams), everything is decoded from the beginning, and decisions are made on pictures.
"""

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from seesay.base.errors import InputError
from seesay.inputs.video.animation import ANIMATION_SUFFIXES, animation_frames
from seesay.inputs.video.choosing import AtChoice, Choice, Timeline, choice_for, least_distance_s
from seesay.inputs.video.frame import Frame
from seesay.inputs.video.planning import Plan
from seesay.inputs.video.sampling import At, Every, KeyFrames, Sampling, Shots, Uniform, middles
from seesay.inputs.video.shots import middle_frames

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from seesay.inputs.video.container import OpenVideo

# Moments further apart than this are sought one by one. Reading on instead is quicker over a group of pictures or two.
_SEEK_APART_S = 10.0

# Decoders that look at `skip_frame` with each packet. dav1d looks once, and would then skip what is wanted later.
_SKIPPING = frozenset({"h264", "hevc"})

# Where only some pictures have a time, one that differs by less than this from counting on says nothing.
_STRAY_S = 0.5

# Less than this missing at the end is how encoders and muxers count, not a file that was cut.
_MISSING_S = 1.0


def frames(
    path: str | Path,
    sampling: Sampling,
    *,
    size_px: int | None = None,
    from_s: float = 0.0,
    track: int = 0,
    on_error: Callable[[str], None] | None = None,
) -> Iterator[Frame]:
    """The pictures of the moments that were asked for, in the order of their times.

    Only these are converted, and near the model's size. The file is closed when the iterator ends or is closed.
    Memory is a few decoded pictures and a group of packets, whatever the length. Use one iterator in one thread.

    Args:
        path: a video file, an animated GIF, WebP, PNG or AVIF, or a photograph with a film in it.
        sampling: which moments.
        size_px: the length of the shorter side that the picture will be shrunk to, as `Encoder.transform.target_px`
            says it; a larger picture comes at twice that. None: every pixel.
        from_s: give only the frames whose time is this or later; they are the same as in a run from the start.
        track: which of the file's films (`VideoInfo.num_tracks`); 0 is the one that players choose.
        on_error: told, in a sentence each, of what was damaged and passed over: packets that cannot be decoded, and a
            file that ends before its declared end. Called at most a few times a file, when the reading ends.

    Raises:
        InputError: the file cannot be opened, or holds not one picture; the text is the reason, without the path.
    """
    if isinstance(sampling, Shots):
        yield from middle_frames(
            lambda start_s: frames(
                path,
                Every(seconds=sampling.every_s),
                size_px=size_px,
                from_s=start_s,
                track=track,
                on_error=on_error,
            ),
            sampling,
            from_s,
        )
    elif Path(path).suffix.lower() in ANIMATION_SUFFIXES:
        yield from animation_frames(path, sampling, size_px=size_px, from_s=from_s, on_error=on_error)
    else:
        from seesay.inputs.video.container import opened

        with opened(path, track=track) as video:
            yield from _stream_frames(video, sampling, size_px, from_s, on_error or (lambda sentence: None))


def _stream_frames(
    video: "OpenVideo",
    sampling: Every | KeyFrames | Uniform | At,
    size_px: int | None,
    from_s: float,
    on_error: Callable[[str], None],
) -> Iterator[Frame]:
    from seesay.inputs.video.picture import PictureMaker

    to_picture = PictureMaker(size_px, float(video.stream.sample_aspect_ratio or 1))
    if isinstance(sampling, Uniform):
        sampling = At(middles(_end_s(video), sampling.count))
    is_empty = True
    for time_s, frame in _at(video, sampling) if isinstance(sampling, At) else chosen(video, sampling, from_s):
        is_empty = False
        if time_s >= from_s:
            yield Frame(time_s, to_picture(frame))
    for sentence in video.damage.sentences():
        on_error(sentence)
    if is_empty and not from_s and sampling != At(()):
        raise InputError(video.damage.why_empty)


def chosen(
    video: "OpenVideo", sampling: Every | KeyFrames, from_s: float, until_s: float = math.inf
) -> "Iterator[tuple[float, VideoFrame]]":
    """The pictures that a choice wants, with their times: a few before `from_s` it may be, none from `until_s` on.

    An end needs a video that `has_times`.
    """
    length_s = video.length_if_short_s(least_distance_s(sampling))
    if not video.has_times:
        step_s = sampling.seconds if isinstance(sampling, Every) else sampling.at_most_s
        yield from _chosen_decoded(video, choice_for(Every(seconds=step_s, slack_s=0.0), from_s, length_s=length_s))
        return
    choice = choice_for(sampling, from_s, until_s, length_s=length_s)
    if choice.start_s > _SEEK_APART_S:
        video.seek(choice.start_s)
    elif video.has_moved:
        video.rewind()
    yield from _chosen_planned(video, choice)


def _at(video: "OpenVideo", sampling: At) -> "Iterator[tuple[float, VideoFrame]]":
    """One picture for each time. For one that cannot be decoded comes the next that can, at the end the last."""
    last: tuple[float, VideoFrame] | None = None
    num_missing = 0
    for times_s in _near_ones(sampling.times_s) if video.has_times else [sampling.times_s]:
        choice = AtChoice(times_s)
        if video.has_times and (last is not None or choice.start_s > _SEEK_APART_S):
            video.seek(choice.start_s)
        number = 0
        for last in _chosen_planned(video, choice) if video.has_times else _chosen_decoded(video, choice):
            while num_missing:
                num_missing -= 1
                yield last
            while number < len(choice.chosen) and choice.chosen[number] <= last[0]:
                number += 1
                yield last
        num_missing += len(times_s) - number
        if last is not None:
            for _ in range(num_missing):
                yield last
            num_missing = 0


def _near_ones(times_s: tuple[float, ...]) -> Iterator[tuple[float, ...]]:
    """Cut where the distance is worth seeking."""
    start = 0
    for number in range(1, len(times_s) + 1):
        if number == len(times_s) or times_s[number] - times_s[number - 1] > _SEEK_APART_S:
            yield times_s[start:number]
            start = number


def _chosen_planned(video: "OpenVideo", choice: Choice) -> "Iterator[tuple[float, VideoFrame]]":
    """Decode what the plan says, from where the reading stands."""
    plan = Plan(video.packets(), choice, video.time_s, video.entry_of, video.leads_until_s)
    wanted, sound_s = plan.timeline.wanted, video.sound_s
    context = video.stream.codec_context
    context.flush_buffers()
    can_skip = context.name in _SKIPPING

    def taken(packet: "Packet[VideoStream] | None") -> "Iterator[tuple[float, VideoFrame]]":
        for frame in _decode(video, packet):
            time_s = None if frame.pts is None else video.time_s(frame.pts)
            if time_s is not None and time_s < sound_s:
                continue
            if frame.is_corrupt and time_s is not None:
                wanted.discard(time_s)
                video.damage.note_picture(time_s)
            elif time_s in wanted:
                wanted.remove(time_s)
                yield time_s, frame
            elif video.is_joined and time_s is not None and min(wanted, default=time_s) < time_s:
                # a recording that was joined on in the middle of a group: the first that can be decoded stands in
                wanted.difference_update([lost_s for lost_s in wanted if lost_s < time_s])
                yield time_s, frame

    for packet, is_wanted, is_fresh in plan:
        if is_fresh:
            yield from taken(None)
            context.flush_buffers()
        context.skip_frame = "NONREF" if can_skip and not is_wanted else "DEFAULT"
        yield from taken(packet)
    yield from taken(None)
    for time_s in wanted:
        if time_s >= sound_s:
            video.damage.note_picture(time_s)
    video.damage.num_late += plan.num_late
    if plan.has_ended and plan.timeline.times:
        _note_end(video, plan.timeline.end_s or 0.0)


def _note_end(video: "OpenVideo", end_s: float) -> None:
    video.end_s = end_s
    declared_s = video.declared_s()
    if declared_s - end_s > _MISSING_S:
        video.damage.ends_s, video.damage.declared_s = end_s, declared_s


def _chosen_decoded(video: "OpenVideo", choice: Choice) -> "Iterator[tuple[float, VideoFrame]]":
    """Decode everything and choose among the pictures."""
    timeline = Timeline(reorder=0)
    waiting: deque[tuple[float, VideoFrame]] = deque()
    settled_s = end_s = 0.0
    for time_s, length_s, frame in _decoded(video):
        timeline.add(time_s, is_key=False)
        waiting.append((time_s, frame))
        end_s = time_s + length_s
        settled_s = choice.advance(timeline)
        while waiting and waiting[0][0] < settled_s:
            shown = waiting.popleft()
            if shown[0] in timeline.wanted:
                timeline.wanted.remove(shown[0])
                yield shown
        if settled_s == math.inf:
            return
        timeline.forget(settled_s)
    timeline.finish(end_s)
    if waiting:
        choice.advance(timeline)
        yield from (shown for shown in waiting if shown[0] in timeline.wanted)
        _note_end(video, end_s)


def _decoded(video: "OpenVideo") -> "Iterator[tuple[float, float, VideoFrame]]":
    """Every picture with its time and length; one without a time follows the one before it at the stream's rate.

    Where packets have the times of decoding, the n-th picture has the n-th of them, in order.
    """
    length_s = float(1 / (video.stream.average_rate or video.stream.guessed_rate or 25))
    times: list[int] = []
    next_s = 0.0

    def timed(packet: "Packet[VideoStream] | None") -> "Iterator[tuple[float, float, VideoFrame]]":
        nonlocal next_s
        for frame in _decode(video, packet):
            in_order = heapq.heappop(times) if times else None
            ticks = in_order if video.is_decode_timed else frame.pts
            time_s = next_s if ticks is None else video.time_s(ticks)
            if not video.is_decode_timed and time_s < next_s + _STRAY_S:
                time_s = next_s  # program streams may give a time to a neighbour of its picture
            next_s = time_s + length_s
            yield time_s, length_s, frame

    for packet in video.packets():
        if packet.pts is not None:
            heapq.heappush(times, packet.pts)
        yield from timed(packet)
    yield from timed(None)


def _decode(video: "OpenVideo", packet: "Packet[VideoStream] | None") -> "list[VideoFrame]":
    import av

    try:
        return video.stream.codec_context.decode(packet)
    except (av.FFmpegError, OSError) as error:
        time_s = None if packet is None or packet.pts is None else video.time_s(packet.pts)
        if time_s is None or time_s >= video.sound_s:
            video.damage.note(error, time_s)
        return []


def _end_s(video: "OpenVideo") -> float:
    """The end of the last picture, by going through the packets without decoding."""
    last_s, length_s, num_packets = 0.0, 0.0, 0
    for packet in video.packets():
        num_packets += 1
        time_s = 0.0 if packet.pts is None else video.time_s(packet.pts)
        if time_s >= last_s:
            length_s = float((packet.duration or 0) * video.time_base) or time_s - last_s
            last_s = time_s
    video.rewind()
    rate = video.stream.average_rate or video.stream.guessed_rate or 25
    return last_s + length_s if last_s else float(num_packets / rate)
