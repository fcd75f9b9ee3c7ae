"""Whatever its groups of pictures are like, a file gives the pictures that a decode of the whole file has."""

import bisect
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from fields import write_fields

from seesay.inputs.video import At, Every, KeyFrames, Sampling, Shots, Uniform, frames, map_frames
from seesay.inputs.video.container import opened
from seesay.inputs.video.picture import PictureMaker
from seesay.inputs.video.planning import Plan
from seesay.inputs.video.reading import choice_for

RATE, NUM_PICTURES = 25, 200
X264 = "open-gop=1:keyint=30:bframes=3:scenecut=0"
KINDS = {
    "closed": ("libx264", {"x264-params": "open-gop=0:keyint=30:bframes=3:scenecut=0"}),
    "open": ("libx264", {"x264-params": X264}),
    "open pyramid": ("libx264", {"x264-params": "open-gop=1:keyint=48:bframes=8:b-adapt=0:b-pyramid=normal"}),
    "bluray": ("libx264", {"x264-params": "open-gop=1:keyint=24:bframes=3:bluray-compat=1:slices=4"}),
    "interlaced": ("libx264", {"x264-params": f"{X264}:interlaced=1:tff=1"}),
    "intra refresh": ("libx264", {"x264-params": "intra-refresh=1:keyint=40:bframes=3"}),
    "intra refresh, one reference": ("libx264", {"x264-params": "intra-refresh=1:keyint=60:bframes=0:ref=1"}),
    "hevc open": ("libx265", {"x265-params": "open-gop=1:keyint=30:bframes=3:log-level=none"}),
    "hevc long": ("libx265", {"x265-params": "open-gop=1:keyint=140:bframes=4:scenecut=0:log-level=none"}),
    "mpeg2 open": ("mpeg2video", {"g": "15", "bf": "2", "b": "2M"}),
    "mpeg2 interlaced": ("mpeg2video", {"g": "15", "bf": "2", "b": "2M", "flags": "+ildct+ilme"}),
    "mpeg4": ("mpeg4", {"g": "30", "bf": "2", "b": "1M"}),
    "vp9": ("libvpx-vp9", {"g": "30", "deadline": "realtime", "cpu-used": "8"}),
}
FILES = [(kind, "mp4") for kind in KINDS if kind != "vp9"] + [("vp9", "webm")]
FILES += [(kind, "ts") for kind in ("open", "interlaced", "intra refresh", "hevc open", "mpeg2 open")]
FILES += [("fields", "ts"), ("fields", "mkv"), ("open", "mkv"), ("open", "mpg"), ("open", "flv"), ("mpeg2 open", "mpg")]
SAMPLINGS: list[Sampling] = [
    Every(seconds=1.0),
    Every(seconds=1.0, slack_s=0.0),
    KeyFrames(at_most_s=3.0),
    Uniform(count=8),
    At((0.5, 0.9, 1.16, 3.0, 6.96, 7.0, 7.9, 30.0)),
    Shots(),
]
Shown = list[tuple[float, int]]


