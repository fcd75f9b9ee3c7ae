import io
import json
import re
from fractions import Fraction

import av
import numpy as np
import pytest
from encoders import COLOURS
from films import film
from painting import paint
from PIL import Image
from videos import number_of, numbered, write_video

from seesay.base.errors import InputError, UsageError
from seesay.inputs.video import Every, frames, read_info
from seesay.search import clips
from seesay.search.clips import cut_clip
from seesay.search.export import export, webvtt
from seesay.search.hit import Hit, clock


def colour_at(path, time_s):
    shown = [frame for frame in frames(path, Every(seconds=0.25)) if frame.time_s <= time_s + 1e-6]
    pixels = np.asarray(shown[-1].image, float).mean((0, 1))
    return min(COLOURS, key=lambda name: np.abs(pixels - COLOURS[name]).sum())


def num_key_frames(path):
    with av.open(str(path)) as container:
        return sum(packet.is_keyframe for packet in container.demux(video=0) if packet.size)


def test_a_copied_clip_begins_at_a_key_frame_and_shows_what_was_asked_for(tmp_path):
    source = film(tmp_path / "a.mp4", ("red", 4), ("blue", 4), ("green", 4))
    clip = cut_clip(str(source), 5.0, 8.0, tmp_path / "clip")
    assert clip.is_copy
    assert clip.path == tmp_path / "clip.mp4"
    assert clip.start_s <= 5.0
    # At its end come along the few later pictures that the last ones lean on.
    assert 0 <= read_info(clip.path).duration_s - (8.0 - clip.start_s) < 1.0
    for time_s in (5.0, 6.5, 7.5):
        assert colour_at(clip.path, time_s - clip.start_s) == "blue"


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mpg", ".ts"])
def test_a_copy_never_begins_after_what_was_asked_for(tmp_path, suffix):
    scenes = [(colour, 6) for colour in ("red", "blue", "green", "white") * 3]
    source = film(tmp_path / f"a{suffix}", *scenes)
    for start_s in (12.5, 31.0, 66.0):
        clip = cut_clip(str(source), start_s, start_s + 3, tmp_path / f"clip-{start_s}")
        assert clip.start_s <= start_s
        colour = scenes[int(start_s / 6)][0]
        assert colour_at(clip.path, start_s + 0.5 - clip.start_s) == colour


@pytest.mark.parametrize("gop", [1, 1000])
@pytest.mark.parametrize("suffix", ["mkv", "mp4", "ts"])
def test_a_clip_of_slides_begins_with_the_picture_that_is_on_the_screen(tmp_path, suffix, gop):
    source = write_video(tmp_path / f"slides.{suffix}", [20_000 * number for number in range(5)], gop=gop)
    for start_s in (3.0, 45.0, 59.0, 75.0):
        clip = cut_clip(str(source), start_s, start_s + 3, tmp_path / f"clip-{start_s}")
        shown = [
            (frame.time_s + clip.start_s, number_of(frame.image)) for frame in frames(clip.path, Every(seconds=0.1))
        ]
        assert shown[0][0] <= start_s + 1e-3
        assert [number for time_s, number in shown if time_s <= start_s + 1e-3][-1] == int(start_s / 20)
        # so that it is there to be seen
        assert read_info(clip.path).duration_s + clip.start_s >= start_s + 2.9


