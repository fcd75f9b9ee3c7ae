"""What indexing and searching cost, in one run, beside a plain NumPy product and faiss-cpu.

    python bench/search.py [--sizes 10000 100000 1000000]

Limits: a query reads N x E x 2 bytes (float16), so 1M x 512 is 1 GB of memory traffic; float32 rows are twice that.
Decoding a 12-megapixel JPEG whole is ~180 ms of one core; at an eighth of the size ~40 ms.
Times are medians. Ratios travel between machines, seconds do not.
"""

import argparse
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

import seesay
from seesay.encoders import load
from seesay.inputs.transform import load_pixels
from seesay.search.matrix import Matrix
from seesay.search.rows import FilePart, NewItem
from seesay.search.store import Store

DIM = 512
TOP = 10
COLD = """
import json, sys, time
begun = time.perf_counter()
from pathlib import Path
import numpy as np
from seesay.search.matrix import Matrix
from seesay.search.store import Store
store = Store(Path(sys.argv[1]), create=False)
with store.snapshot():
    ids, scores = Matrix.of(store).top(np.load(sys.argv[2]), limit=10)
    rows = store.items.rows(ids.tolist())
took = time.perf_counter() - begun
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(json.dumps({"took_s": took, "peak_mb": int(status["VmHWM"].split()[0]) / 1024}))
"""


def median_ms(work: Callable[[], Any], times: int = 7) -> float:
    """Median milliseconds of a call, after one that does not count."""
    work()
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken) * 1000


def make_jpeg(width: int, height: int, seed: int) -> bytes:
    """A JPEG with a photograph's kind of content: smooth, with detail on top."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (height // 64 + 1, width // 64 + 1, 3), dtype=np.uint8))
    noise = Image.effect_noise((width, height), 40).convert("RGB").filter(ImageFilter.GaussianBlur(1))
    picture = Image.blend(coarse.resize((width, height), Image.Resampling.BICUBIC), noise, 0.3)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def bench_indexing(folder: Path) -> None:
    """Pictures a second: decode alone, model alone, and the whole `seesay index`."""
    encoder = load()
    print(f"\nindexing, {encoder.id}, {os.cpu_count()} cores")
    print(f"{'pictures':<22}{'decode/s (1 core)':>18}{'model/s':>10}{'index/s':>10}{'peak MB':>9}")
    for name, width, height, count in (("500 x 375", 500, 375, 400), ("12 MP (4000 x 3000)", 4000, 3000, 96)):
        photos = folder / name.replace(" ", "")
        photos.mkdir()
        for number in range(count):
            (photos / f"{number}.jpg").write_bytes(
                make_jpeg(width, height, number % 8) + bytes([number % 256, number // 256])
            )
        paths = sorted(photos.iterdir())[:32]
        decode = 32 / median_ms(lambda: [load_pixels(path, encoder.transform) for path in paths], 3) * 1000
        pixels = np.stack([load_pixels(path, encoder.transform) for path in paths])
        model = 32 / median_ms(lambda: encoder.encode_pixels(pixels), 5) * 1000
        begun = time.perf_counter()
        command = [sys.executable, "-m", "seesay", "index", str(photos), "--library", str(folder / f"lib{width}")]
        subprocess.run(command, check=True, capture_output=True)
        whole = count / (time.perf_counter() - begun)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"{name:<22}{decode:>18.0f}{model:>10.0f}{whole:>10.0f}{peak:>9.0f}")


def fill(folder: Path, rows: NDArray[np.float32], model: str) -> None:
    """A library with made-up vectors, one file each."""
    store = Store(folder)
    store.set_model(model, rows.shape[1])
    for start in range(0, len(rows), 10_000):
        store.put(
            [
                FilePart(
                    path=b"/photos/%03d/%09d.jpg" % (number % 1000, number),
                    size_bytes=1,
                    mtime_ns=1,
                    digest=number.to_bytes(16, "big"),
                    items=(NewItem(vector=rows[number]),),
                )
                for number in range(start, min(start + 10_000, len(rows)))
            ]
        )
    with store.snapshot():
        Matrix.of(store)
    store.close()


def bench_queries(folder: Path, sizes: list[int]) -> None:
    """One query, warm and from a new process, with the same answer from all three."""
    print(f"\none query, top {TOP} of N x {DIM}, milliseconds; ratios to NumPy float32")
    head = ("seesay", "numpy", "faiss", "seesay/numpy", "seesay/faiss", "cold", "cold MB")
    print(f"{'N':>9}" + "".join(f"{name:>14}" for name in head))
    random = np.random.default_rng(0)
    query = random.standard_normal(DIM).astype(np.float32)
    query /= np.linalg.norm(query)
    np.save(folder / "query.npy", query)
    for size in sizes:
        rows = random.standard_normal((size, DIM), dtype=np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        place = folder / f"made-{size}"
        fill(place, rows, "made@0")
        ours, found = time_ours(place, query)
        plain = median_ms(lambda: np.argpartition(rows @ query, -TOP)[-TOP:])
        exact = set((np.argpartition(rows @ query, -TOP)[-TOP:] + 1).tolist())
        theirs = time_faiss(rows, query)
        cold = [cold_query(place, folder / "query.npy") for _ in range(5)]
        cold_ms = statistics.median(run["took_s"] for run in cold) * 1000
        peak = max(run["peak_mb"] for run in cold)
        figures = (f"{ours:.1f}", f"{plain:.1f}", f"{theirs:.1f}", f"{ours / plain:.2f}", f"{ours / theirs:.2f}")
        row = "".join(f"{figure:>14}" for figure in (*figures, f"{cold_ms:.0f}", f"{peak:.0f}"))
        print(f"{size:>9}{row}   {len(found & exact)} of {TOP} as in float32")


def time_ours(place: Path, query: NDArray[np.float32]) -> tuple[float, set[int]]:
    """Milliseconds of a warm query of ours, and the items it found."""
    store = Store(place)
    with store.snapshot():
        matrix = Matrix.of(store)
        took = median_ms(lambda: matrix.top(query, limit=TOP))
        found = set(matrix.top(query, limit=TOP)[0].tolist())
    store.close()
    return took, found


def time_faiss(rows: NDArray[np.float32], query: NDArray[np.float32]) -> float:
    """Milliseconds of faiss's exact search over the same rows."""
    index = faiss.IndexFlatIP(DIM)
    index.add(rows)
    return median_ms(lambda: index.search(query[None], TOP))


def cold_query(library: Path, query: Path) -> dict[str, float]:
    """A query in a new process, from its first import to its rows."""
    done = subprocess.run([sys.executable, "-c", COLD, library, query], check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def bench_command(folder: Path) -> None:
    """`seesay search "a dog"`: everything a user waits for, on 10,000 pictures."""
    encoder = load()
    rows = np.random.default_rng(0).standard_normal((10_000, encoder.dim), dtype=np.float32)
    fill(folder / "command", rows / np.linalg.norm(rows, axis=1, keepdims=True), encoder.id)
    command = [sys.executable, "-m", "seesay", "search", "a dog on a beach", "--library", str(folder / "command")]
    took = median_ms(lambda: subprocess.run(command, check=True, capture_output=True), 9)
    print(f'\n`seesay search "a dog on a beach"` on 10,000 pictures, whole process: {took:.0f} ms')


def main() -> None:
    """Run all of it in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    arguments = parser.parse_args()
    print(f"seesay {seesay.__version__}, numpy {np.__version__}, faiss {faiss.__version__}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        bench_command(Path(folder))
        bench_indexing(Path(folder))
        bench_queries(Path(folder), arguments.sizes)


if __name__ == "__main__":
    main()
