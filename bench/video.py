"""How fast a 1080p film becomes vectors, beside clifs's way: OpenCV, every frame decoded and converted.

    python bench/video.py [--seconds 120] [--videos FOLDER] [--group 30 60 250]

The film is h264 at 30 frames a second, made here with x264's defaults from the clips in FOLDER (without one, from
drawings that move), once for each length of a group of pictures: 30 is what Android's recorder writes (a key frame a
second), 60 is common for streaming, 250 is x264's default. "x" is seconds of film a second. Limits: the starter takes
some 8 ms of one core a picture; FFmpeg decodes a 1080p frame in some 3 ms of one core (a key frame in 20), so decoding
all of 30 frames a second ends near 20x on two.
"""

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image, ImageDraw

import seesay
from seesay.encoders.encoder import Encoder
from seesay.inputs.video import Every, KeyFrames, Sampling, map_frames

RATE, BATCH = 30, 32
WIDTH, HEIGHT = 1920, 1080


def pictures(folder: Path | None) -> Iterator[av.VideoFrame]:
    """Endless frames of 1080p."""
    clips = sorted(folder.iterdir()) if folder else []
    clouds = Image.effect_noise((WIDTH // 4, HEIGHT // 8), 60).convert("RGB").resize((2 * WIDTH, HEIGHT))
    for number in itertools.count():
        if not clips:
            left = number * 5 % WIDTH  # a pan: noise of its own in every picture made 28 Mbit/s, ten times a film's
            image = clouds.crop((left, 0, left + WIDTH, HEIGHT))
            draw = ImageDraw.Draw(image)
            draw.ellipse((number * 7 % WIDTH, 300, number * 7 % WIDTH + 400, 700), fill=(200, number % 256, 60))
            yield av.VideoFrame.from_ndarray(np.asarray(image), "rgb24")
            continue
        with av.open(str(clips[number % len(clips)])) as clip:
            for frame in clip.decode(video=0):
                yield frame.reformat(WIDTH, HEIGHT, "yuv420p", interpolation="BICUBIC")


def make_film(path: Path, folder: Path | None, *, seconds: int, group: int) -> None:
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=RATE, options={"g": str(group)})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number, picture in enumerate(itertools.islice(pictures(folder), seconds * RATE)):
            frame = picture.reformat(format="yuv420p")
            frame.pts, frame.time_base, frame.pict_type = number, Fraction(1, RATE), 0
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))


def ours(path: Path, sampling: Sampling, encoder: Encoder | None) -> int:
    """Read in threads, as indexing does, and encode a batch at a time beside them."""
    if encoder is None:
        return sum(1 for _ in map_frames(lambda frame: frame.image, path, sampling, size_px=224))
    transform, num_vectors = encoder.transform, 0
    read = map_frames(lambda frame: transform(frame.image), path, sampling, size_px=transform.target_px)
    while pixels := list(itertools.islice(read, BATCH)):
        num_vectors += len(encoder.encode_pixels(np.stack(pixels)))
    return num_vectors


def clifs(path: Path, encoder: Encoder | None) -> int:
    """github.com/johanmodin/clifs, api/CLIFS: read every frame, keep each n-th, encode in batches."""
    film = cv2.VideoCapture(str(path))
    step = round(film.get(cv2.CAP_PROP_FPS))
    num_vectors, number = 0, 0
    kept: list[Image.Image] = []
    is_there, frame = film.read()
    while is_there:
        if number % step == 0:
            kept.append(Image.fromarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)))
        number += 1
        is_there, frame = film.read()
        if kept and (len(kept) == BATCH or not is_there):
            num_vectors += len(encoder.encode_images(kept)) if encoder else len(kept)
            kept = []
    return num_vectors


def measure(title: str, seconds: int, work: Callable[[], int]) -> None:
    """Print the better of two runs."""
    taken = []
    for _ in range(2):
        begun, cpu = time.perf_counter(), time.process_time()
        num = work()
        taken.append((time.perf_counter() - begun, time.process_time() - cpu))
    wall, cpu = min(taken)
    print(
        f"{title:44s} {num:4d} pictures  {seconds / wall:6.1f}x  {1000 * cpu / seconds:6.1f} ms CPU a second",
        flush=True,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--videos", type=Path)
    parser.add_argument("--group", type=int, nargs="+", default=[30, 60, 250])
    options = parser.parse_args(arguments)
    encoder = seesay.load()
    print(f"{os.cpu_count()} cores, PyAV {av.__version__}, OpenCV {cv2.__version__}, {encoder.id}")
    with tempfile.TemporaryDirectory() as folder:
        for group in options.group:
            path = Path(folder) / f"{group}.mp4"
            make_film(path, options.videos, seconds=options.seconds, group=group)
            print(f"\na key frame every {group} frames, {path.stat().st_size * 8e-6 / options.seconds:.1f} Mbit/s")
            for model, name in ((None, "pictures"), (encoder, "vectors")):
                for sampling, title in (
                    (KeyFrames(), "key frames"),
                    (Every(seconds=1.0), "1 a second"),
                    (Every(seconds=1.0, slack_s=0.0), "1 a second, exactly on it"),
                ):
                    measure(f"seesay, {title}, {name}", options.seconds, lambda: ours(path, sampling, model))
                measure(f"clifs's way, 1 a second, {name}", options.seconds, lambda: clifs(path, model))


if __name__ == "__main__":
    main()
