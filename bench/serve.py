"""What the service carries: requests a second and how long each waits, with batching and without.

    python bench/serve.py [--items 10000] [--seconds 5] [--clients 1 8 32]

The service runs in a process of its own, over a library of random vectors. Clients are threads of this process with a
connection each; each asks, waits for the answer, and asks again, never the same text twice. Both processes share the
machine's cores, so what clients cost is part of the figures. Ratios travel between machines, milliseconds do not.
"""

import argparse
import base64
import http.client
import io
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seesay.encoders import load
from seesay.search.matrix import Matrix
from seesay.search.rows import FilePart, NewItem
from seesay.search.store import Store

WORDS = ("red", "old", "small", "dog", "beach", "snow", "car", "tree", "house", "river", "child", "boat", "cat", "road")
SERVER = """
import sys
from pathlib import Path
import uvicorn
from seesay.cli.serve import _listen
from seesay.serve.app import create_app
from seesay.serve.settings import Settings
settings = Settings(library=Path(sys.argv[1]), batch_size=int(sys.argv[2]), port=0)
listening = _listen(settings.host, 0)
print(listening.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(create_app(settings), log_level="warning", access_log=False)).run(sockets=[listening])
"""


class Request(NamedTuple):
    """One request."""

    method: str
    path: str
    body: bytes = b""


class Result(NamedTuple):
    """What one row of the table says."""

    per_s: float
    p50_ms: float
    p99_ms: float
    failed: int


def fill(folder: Path, rows_NE: NDArray[np.float32], model: str) -> None:
    """A library with made-up vectors, one file each."""
    store = Store(folder)
    store.set_model(model, rows_NE.shape[1])
    store.put(
        [
            FilePart(
                path=b"/photos/%09d.jpg" % number,
                size_bytes=1,
                mtime_ns=1,
                digest=number.to_bytes(16, "big"),
                items=(NewItem(vector=row_E),),
            )
            for number, row_E in enumerate(rows_NE)
        ]
    )
    with store.snapshot():
        Matrix.of(store)
    store.close()


@contextmanager
def serving(library: Path, batch_size: int) -> Iterator[int]:
    """A service in a process of its own; gives its port once the model is warm."""
    command = [sys.executable, "-c", SERVER, str(library), str(batch_size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            while ask(http.client.HTTPConnection("127.0.0.1", port), Request("GET", "/readyz")) != 200:
                time.sleep(0.1)
            yield port
        finally:
            process.terminate()


def ask(connection: http.client.HTTPConnection, request: Request) -> int:
    """Send, read the whole answer, and give its status."""
    headers = {"Content-Type": "application/json"} if request.body else {}
    connection.request(request.method, request.path, request.body or None, headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def measure(port: int, make: Callable[[int], Request], *, clients: int, seconds: float) -> Result:
    """So many clients for so long; a warm-up of a fifth of it does not count."""
    numbers = itertools.count()
    took_s: list[float] = []
    failed = 0
    begin = time.perf_counter() + seconds / 5
    end = begin + seconds

    def client() -> None:
        nonlocal failed
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while (sent := time.perf_counter()) < end:
            status = ask(connection, make(next(numbers)))
            answered = time.perf_counter()
            if begin <= answered < end:
                took_s.append(answered - sent)
                failed += status != 200

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(took_s) < 2:
        return Result(len(took_s) / seconds, float("nan"), float("nan"), failed)
    centiles = statistics.quantiles(took_s, n=100)
    return Result(len(took_s) / seconds, 1000 * centiles[49], 1000 * centiles[98], failed)


def sentence(number: int) -> str:
    """A text of six words that no other number has."""
    return f"{' '.join(WORDS[number // len(WORDS) ** place % len(WORDS)] for place in range(5))} {number}"


def make_pictures(count: int = 32) -> list[str]:
    """Photographs' kind of content, 640 x 480, as data: URLs."""
    random = np.random.default_rng(0)
    urls = []
    for _ in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (8, 10, 3), dtype=np.uint8))
        out = io.BytesIO()
        coarse.resize((640, 480), Image.Resampling.BICUBIC).save(out, "JPEG", quality=85)
        urls.append("data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode())
    return urls


def main() -> None:
    """All kinds of requests, with batching and without."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 8, 32])
    arguments = parser.parse_args()
    encoder = load()
    pictures = make_pictures()

    def embed(given: str) -> Request:
        return Request("POST", "/v1/embeddings", json.dumps({"input": given, "encoding_format": "base64"}).encode())

    kinds: dict[str, Callable[[int], Request]] = {
        "search, text": lambda number: Request("GET", f"/api/search?weak=1&limit=20&q={quote(sentence(number))}"),
        "embed a text": lambda number: embed(sentence(number)),
        "embed a picture": lambda number: embed(pictures[number % len(pictures)]),
    }
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    print(f"{encoder.id}, {arguments.items:,} items, {os.cpu_count()} cores, OMP_NUM_THREADS {threads}")
    print(f"{'':<18}{'batch':>6}{'clients':>9}{'a second':>10}{'p50 ms':>9}{'p99 ms':>9}{'failed':>8}")
    with tempfile.TemporaryDirectory() as folder:
        rows_NE = np.random.default_rng(0).standard_normal((arguments.items, encoder.dim), dtype=np.float32)
        fill(Path(folder), rows_NE / np.linalg.norm(rows_NE, axis=1, keepdims=True), encoder.id)
        for batch_size in (1, 32):
            with serving(Path(folder), batch_size) as port:
                for kind, make in kinds.items():
                    for clients in arguments.clients:
                        result = measure(port, make, clients=clients, seconds=arguments.seconds)
                        print(
                            f"{kind:<18}{batch_size:>6}{clients:>9}{result.per_s:>10.1f}{result.p50_ms:>9.1f}"
                            f"{result.p99_ms:>9.1f}{result.failed:>8}"
                        )


if __name__ == "__main__":
    main()
