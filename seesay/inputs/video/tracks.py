"""Which streams of a file are films: the one that players choose, and the others beside it.

Track 0 is what FFmpeg's `av_find_best_stream` takes, as long as that is no cover: Matroska has no word for one, and a
muxer marks the first stream of a kind as the default, so a still in front of a film may be both. Further tracks (the
rear camera of a car, another angle, another programme of a broadcast) follow in the order of the file. Left out are
covers, thumbnails, stills beside a film, and streams that only improve another. Whether two tracks are one film in two
sizes does not show in what a file says, so both are tracks.
"""

from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from seesay.base.errors import InputError

_STILLS = frozenset({"bmp", "gif", "jpegls", "mjpeg", "mjpegb", "png", "tiff", "webp"})
_OTHERS = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.dependent


def video_tracks(container: InputContainer) -> list[VideoStream]:
    """The film that players show, then the others.

    Raises:
        InputError: there is none.
    """
    streams = [stream for stream in container.streams.video if not stream.disposition & _OTHERS]
    films = [stream for stream in streams if stream.codec_context.name not in _STILLS] or streams
    if not films:
        raise InputError("there is no video in the file, only sound or other data")
    best = container.streams.best("video")
    first = next((film for film in films if best is not None and film.index == best.index), None) or max(
        films, key=lambda film: (bool(film.disposition & Disposition.default), film.width * film.height)
    )
    return [first, *(film for film in films if film.index != first.index)]