def without_index(path, num_pictures, gop):
    """A Matroska file as a stream has it, without cues; between its key frames is much sound."""
    with path.open("wb") as file, av.open(OneWay(file), "w", format="matroska") as out:
        options = {"preset": "ultrafast", "g": str(gop), "x264-params": "scenecut=0"}
        video, audio = out.add_stream("libx264", rate=10, options=options), out.add_stream("pcm_s16le", rate=8000)
        video.width, video.height, video.pix_fmt, audio.layout = 160, 96, "yuv420p", "mono"
        for number in range(num_pictures):
            frame = av.VideoFrame.from_ndarray(numbered(number), "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            out.mux(video.encode(frame))
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
            sound.sample_rate, sound.pts, sound.time_base = 8000, 800 * number, Fraction(1, 8000)
            out.mux(audio.encode(sound))
        out.mux(video.encode(None))
    return path


class OneWay(io.RawIOBase):
    """A file that cannot be sought in, as a pipe."""

    def __init__(self, file):
        self._file = file

    def writable(self):
        return True

    def write(self, content):
        return self._file.write(content)


@pytest.mark.parametrize("gop", [20, 120, 400])
def test_a_clip_of_a_matroska_file_without_an_index_holds_the_moment(tmp_path, gop):
    source = without_index(tmp_path / "a.mkv", 800, gop)
    for start_s in (2.0, 13.0, 31.0, 44.5, 71.0):
        clip = cut_clip(str(source), start_s, start_s + 3, tmp_path / f"clip-{start_s}")
        with av.open(str(clip.path)) as container:
            shown = [number_of(frame.to_image()) for frame in container.decode(video=0)]
        assert shown[0] / 10 == pytest.approx(clip.start_s, abs=0.06)
        assert clip.start_s <= start_s + 1e-3
        assert {round(10 * start_s), round(10 * start_s) + 25} <= set(shown)


def test_a_clip_after_the_end_is_an_error(tmp_path):
    source = film(tmp_path / "a.mp4", ("red", 2))
    with pytest.raises(InputError, match=r"it has no picture at 60\.0 s; it ends at 2\.0 s"):
        cut_clip(str(source), 60.0, 63.0, tmp_path / "clip")
    assert not (tmp_path / "clip.mp4").exists()


def test_a_clip_after_a_join_holds_the_moment(tmp_path):
    one = film(tmp_path / "one.ts", ("red", 4), ("blue", 4))
    (tmp_path / "all.ts").write_bytes(one.read_bytes() + film(tmp_path / "two.ts", ("green", 4)).read_bytes())
    clip = cut_clip(str(tmp_path / "all.ts"), 9.0, 11.0, tmp_path / "clip")
    assert clip.start_s == 9
    assert colour_at(clip.path, 0.5) == "green"


def test_a_copy_holds_the_same_pictures_bit_by_bit(tmp_path):
    source = film(tmp_path / "a.mkv", ("red", 2), ("blue", 2))
    clip = cut_clip(str(source), 0.0, 4.0, tmp_path / "clip")
    left, right = (list(frames(path, Every(seconds=0.25))) for path in (source, clip.path))
    assert [frame.time_s for frame in left] == pytest.approx([frame.time_s for frame in right], abs=2e-3)
    assert all(np.array_equal(one.image, other.image) for one, other in zip(left, right, strict=True))


def test_where_the_key_frame_is_far_back_the_clip_is_encoded_and_begins_where_asked(tmp_path, monkeypatch):
    source = film(tmp_path / "a.mp4", ("red", 4), ("blue", 4))
    monkeypatch.setattr(clips, "LEAD_IN_S", 0.0)
    clip = cut_clip(str(source), 3.0, 6.0, tmp_path / "clip")
    assert not clip.is_copy
    assert clip.start_s == pytest.approx(3.0)
    assert [path.name for path in tmp_path.glob("clip*")] == ["clip.mp4"]
    assert colour_at(clip.path, 0.5) == "red"
    assert colour_at(clip.path, 2.5) == "blue"


def test_a_codec_without_an_mp4_goes_into_another_container(tmp_path):
    source = tmp_path / "a.avi"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("mjpeg", rate=4)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for colour in ("red", "blue") * 4:
            container.mux(stream.encode(av.VideoFrame.from_image(Image.new("RGB", (64, 48), COLOURS[colour]))))
        container.mux(stream.encode(None))
    clip = cut_clip(str(source), 0.5, 1.5, tmp_path / "clip")
    assert (clip.path.suffix, clip.is_copy) == (".mkv", True)
    assert num_key_frames(clip.path) == 4


def test_an_animation_becomes_a_video(tmp_path):
    pictures = [Image.new("RGB", (48, 48), COLOURS[colour]) for colour in ("red", "blue")]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=1000)
    clip = cut_clip(str(tmp_path / "a.gif"), 0.0, 2.0, tmp_path / "clip")
    assert (clip.path.suffix, clip.is_copy) == (".mp4", False)
    assert colour_at(clip.path, 1.5) == "blue"


def test_a_copy_is_turned_as_the_video_is(tmp_path):
    source = tmp_path / "a.mp4"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=4)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.set_display_rotation(90)
        for _ in range(12):
            container.mux(stream.encode(av.VideoFrame.from_image(Image.new("RGB", (64, 48), COLOURS["red"]))))
        container.mux(stream.encode(None))
    assert read_info(source).rotation_deg in (90, 270)
    clip = cut_clip(str(source), 0.0, 2.0, tmp_path / "clip")
    assert clip.is_copy
    assert read_info(clip.path).rotation_deg == read_info(source).rotation_deg