def picture(number: int) -> np.ndarray:
    """Blocks that change each second, and one that moves with every picture."""
    blocks = np.random.default_rng(number // RATE).integers(0, 255, (6, 10, 3)).astype(np.uint8)
    pixels = np.kron(blocks, np.ones((16, 16, 1), np.uint8))
    left = number * 3 % 140
    pixels[30:60, left : left + 20] = (number * 37 % 256, number * 91 % 256, number * 53 % 256)
    return pixels


def write(path: Path, codec: str, options: dict[str, str]) -> Path:
    quiet = {"libx264": {"preset": "veryfast"}, "libx265": {"preset": "ultrafast"}}.get(codec, {})
    with av.open(str(path), "w", format="vob" if path.suffix == ".mpg" else None) as out:
        stream = out.add_stream(codec, rate=RATE, options={**quiet, **options})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for number in range(NUM_PICTURES):
            frame = av.VideoFrame.from_ndarray(picture(number), "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def decode_whole(path: Path) -> Shown:
    """Every picture with its time, in the order of the decoder."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        to_picture = PictureMaker(None, 1.0)
        found = [(frame.pts, hash(to_picture(frame).tobytes())) for frame in container.decode(stream)]
        if any(ticks is None for ticks, _ in found):  # a program stream with H.264: at the stream's rate
            return [(number / RATE, content) for number, (_, content) in enumerate(found)]
        return [(float((ticks - found[0][0]) * stream.time_base), content) for ticks, content in found]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory):
    """Makes each file once."""
    folder, known = tmp_path_factory.mktemp("access"), {}

    def make(kind: str, suffix: str) -> tuple[Path, Shown]:
        if (kind, suffix) not in known:
            path = folder / f"{len(known)}.{suffix}"
            if kind == "fields":
                write_fields(path, NUM_PICTURES)
            else:
                write(path, *KINDS[kind])
            known[kind, suffix] = path, decode_whole(path)
        return known[kind, suffix]

    return make


@pytest.fixture(autouse=True)
def short_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two readers, and seeking, in files of eight seconds."""
    monkeypatch.setattr("seesay.inputs.video.spans.SPAN_S", 3.0)
    monkeypatch.setattr("seesay.inputs.video.reading._SEEK_APART_S", 1.0)


def seen(frame) -> tuple[float, int]:
    return frame.time_s, hash(frame.image.tobytes())


def on_screen(whole: Shown, time_s: float) -> tuple[float, int]:
    times = [shown_s for shown_s, _ in whole]
    return whole[max(0, bisect.bisect_right(times, time_s + 6e-4) - 1)]


@pytest.mark.parametrize(("kind", "suffix"), FILES)
def test_every_sampler_and_reader_gives_the_pictures_of_the_whole_file(made, kind: str, suffix: str) -> None:
    path, whole = made(kind, suffix)
    assert len(whole) == NUM_PICTURES
    problems: list[str] = []
    for sampling in SAMPLINGS:
        found = [seen(frame) for frame in frames(path, sampling, on_error=problems.append)]
        assert [time_s for time_s, _ in found] == sorted(time_s for time_s, _ in found)
        for time_s, content in found:
            assert on_screen(whole, time_s) == (pytest.approx(time_s, abs=6e-4), content)
        assert list(map_frames(seen, path, sampling, on_error=problems.append)) == found
        for from_s in (2.3, 5.64):
            rest = [seen(frame) for frame in frames(path, sampling, from_s=from_s, on_error=problems.append)]
            assert rest == [one for one in found if one[0] >= from_s]
    assert not problems


@pytest.mark.parametrize(("kind", "suffix"), FILES)
def test_exact_samplers_miss_nothing(made, kind: str, suffix: str) -> None:
    path, whole = made(kind, suffix)
    asked = [0.7 * step for step in range(int(NUM_PICTURES / RATE / 0.7) + 1)]
    expected = [on_screen(whole, time_s) for time_s in asked]
    assert [seen(frame)[1] for frame in frames(path, Every(seconds=0.7, slack_s=0.0))] == [one[1] for one in expected]
    assert [seen(frame)[1] for frame in frames(path, At(tuple(asked)))] == [one[1] for one in expected]


@pytest.mark.parametrize("kind", ["open", "mpeg2 open", "hevc open", "intra refresh"])
def test_a_recording_that_begins_in_the_middle_of_a_group_is_sound(made, tmp_path: Path, kind: str) -> None:
    content = made(kind, "ts")[0].read_bytes()
    path = tmp_path / "cut.ts"
    path.write_bytes(content[len(content) // 3 // 188 * 188 :])
    with av.open(str(path)) as container:
        num_pictures = sum(not frame.is_corrupt for frame in container.decode(video=0))
    problems: list[str] = []
    found = [seen(frame) for frame in frames(path, Every(seconds=0.04, slack_s=0.0), on_error=problems.append)]
    assert len(found) == num_pictures
    assert found[0][0] == 0
    assert not problems


def test_two_fields_of_a_broadcast_are_one_picture_with_one_time(made) -> None:
    path, _ = made("fields", "ts")
    with av.open(str(path)) as container:
        assert sum(packet.pts is None for packet in container.demux(video=0) if packet.size) == NUM_PICTURES
    with opened(path) as video:
        assert video.has_times
        choice = choice_for(Every(seconds=1.0, slack_s=0.0), 0.0)
        planned = list(Plan(video.packets(), choice, video.time_s, video.entry_of))
    assert len(planned) % 2 == 0
    assert len(planned) < 1.5 * NUM_PICTURES  # of 400 fields
    assert [one.is_wanted for one in planned[::2]] == [one.is_wanted for one in planned[1::2]]


def test_of_closed_groups_no_more_is_decoded_than_up_to_the_last_wanted_picture(made) -> None:
    path, _ = made("closed", "mp4")
    with opened(path) as video:
        plan = Plan(video.packets(), choice_for(Every(seconds=1.0), 0.0), video.time_s, video.entry_of)
        planned = list(plan)
    # A key frame every 30 pictures: within half a second after 0, 1.2, 2.4 (of 2), …; the others lie between.
    assert not any(one.is_fresh for one in planned)
    assert len(planned) < 0.55 * NUM_PICTURES


def test_after_a_gap_a_decoder_of_open_groups_is_emptied_first(made) -> None:
    path, _ = made("open", "mp4")
    with opened(path) as video:
        plan = Plan(video.packets(), choice_for(KeyFrames(), 0.0), video.time_s, video.entry_of)
        planned = list(plan)
    assert [one.is_fresh for one in planned] == [False] + [True] * (len(planned) - 1)
    assert len(planned) == 7  # a key frame every 30
