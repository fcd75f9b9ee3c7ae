"""Recordings that were joined byte by byte: players go on with the second where the first ended."""

from fractions import Fraction
from pathlib import Path

import av
import pytest
from videos import number_of, numbered, write_video

from seesay.inputs.video import At, Every, frames, map_frames, read_info
from seesay.inputs.video.clock import Clock
from seesay.inputs.video.container import opened

TIMES = [40 * number for number in range(150)]  # six seconds
EXACT = Every(seconds=0.5, slack_s=0.0)


def seen(frame) -> tuple[float, int]:
    return round(frame.time_s, 3), number_of(frame.image)


@pytest.fixture(autouse=True)
def seek_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seesay.inputs.video.reading._SEEK_APART_S", 1.0)
    monkeypatch.setattr("seesay.inputs.video.spans.SPAN_S", 2.0)


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [("libx264", "ts"), ("libx265", "ts"), ("mpeg2video", "mpg"), ("libx264", "mkv"), ("libvpx-vp9", "webm")],
)
def test_after_the_join_times_go_on_and_nothing_is_lost(tmp_path: Path, codec: str, suffix: str) -> None:
    options = {"b": "2M"} if codec == "mpeg2video" else {}
    base = Fraction(1, 25) if codec == "mpeg2video" else Fraction(1, 1000)
    times = range(150) if codec == "mpeg2video" else TIMES
    one = write_video(tmp_path / f"one.{suffix}", times, codec=codec, options=options, time_base=base)
    path = tmp_path / f"all.{suffix}"
    path.write_bytes(2 * one.read_bytes())
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 300
    with av.open(str(one)) as container:
        decoded = [(frame.time, number_of(frame.to_image())) for frame in container.decode(video=0)]
    number_at = {round(time_s - decoded[0][0], 2): number for time_s, number in decoded}
    problems: list[str] = []
    found = [seen(frame) for frame in frames(path, EXACT, on_error=problems.append)]
    assert [time_s for time_s, _ in found] == pytest.approx([0.5 * step for step in range(24)], abs=0.041)
    assert [number for _, number in found[:12]] == [number_at[round(time_s, 2)] for time_s, _ in found[:12]]
    assert [number for _, number in found[12:]] == [number_at[round(time_s - 6, 2)] for time_s, _ in found[12:]]
    assert read_info(path).duration_s == pytest.approx(12, abs=0.05)
    assert list(map_frames(seen, path, EXACT, on_error=problems.append)) == found
    for from_s in (4.0, 8.3):
        rest = [seen(frame) for frame in frames(path, EXACT, from_s=from_s, on_error=problems.append)]
        assert rest == [one for one in found if one[0] >= from_s]
    at = [number_of(frame.image) for frame in frames(path, At((1.0, 7.0, 11.0)))]
    assert at == [found[2][1], found[14][1], found[22][1]]
    assert not problems


@pytest.mark.parametrize(("codec", "suffix"), [("libx264", "ts"), ("mpeg2video", "mpg")])
def test_of_a_large_stream_samples_tell_whether_it_was_joined(
    tmp_path: Path, codec: str, suffix: str, monkeypatch
) -> None:
    monkeypatch.setattr("seesay.inputs.video.joins._READ_BYTES", 0)
    one = write_video(tmp_path / f"one.{suffix}", range(150), codec=codec, time_base=Fraction(1, 25), options={})
    path = tmp_path / f"all.{suffix}"
    path.write_bytes(2 * one.read_bytes())
    with opened(one) as whole, opened(path) as joined:
        assert not whole.is_joined
        assert joined.is_joined
    assert read_info(path).duration_s == pytest.approx(12, abs=0.05)


def test_joined_avi_has_its_whole_length(tmp_path: Path) -> None:
    one = write_video(tmp_path / "one.avi", TIMES, codec="mpeg4", time_base=Fraction(1, 1000))
    path = tmp_path / "all.avi"
    path.write_bytes(2 * one.read_bytes())
    assert read_info(path).duration_s == pytest.approx(2 * read_info(one).duration_s, abs=0.1)
    assert len(list(frames(path, Every(seconds=1.0)))) == 2 * len(list(frames(one, Every(seconds=1.0))))


def shifted(source: Path, path: Path, from_s: float, by_s: float) -> Path:
    """The same packets, later by some seconds from a time on."""
    with av.open(str(source)) as whole, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(whole.streams.video[0])
        for packet in whole.demux(video=0):
            if packet.size:
                ticks = round(by_s / packet.time_base) if packet.dts * packet.time_base >= from_s else 0
                packet.pts, packet.dts, packet.stream = packet.pts + ticks, packet.dts + ticks, stream
                out.mux(packet)
    return path


@pytest.mark.parametrize(("by_s", "ends_s"), [(3600, 6), (7, 13)])
def test_a_leap_of_a_broadcast_is_closed_and_a_pause_stays(tmp_path: Path, by_s: float, ends_s: float) -> None:
    source = write_video(tmp_path / "whole.ts", TIMES)
    path = shifted(source, tmp_path / "leap.ts", 3.0, by_s)
    assert read_info(path).duration_s == pytest.approx(ends_s, abs=0.3)
    found = [seen(frame) for frame in frames(path, EXACT)]
    assert found[-1][1] == pytest.approx(137, abs=10)
    assert found[-1][0] == pytest.approx(ends_s - 0.5, abs=0.5)


def test_slides_in_a_broadcast_keep_their_times(tmp_path: Path) -> None:
    path = write_video(tmp_path / "slides.ts", [20_000 * number for number in range(5)], gop=1)
    assert [seen(frame) for frame in frames(path, At((0.0, 45.0, 61.0)))] == [(0, 0), (40, 2), (60, 3)]


def test_a_clock_that_wraps_at_33_bits_goes_on(tmp_path: Path) -> None:
    source = write_video(tmp_path / "whole.ts", TIMES)
    path = shifted(source, tmp_path / "wrap.ts", -1.0, 2**33 / 90_000 - 3)
    assert [seen(frame) for frame in frames(path, EXACT)] == [seen(frame) for frame in frames(source, EXACT)]


def test_one_wrong_time_does_not_move_what_comes_after_it() -> None:
    clock = Clock(Fraction(1, 1000), has_decode_times=True, closes_leaps=False)
    found = []
    for ticks in (50_000, 50_040, 3, 50_120, 50_160):
        packet = av.Packet(b"\0")
        packet.pts = packet.dts = ticks
        packet.time_base = Fraction(1, 1000)
        clock.set(packet)
        found.append(packet.pts)
    assert found[:2] == [50_000, 50_040]
    assert found[3:] == [50_120, 50_160]


def test_numbered_pictures_can_be_told_apart() -> None:
    assert number_of(av.VideoFrame.from_ndarray(numbered(137), "rgb24").to_image()) == 137
