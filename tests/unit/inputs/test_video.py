"""Reading video: the pictures are the right ones and their times the container's."""

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from videos import number_of, write_video

from seesay.inputs.video import At, Every, KeyFrames, Sampling, frames, map_frames

MS = Fraction(1, 1000)
EARLY_S = 0.0006  # Matroska rounds to milliseconds

RATES = {
    "25": ([40 * n for n in range(90)], MS),
    "29.97": ([1001 * n for n in range(90)], Fraction(1, 30000)),
    "23.976": ([1001 * n for n in range(90)], Fraction(1, 24000)),
    "starts late": ([3456 + 40 * n for n in range(90)], MS),
    "variable": ([int(t) for t in np.cumsum(np.random.default_rng(0).choice([5, 20, 33, 50, 170], 90))], MS),
    "a long still": ([*range(0, 1000, 40), *range(9000, 11000, 40)], MS),
}
FILES = {
    "h264 mp4": ("libx264", "mp4", {}),
    "h264 mkv": ("libx264", "mkv", {}),
    "h264 ts": ("libx264", "ts", {}),
    "h264 open groups": ("libx264", "mp4", {"x264-params": "b-pyramid=normal:scenecut=0:open-gop=1"}),
    "h264 one group": ("libx264", "mp4", {"g": "1000"}),
    "hevc mp4": ("libx265", "mp4", {"tag": "hvc1"}),
    "vp9 webm": ("libvpx-vp9", "webm", {}),
    "av1 mp4": ("libsvtav1", "mp4", {}),
}
SAMPLINGS: list[Sampling] = [
    Every(seconds=0.5, slack_s=0.0),
    Every(seconds=0.3),
    KeyFrames(at_most_s=0.7, at_least_s=0.2),
]


def shown(seconds: np.ndarray, time_s: float) -> int:
    return max(0, int(np.searchsorted(seconds, time_s + EARLY_S, side="right")) - 1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory):
    """Makes each video once."""
    folder, known = tmp_path_factory.mktemp("videos"), {}

    def make(kind: str, rate: str) -> tuple[Path, np.ndarray]:
        if (kind, rate) not in known:
            codec, suffix, options = FILES[kind]
            ticks, base = RATES[rate]
            path = folder / f"{len(known)}.{suffix}"
            known[kind, rate] = write_video(path, ticks, time_base=base, codec=codec, options=options)
        ticks, base = RATES[rate]
        seconds = [(tick - ticks[0]) * base for tick in ticks]
        if FILES[kind][1] in ("mkv", "webm"):  # they keep milliseconds, halves rounded up
            seconds = [Fraction(math.floor(tick * base * 1000 + Fraction(1, 2)), 1000) for tick in ticks]
            seconds = [second - seconds[0] for second in seconds]
        return known[kind, rate], np.array([float(second) for second in seconds])

    return make


CASES = [("h264 mp4", rate) for rate in RATES] + [(kind, "variable") for kind in FILES if kind != "h264 mp4"]
CASES += [("h264 mkv", "29.97"), ("h264 ts", "starts late"), ("hevc mp4", "23.976"), ("vp9 webm", "a long still")]


@pytest.mark.parametrize(("kind", "rate"), CASES)
def test_a_picture_is_the_one_on_the_screen_and_has_the_containers_time(made, kind: str, rate: str) -> None:
    path, seconds = made(kind, rate)
    found = list(frames(path, Every(seconds=0.25, slack_s=0.0)))
    assert len(found) > 5
    for frame in found:
        assert frame.time_s == pytest.approx(seconds[number_of(frame.image)], abs=0.001)
    expected = list(dict.fromkeys(shown(seconds, 0.25 * step) for step in range(int(seconds[-1] / 0.25) + 1)))
    numbers = [number_of(frame.image) for frame in found]
    # how long the last picture stays is the muxer's matter
    assert numbers in (expected, [*expected, len(seconds) - 1])


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=str)
@pytest.mark.parametrize(("kind", "rate"), CASES)
def test_going_on_from_any_moment_gives_the_same_frames(
    made, kind: str, rate: str, sampling: Sampling, monkeypatch
) -> None:
    monkeypatch.setattr("seesay.inputs.video.reading._SEEK_APART_S", 0.1)
    path, _ = made(kind, rate)
    whole = [(frame.time_s, number_of(frame.image)) for frame in frames(path, sampling)]
    assert whole
    for from_s in (whole[1][0], whole[len(whole) // 2][0], whole[-1][0], whole[-2][0] + 0.01):
        rest = [(frame.time_s, number_of(frame.image)) for frame in frames(path, sampling, from_s=from_s)]
        assert rest == [frame for frame in whole if frame[0] >= from_s]


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=str)
@pytest.mark.parametrize(("kind", "rate"), CASES)
def test_read_in_spans_by_two_threads_the_frames_are_the_same(
    made, kind: str, rate: str, sampling: Sampling, monkeypatch
) -> None:
    monkeypatch.setattr("seesay.inputs.video.reading._SEEK_APART_S", 0.1)
    monkeypatch.setattr("seesay.inputs.video.spans.SPAN_S", 0.4)
    path, _ = made(kind, rate)
    whole = [(frame.time_s, number_of(frame.image)) for frame in frames(path, sampling)]
    problems: list[str] = []
    for from_s in (0.0, whole[1][0], whole[len(whole) // 2][0] + 0.01):
        found = map_frames(
            lambda frame: (frame.time_s, number_of(frame.image)),
            path,
            sampling,
            from_s=from_s,
            on_error=problems.append,
            num_ahead=2,
        )
        assert list(found) == [frame for frame in whole if frame[0] >= from_s]
    assert not problems


@pytest.mark.parametrize(("kind", "rate"), CASES)
def test_at_gives_what_is_shown_then_one_for_each_time(made, kind: str, rate: str, monkeypatch) -> None:
    monkeypatch.setattr("seesay.inputs.video.reading._SEEK_APART_S", 0.6)
    path, seconds = made(kind, rate)
    times_s = (0.0, 0.1, 0.1, 0.5, 1.3, 1.31, 2.2, float(seconds[-1]), 99.0)
    found = [number_of(frame.image) for frame in frames(path, At(times_s))]
    assert found == [shown(seconds, time_s) for time_s in times_s]