def test_sound_goes_along_with_a_copy(tmp_path):
    source = tmp_path / "a.mp4"
    with av.open(str(source), "w") as container:
        video, sound = container.add_stream("libx264", rate=4), container.add_stream("aac", rate=16000)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for number in range(16):
            container.mux(video.encode(av.VideoFrame.from_image(Image.new("RGB", (64, 48), COLOURS["red"]))))
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 4000), np.float32), format="fltp", layout="mono")
            samples.sample_rate, samples.pts = 16000, 4000 * number
            container.mux(sound.encode(samples))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))
    clip = cut_clip(str(source), 0.0, 2.0, tmp_path / "clip")
    with av.open(str(clip.path)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        seconds = sum(frame.samples for frame in container.decode(audio=0)) / 16000
    assert seconds == pytest.approx(2.0, abs=0.2)


def test_what_is_no_video_gives_no_clip_and_a_reason(tmp_path):
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(InputError):
        cut_clip(str(tmp_path / "a.mp4"), 0, 1, tmp_path / "clip")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4"]


def hit(path, **fields):
    return Hit(**{"path": str(path), "score": 0.25, "id": 1, **fields})


def test_an_export_has_clips_pictures_a_sheet_subtitles_and_numbers(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    first = film(tmp_path / "one" / "a.mp4", ("red", 6), ("blue", 6))
    second = film(tmp_path / "two" / "a.mp4", ("green", 6))
    picture = paint(tmp_path / "p.png", (255, 0, 0))
    hits = [
        hit(first, id=1, start_s=6.0, end_s=12.0, time_s=8.0),
        hit(picture, id=2),
        hit(second, id=3, start_s=1.0, end_s=2.0, time_s=1.0),
        hit(first, id=4, start_s=0.0, end_s=1.0, time_s=0.0),
        hit(tmp_path / "gone.png", id=5),
    ]
    done = export(hits, tmp_path / "out", query="a <blue> thing")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        *("01-a.mp4", "02-p.png", "03-a.mp4", "04-a.mp4"),  # two files of one name stay apart
        *("01-a.vtt", "03-a.vtt", "sheet.png", "hits.json"),
    }
    assert {path.name for path in done.files} == names
    assert [line.partition(": ")[0] for line in done.problems] == [str(tmp_path / "gone.png")]
    record = json.loads((tmp_path / "out" / "hits.json").read_text())
    assert record["query"] == "a <blue> thing"
    assert [entry.get("file") for entry in record["hits"]] == ["01-a.mp4", "02-p.png", "03-a.mp4", "04-a.mp4", None]
    assert record["hits"][0]["start_s"] == 6.0
    assert "problem" in record["hits"][4]
    text = (tmp_path / "out" / "01-a.vtt").read_text()
    assert re.findall(r"(\S+) --> (\S+)\n(.*)", text) == [
        ("00:00:00.000", "00:00:01.000", "0.250 a &lt;blue&gt; thing"),
        ("00:00:06.000", "00:00:12.000", "0.250 a &lt;blue&gt; thing"),
    ]
    with Image.open(tmp_path / "out" / "sheet.png") as sheet:
        blue = np.asarray(sheet.convert("RGB"), float)[20:160, 200:340].mean((0, 1))  # the second place: the first hit
    assert blue[2] > blue[0] + 100
    # A range of a second is widened, so that there is something to look at.
    assert read_info(tmp_path / "out" / "03-a.mp4").duration_s >= 3.5


def test_an_export_never_mixes_with_another(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    with pytest.raises(UsageError, match=r"out is not empty; name a new folder"):
        export([hit(tmp_path / "a.png")], tmp_path / "out", query="x")
    with pytest.raises(UsageError, match="there are no hits to export"):
        export([], tmp_path / "new", query="x")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written"):
        export([hit(tmp_path / "a.png")], tmp_path / "file", query="x")


def test_subtitles_begin_as_the_format_asks_and_no_cue_is_empty():
    cues = webvtt([hit("a", start_s=3725.5, end_s=3725.5, time_s=3725.5)], query="two\nlines")
    assert cues == "WEBVTT\n\n01:02:05.500 --> 01:02:05.501\n0.250 two lines\n"


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00.0"), (7.46, "0:07.5"), (59.96, "1:00.0"), (3723, "1:02:03.0")])
def test_a_time_is_shown_as_a_player_shows_it(seconds, text):
    assert clock(seconds) == text
