"""Video files as moments: pictures in sRGB with the time at which they are on the screen.

    from seesay.inputs.video import Every, frames

    for frame in frames("holiday.mp4", Every(seconds=1.0), size_px=224):
        print(frame.time_s, frame.image.size)

* Times are the container's timestamps, in seconds from the first picture of the video stream; never a count of frames
  over a rate. A file whose stream starts at 1.4 s therefore starts at 0 here; `VideoInfo.start_s` says by how much.
* A moment is the picture that is on the screen at that time: the last one that has begun.
* `frames(..., from_s=t)` gives exactly the frames of the whole run whose time is t or later, without reading what is
  before. So a caller that was interrupted goes on with the time of the last frame it has kept.
* `map_frames` gives the same frames, ready for a model, and reads a long film with two threads.

Importing this is cheap; PyAV is imported with the first file. Must not know a model, beyond how many pixels it takes.
"""

from seesay.inputs.video.animation import ANIMATION_SUFFIXES
from seesay.inputs.video.frame import Frame
from seesay.inputs.video.info import VIDEO_SUFFIXES, VideoInfo, is_video, read_info
from seesay.inputs.video.inside import FILM_SUFFIXES, film_inside
from seesay.inputs.video.reading import frames
from seesay.inputs.video.sampling import At, Every, KeyFrames, Sampling, Shots, Uniform
from seesay.inputs.video.shots import color_histogram, find_cuts
from seesay.inputs.video.spans import map_frames

__all__ = [
    "ANIMATION_SUFFIXES",
    "FILM_SUFFIXES",
    "VIDEO_SUFFIXES",
    "At",
    "Every",
    "Frame",
    "KeyFrames",
    "Sampling",
    "Shots",
    "Uniform",
    "VideoInfo",
    "color_histogram",
    "film_inside",
    "find_cuts",
    "frames",
    "is_video",
    "map_frames",
    "read_info",
]
