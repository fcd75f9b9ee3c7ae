"""Reading video: damaged files, turned ones, high dynamic range, animations, and what is no video."""

import gc
import os
import struct
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from videos import number_of, numbered, write_video

from seesay.base.errors import InputError, UsageError
from seesay.inputs.video import (
    At,
    Every,
    Frame,
    KeyFrames,
    Shots,
    Uniform,
    color_histogram,
    find_cuts,
    frames,
    hdr,
    is_video,
    map_frames,
    read_info,
)

TIMES = [40 * number for number in range(100)]
EACH = Every(seconds=0.2, slack_s=0.0)


def timed(frame: Frame) -> tuple[float, int]:
    return frame.time_s, number_of(frame.image)


def read(path: Path, sampling=EACH) -> tuple[list[tuple[float, int]], list[str]]:
    problems: list[str] = []
    return [timed(frame) for frame in frames(path, sampling, on_error=problems.append)], problems


def read_in_spans(path: Path) -> tuple[list[tuple[float, int]], list[str]]:
    problems: list[str] = []
    return list(map_frames(timed, path, EACH, on_error=problems.append)), problems


def place_of(path: Path, time_s: float) -> tuple[int, int]:
    """Where the packet of the picture at a time lies, and its size, in bytes."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        first = min(packet.pts for packet in packets)
        return next((p.pos, p.size) for p in packets if abs((p.pts - first) * p.time_base - time_s) < 0.001)


def with_index_first(source: Path, path: Path) -> Path:
    with av.open(str(source)) as whole, av.open(str(path), "w", options={"movflags": "faststart"}) as copy:
        stream = copy.add_stream_from_template(whole.streams.video[0])
        for packet in whole.demux(video=0):
            if packet.size:
                packet.stream = stream
                copy.mux(packet)
    return path


@pytest.mark.parametrize(("codec", "suffix"), [("libx264", "mp4"), ("libx265", "mp4"), ("libvpx-vp9", "webm")])
def test_a_corrupt_packet_costs_what_refers_to_it_and_nothing_else(
    tmp_path: Path, codec: str, suffix: str, monkeypatch
) -> None:
    path = write_video(tmp_path / f"whole.{suffix}", TIMES, codec=codec)
    whole, problems = read(path)
    assert not problems
    content = bytearray(path.read_bytes())
    start, size = place_of(path, 1.6)  # number 40, which is wanted
    content[start + size // 3 : start + size] = b"\xa5" * (size - size // 3)
    path.write_bytes(content)
    found, problems = read(path)
    assert len(problems) >= 1
    assert "damaged" in problems[0]
    # groups are of 12 pictures: 36 to 47, and at most the reordered ones before
    sound = [(time_s, number) for time_s, number in whole if not 33 <= number < 48]
    assert [frame for frame in found if not 33 <= round(frame[0] / 0.04) < 48] == sound
    monkeypatch.setattr("seesay.inputs.video.spans.SPAN_S", 0.5)
    in_spans, problems_in_spans = read_in_spans(path)
    assert in_spans == found
    assert len(problems_in_spans) == len(problems)  # with several threads FFmpeg tells of a packet with a later one


@pytest.mark.parametrize(("codec", "suffix"), [("libx264", "mkv"), ("libvpx-vp9", "webm"), ("libx264", "flv")])
def test_a_file_cut_short_gives_what_it_holds_and_says_so(tmp_path: Path, codec: str, suffix: str, monkeypatch) -> None:
    path = write_video(tmp_path / f"cut.{suffix}", TIMES, codec=codec)
    whole, _ = read(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    found, problems = read(path)
    assert 5 < len(found) < len(whole)
    assert found[:-1] == whole[: len(found) - 1]
    assert any("cut short: its pictures end at" in problem for problem in problems)
    monkeypatch.setattr("seesay.inputs.video.spans.SPAN_S", 0.5)
    assert read_in_spans(path) == (found, problems)


def test_an_mp4_that_lost_its_end_gives_what_it_holds(tmp_path: Path, monkeypatch) -> None:
    path = with_index_first(write_video(tmp_path / "whole.mp4", TIMES), tmp_path / "cut.mp4")
    whole, _ = read(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    found, problems = read(path)
    assert 5 < len(found) < len(whole)
    assert problems
    monkeypatch.setattr("seesay.inputs.video.spans.SPAN_S", 0.5)
    in_spans, problems_in_spans = read_in_spans(path)
    num_sound = len(found) - 1  # whether half of the last picture is shown depends on the number of FFmpeg's threads
    assert in_spans[:num_sound] == found[:num_sound]
    assert len(in_spans) - num_sound in (0, 1, 2)
    assert problems_in_spans


def test_without_a_sound_picture_the_two_threads_say_so_too(tmp_path: Path, monkeypatch) -> None:
    path = write_video(tmp_path / "broken.mp4", TIMES)
    content = bytearray(path.read_bytes())
    start, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    content[start:end] = bytes(end - start)
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        read(path)
    monkeypatch.setattr("seesay.inputs.video.spans.SPAN_S", 0.5)
    with pytest.raises(InputError, match="damaged"):
        read_in_spans(path)


def test_who_takes_no_more_frames_stops_the_threads(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("seesay.inputs.video.spans.SPAN_S", 0.5)
    path = write_video(tmp_path / "long.mp4", TIMES)
    found = map_frames(timed, path, EACH, num_ahead=1)
    assert next(found) == (0.0, 0)
    names = [thread.name for thread in threading.enumerate()]
    assert sum(name.startswith("seesay-decode") for name in names) == 2
    found.close()
    assert not any(thread.name.startswith("seesay-decode") for thread in threading.enumerate())


def test_a_recording_without_its_index_is_an_error_that_says_so(tmp_path: Path) -> None:
    path = write_video(tmp_path / "cut.mp4", TIMES)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    with pytest.raises(InputError, match=r"cut short.*index"):
        read(path)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("text.mp4", b"hello " * 100, "not a video"),
        ("empty.mp4", b"", "empty"),
        ("list.mp4", b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nwhole.ts\n#EXT-X-ENDLIST\n", "not a video"),
    ],
)
def test_what_is_no_video_is_an_error(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    write_video(tmp_path / "whole.ts", TIMES[:10])
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=reason):
        list(frames(tmp_path / name, EACH))
    with pytest.raises(InputError):
        read_info(tmp_path / name)


def test_a_missing_file_and_a_folder_are_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "none.mp4", tmp_path):
        with pytest.raises(InputError):
            read_info(path)


def test_a_name_may_hold_a_colon_or_be_no_text(tmp_path: Path) -> None:
    content = write_video(tmp_path / "a.mp4", TIMES[:10]).read_bytes()
    for name in (b"a:b.mp4", b"caf\xe9.mp4"):
        path = os.fsencode(tmp_path) + b"/" + name
        Path(os.fsdecode(path)).write_bytes(content)
        assert [number for _, number in read(Path(os.fsdecode(path)))[0]] == [0, 5]


@pytest.mark.parametrize(("angle", "clockwise"), [(0, 0), (90, 270), (180, 180), (270, 90)])
def test_a_turned_video_comes_upright(tmp_path: Path, angle: int, clockwise: int) -> None:
    path = write_video(tmp_path / "turned.mp4", TIMES[:5], rotation_deg=angle)
    info = read_info(path)
    image = next(frames(path, EACH)).image
    assert info.rotation_deg == clockwise
    assert (info.width_px, info.height_px) == image.size == ((96, 160) if angle % 180 else (160, 96))
    first = next(frames(path, At((0.04,)))).image
    assert number_of(first.rotate(clockwise, expand=True)) == 1


def test_a_short_video_gives_its_pictures(tmp_path: Path) -> None:
    path = write_video(tmp_path / "short.mp4", TIMES[:2])
    assert [number for _, number in read(path, Every(seconds=60.0))[0]] == [0, 1]
    assert [number for _, number in read(path, KeyFrames())[0]] == [0, 1]
    assert [number for _, number in read(path, Uniform(count=4))[0]] == [0, 0, 1, 1]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi", "webm"])
def test_a_video_shorter_than_a_step_gives_its_first_middle_and_last_picture(tmp_path: Path, suffix: str) -> None:
    codec = {"avi": "mpeg4", "webm": "libvpx-vp9"}.get(suffix, "libx264")
    path = write_video(tmp_path / f"short.{suffix}", range(9), codec=codec, time_base=Fraction(1, 25))
    for sampling in (Every(seconds=1.0), Every(seconds=0.5, slack_s=0.0), KeyFrames()):
        assert [number for _, number in read(path, sampling)[0]] == [0, 4, 8]
        assert [number_of(frame.image) for frame in frames(path, sampling, from_s=0.1)] == [4, 8]
        assert list(map_frames(lambda frame: number_of(frame.image), path, sampling)) == [0, 4, 8]


def test_a_declared_length_that_is_too_short_is_not_believed(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.flv", TIMES)
    content = bytearray(path.read_bytes())
    place = content.index(b"duration") + 9  # a double follows the type
    content[place : place + 8] = struct.pack(">d", 0.4)
    path.write_bytes(content)
    assert read_info(path).duration_s == pytest.approx(0.4, abs=0.1)
    assert [number for _, number in read(path, Every(seconds=1.0))[0]][:4] == [0, 36, 60, 84]


@pytest.mark.parametrize(("codec", "suffix"), [("mpeg4", "avi"), ("libx264", "avi"), ("libx264", "h264")])
def test_containers_without_times_are_read_at_their_rate(tmp_path: Path, codec: str, suffix: str) -> None:
    path = write_video(tmp_path / f"a.{suffix}", range(60), time_base=Fraction(1, 25), codec=codec)
    found, _ = read(path)
    assert found == [(pytest.approx(0.2 * step), 5 * step) for step in range(12)]
    assert [number for _, number in read(path, Uniform(count=4))[0]] == [7, 22, 37, 52]
    assert [frame.time_s for frame in frames(path, EACH, from_s=1.0)] == [time_s for time_s, _ in found if time_s >= 1]


def test_uniform_takes_the_middle_of_each_part(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", TIMES)
    assert [number for _, number in read(path, Uniform(count=4))[0]] == [12, 37, 62, 87]


def test_key_frames_are_the_encoders_and_gaps_are_filled(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", TIMES, gop=30)
    assert [number for _, number in read(path, KeyFrames())[0]] == [0, 30, 60, 90]
    assert [number for _, number in read(path, KeyFrames(at_most_s=0.6, at_least_s=0.1))[0]] == [
        0, 15, 30, 45, 60, 75, 90,
    ]  # fmt: skip
    each = write_video(tmp_path / "each.mp4", TIMES, gop=1)
    assert [number for _, number in read(each, KeyFrames(at_least_s=1.0))[0]] == [0, 25, 50, 75]


def test_a_picture_comes_at_twice_the_models_size_with_square_pixels(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", TIMES[:3])
    assert next(frames(path, EACH, size_px=20)).image.size == (67, 40)
    assert next(frames(path, EACH, size_px=224)).image.size == (160, 96)


def write_greys(path: Path, light: np.ndarray, curve: str) -> None:
    """10-bit HEVC, one bar for each of some lights in cd/m2."""
    codes = (64 + 876 * hdr.light_to_pq(light)).round().astype(np.uint16)
    colors = f"log-level=none:colorprim=bt2020:transfer={curve}:colormatrix=bt2020nc:range=limited"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx265", rate=25, options={"crf": "4", "x265-params": colors})
        stream.width, stream.height, stream.pix_fmt = 32 * len(light), 64, "yuv420p10le"
        frame = av.VideoFrame(stream.width, 64, "yuv420p10le")
        for plane, row in zip(frame.planes, (np.repeat(codes, 32), *[np.full(16 * len(light), 512)] * 2), strict=True):
            values = np.zeros((plane.height, plane.line_size // 2), np.uint16)
            values[:, : len(row)] = row
            plane.update(values.tobytes())
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


def test_hdr_greys_come_out_as_the_tone_curve_says(tmp_path: Path) -> None:
    light = np.array([0.0, 10.0, 50.0, 100.0, 203.0, 1000.0, 4000.0])
    write_greys(tmp_path / "pq.mp4", light, "smpte2084")
    assert read_info(tmp_path / "pq.mp4").is_hdr
    pixels = np.asarray(next(frames(tmp_path / "pq.mp4", EACH)).image, int)[32, 16::32]
    assert np.ptp(pixels, axis=1).max() <= 1  # greys stay grey
    # below the knee 203 cd/m2 is white: sRGB of 10/203 is 62, of 50/203 is 135; above, it rolls off to white at 1000
    np.testing.assert_allclose(pixels[:3, 0], [0, 62, 135], atol=1)
    assert (np.diff(pixels[:6, 0]) > 10).all()
    assert pixels[-2:].min() == 255


@pytest.mark.parametrize("curve", ["pq", "hlg", "sdr"])
def test_light_is_monotone_and_ends_at_black_and_white(curve: hdr.Curve) -> None:
    steps = np.repeat(np.linspace(0, 65535, 500).astype(np.uint16)[None, :, None], 3, axis=2)
    greys = hdr.to_srgb(steps, curve=curve, gamut="bt2020").astype(int)
    assert (np.diff(greys[0, :, 1]) >= 0).all()
    assert np.ptp(greys, axis=2).max() <= 1
    assert greys[0, 0].max() == 0
    assert greys[0, -1].min() >= 254


def test_ordinary_range_in_wide_colours_keeps_its_greys() -> None:
    greys = np.repeat((np.arange(256) * 257).astype(np.uint16)[None, :, None], 3, axis=2)
    np.testing.assert_allclose(hdr.to_srgb(greys, curve="sdr", gamut="bt2020")[0, :, 1], np.arange(256), atol=1)


def save_animation(path: Path, lengths_ms: list[int]) -> Path:
    pictures = [Image.fromarray(numbered(number)) for number in range(len(lengths_ms))]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=lengths_ms, loop=0)
    return path


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_an_animation_is_a_short_video(tmp_path: Path, suffix: str) -> None:
    path = save_animation(tmp_path / f"a.{suffix}", [100, 300, 50, 250, 100])
    assert is_video(path)
    found, _ = read(path, Every(seconds=0.2, slack_s=0.0))
    assert (
        found
        == [(0.0, 0), (pytest.approx(0.1), 1), (pytest.approx(0.4), 2), (pytest.approx(0.45), 3), (0.7, 4)][
            : len(found)
        ]
    )
    assert len(found) >= 4
    assert [number for _, number in read(path, Uniform(count=2))[0]] == [1, 3]
    assert [number for _, number in read(path, At((0.0, 0.0, 9.0)))[0]] == [0, 0, 4]
    assert read_info(path).duration_s == pytest.approx(0.8)
    assert [frame.time_s for frame in frames(path, EACH, from_s=0.3)] == [
        time_s for time_s, _ in found if time_s >= 0.3
    ]


def test_pictures_and_other_files_are_no_videos(tmp_path: Path) -> None:
    Image.fromarray(numbered(1)).save(tmp_path / "still.gif")
    (tmp_path / "broken.gif").write_bytes(b"GIF89a")
    assert is_video(tmp_path / "film.MP4")
    for name in ("still.gif", "broken.gif", "none.webp", "photo.jpg"):
        assert not is_video(tmp_path / name)


def scenes(lengths: list[int]) -> Callable[[Path], Path]:
    colors = [(200, 30, 30), (20, 60, 200), (30, 180, 40), (230, 230, 40)]

    def write(path: Path) -> Path:
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            for length, color in zip(lengths, colors, strict=False):
                for _ in range(length):
                    frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), color, np.uint8), "rgb24")
                    container.mux(stream.encode(frame.reformat(format="yuv420p")))
            container.mux(stream.encode(None))
        return path

    return write


def test_shots_give_the_middle_of_each_and_long_ones_several(tmp_path: Path) -> None:
    path = scenes([50, 75, 100])(tmp_path / "scenes.mp4")
    sampling = Shots(every_s=0.2, at_most_s=10.0)
    found = [frame.time_s for frame in frames(path, sampling)]
    assert len(found) == 3
    spans = [frame.shot_s for frame in frames(path, sampling)]
    assert [span[0] for span in spans] == [0.0] + [span[1] for span in spans[:-1]]
    assert spans[-1][1] is None
    for time_s, middle_s in zip(found, (1.0, 3.5, 7.0), strict=True):
        assert abs(time_s - middle_s) < 0.5
    assert [frame.time_s for frame in frames(path, sampling, from_s=3.0)] == found[1:]
    assert len(list(frames(path, Shots(every_s=0.2, at_most_s=1.0)))) == 9


def test_a_cut_shows_in_the_colours_or_in_the_vectors() -> None:
    red, blue = Image.new("RGB", (64, 48), (200, 20, 20)), Image.new("RGB", (64, 48), (20, 20, 200))
    histograms = np.stack([color_histogram(image) for image in (red, red, blue, blue)])
    np.testing.assert_allclose(histograms.sum(axis=1), 1, atol=1e-5)
    assert find_cuts(histograms).tolist() == [True, False, True, False]
    same = np.stack([histograms[0]] * 3)
    vectors = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    assert find_cuts(same, vectors).tolist() == [True, False, True]
    assert find_cuts(same).tolist() == [True, False, False]
    assert find_cuts(histograms[:0]).tolist() == []
    with pytest.raises(UsageError, match="one vector a picture"):
        find_cuts(histograms, vectors)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Every(seconds=0),
        lambda: Every(seconds=1.0, slack_s=1.0),
        lambda: KeyFrames(at_most_s=-1),
        lambda: Shots(every_s=float("nan")),
        lambda: Uniform(count=0),
        lambda: At((2.0, 1.0)),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(UsageError, match="must be"):
        make()


def test_memory_does_not_wait_for_the_garbage_collector(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", TIMES, rotation_deg=90)
    gc.collect()
    gc.disable()
    try:
        most = 0
        for number, _ in enumerate(frames(path, Every(seconds=0.04, slack_s=0.0))):
            if number % 20 == 0:  # looking through all objects takes a quarter of a second
                most = max(most, sum(type(thing).__name__ == "VideoFrame" for thing in gc.get_objects()))
    finally:
        gc.enable()
    assert 0 < most < 20  # of 100
