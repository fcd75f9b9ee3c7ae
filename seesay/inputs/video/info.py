"""What a video file says of itself, and which files are videos."""

from dataclasses import dataclass
from pathlib import Path

# fmt: off
VIDEO_SUFFIXES = frozenset({
    ".3g2", ".3gp", ".asf", ".avi", ".divx", ".f4v", ".flv", ".m2t", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov", ".mp",
    ".mp4", ".mpe", ".mpeg", ".mpg", ".mts", ".mxf", ".ogm", ".ogv", ".qt", ".ts", ".vob", ".webm", ".wmv",
})
# fmt: on
"""Lower-case suffixes of the files that a walk over folders should take for videos.

An animated GIF, WebP or APNG has the suffix of a picture; `is_video` looks into it.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoInfo:
    """A video as a person sees it."""

    duration_s: float
    """From the beginning of the first picture to the end of the last, as the file declares it; 0 where it does not."""

    width_px: int
    """Upright: after the rotation that the file asks for, and with square pixels."""

    height_px: int

    frame_rate: float
    """Pictures a second, in the mean; 0 where the file does not say. Never use it to find a time."""

    codec: str
    """FFmpeg's name: h264, hevc, vp9, av1; of an animation Pillow's format: GIF, WEBP, PNG."""

    rotation_deg: int
    """How far the stored pictures are turned clockwise to be upright: 0, 90, 180 or 270."""

    num_frames: int | None
    """As the file declares it; None where it does not."""

    start_s: float
    """The container's time of our 0. To seek with another program, add it to our times."""

    is_hdr: bool
    """Whether it is PQ or HLG, which come out tone mapped."""

    num_tracks: int = 1
    """How many films are in the file; 0 is the one that players choose (see tracks.py)."""


def read_info(path: str | Path, track: int = 0) -> VideoInfo:
    """Open a video and read what it declares; decodes one picture at most.

    Args:
        path: the file; of a motion photo, what the film in it declares.
        track: which of its films.

    Raises:
        InputError: it cannot be read, or has no video stream; the text is the reason, without the path.
    """
    from seesay.inputs.video.animation import ANIMATION_SUFFIXES, read_animation_info
    from seesay.inputs.video.container import opened, read_stream_info

    if Path(path).suffix.lower() in ANIMATION_SUFFIXES:
        return read_animation_info(path)
    with opened(path, track=track) as video:
        return read_stream_info(video)


def is_video(path: str | Path) -> bool:
    """Whether a file is a video: by its suffix, and of GIF, WebP, PNG and AVIF by whether there is a second picture.

    Never raises: what cannot be read is no video, so that reading it as a picture gives the reason.
    """
    from seesay.inputs.video.animation import ANIMATION_SUFFIXES, is_animated

    suffix = Path(path).suffix.lower()
    if suffix in ANIMATION_SUFFIXES:
        return is_animated(path)
    return suffix in VIDEO_SUFFIXES
