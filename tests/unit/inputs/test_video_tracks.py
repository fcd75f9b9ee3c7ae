"""Which film of a file is read: the one that players choose, each of several, and the one inside a photograph."""

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from videos import number_of, numbered, write_video

from seesay.base.errors import InputError
from seesay.inputs.video import At, Every, film_inside, frames, map_frames, read_info

RATE = 10


def write_tracks(path: Path, firsts: list[int], *, num_pictures: int = 30, cover: str = "") -> Path:
    """One film for each number, whose pictures count from it; in front of them a still picture, if asked for."""
    with av.open(str(path), "w") as out:
        stills = [out.add_stream(cover, rate=1)] if cover else []
        for still in stills:
            still.width, still.height = 640, 640
            still.pix_fmt = "rgb24" if cover == "png" else "yuvj420p"
        films = [out.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "g": "5"}) for _ in firsts]
        for film in films:
            film.width, film.height, film.pix_fmt = 160, 96, "yuv420p"
        for still in stills:
            white = av.VideoFrame.from_ndarray(np.full((640, 640, 3), 255, np.uint8), "rgb24")
            out.mux(still.encode(white.reformat(format=still.pix_fmt)))
            out.mux(still.encode(None))
        for number in range(num_pictures):
            for film, first in zip(films, firsts, strict=True):
                frame = av.VideoFrame.from_ndarray(numbered(first + number), "rgb24").reformat(format="yuv420p")
                frame.pts, frame.time_base = number, Fraction(1, RATE)
                out.mux(film.encode(frame))
        for film in films:
            out.mux(film.encode(None))
    return path


def numbers(path: Path, **options) -> list[int]:
    return [number_of(frame.image) for frame in frames(path, Every(seconds=1.0, slack_s=0.0), **options)]


@pytest.mark.parametrize(("cover", "suffix"), [("mjpeg", "mkv"), ("mjpeg", "mp4"), ("png", "mov")])
def test_a_still_in_front_of_a_film_is_not_taken_for_it(tmp_path: Path, cover: str, suffix: str) -> None:
    path = write_tracks(tmp_path / f"a.{suffix}", [0], cover=cover)
    with av.open(str(path)) as container:
        assert [stream.codec_context.name for stream in container.streams.video] == [cover, "h264"]
    assert numbers(path) == [0, 10, 20]
    info = read_info(path)
    assert (info.codec, info.num_tracks, info.width_px) == ("h264", 1, 160)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_each_track_is_read_at_its_own_times(tmp_path: Path, suffix: str, monkeypatch) -> None:
    path = write_tracks(tmp_path / f"two.{suffix}", [0, 500])
    assert read_info(path).num_tracks == 2
    assert numbers(path) == [0, 10, 20]
    assert numbers(path, track=1) == [500, 510, 520]
    assert numbers(path, track=1, from_s=1.0) == [510, 520]
    monkeypatch.setattr("seesay.inputs.video.spans.SPAN_S", 1.0)
    monkeypatch.setattr("seesay.inputs.video.reading._SEEK_APART_S", 0.1)
    found = map_frames(lambda frame: number_of(frame.image), path, Every(seconds=1.0, slack_s=0.0), track=1)
    assert list(found) == [500, 510, 520]
    assert [number_of(frame.image) for frame in frames(path, At((2.5,)), track=1)] == [525]


def test_a_track_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    path = write_tracks(tmp_path / "one.mp4", [0])
    with pytest.raises(InputError, match="the file has no video track 2"):
        numbers(path, track=1)


def jpeg() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(file, "JPEG")
    return file.getvalue()


def box(kind: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + kind + content


HEIC = box(b"ftyp", b"heic\0\0\0\0mif1heic") + box(b"meta", bytes(40)) + box(b"mdat", bytes(100))
PHOTOGRAPHS = {
    "google.jpg": lambda film: jpeg() + film,
    "samsung.JPEG": lambda film: jpeg() + b"MotionPhoto_Data" + film + b"SEFH" + bytes(20) + b"SEFT",
    "google.heic": lambda film: HEIC + box(b"mpvd", film),
    "samsung.heic": lambda film: HEIC + b"MotionPhoto_Data" + film + b"SEFT",
}


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_the_film_inside_a_photograph_is_read(tmp_path: Path, name: str) -> None:
    film = write_video(tmp_path / "film.mp4", [100 * number for number in range(20)])
    path = tmp_path / name
    path.write_bytes(PHOTOGRAPHS[name](film.read_bytes()))
    place = film_inside(path)
    assert place is not None
    assert path.read_bytes()[place.start : place.start + place.size] == film.read_bytes()
    assert numbers(path) == numbers(film) == [0, 10]
    assert read_info(path).duration_s == read_info(film).duration_s


def test_photographs_without_a_film_have_none(tmp_path: Path) -> None:
    for name, content in {
        "plain.jpg": jpeg(),
        "words.jpg": jpeg() + b"\0\0\0\x20ftypisom" + bytes(100),
        "plain.heic": HEIC,
        "still.jpg": jpeg() + HEIC,
        "empty.jpg": b"",
        "a.mp4": jpeg(),
    }.items():
        (tmp_path / name).write_bytes(content)
        assert film_inside(tmp_path / name) is None, name
