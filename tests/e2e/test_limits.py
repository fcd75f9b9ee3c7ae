"""What one client may cost a running service: memory, the answers of others, the log, and files."""

import base64
import io
import json
import os
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import av
import numpy as np
import pytest
from PIL import Image
from serving import serving

MIB = 1 << 20


def post(address, path, body):
    """The status of an answer."""
    request = Request(address + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=60) as answer:
            return answer.status
    except HTTPError as error:
        return error.code


def rss(pid):
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


class Watching:
    """The most memory that a process takes meanwhile, and the longest that `/healthz` takes."""

    def __init__(self, process, address):
        self._pid, self._address = process.pid, address
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._memory), threading.Thread(target=self._health)]

    def __enter__(self):
        self.idle_bytes = self.peak_bytes = rss(self._pid)
        self.longest_s = 0.0
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _memory(self):
        while not self._is_over.wait(0.01):
            self.peak_bytes = max(self.peak_bytes, rss(self._pid))

    def _health(self):
        while not self._is_over.wait(0.05):
            began = time.monotonic()
            assert urlopen(f"{self._address}/healthz").status == 200
            self.longest_s = max(self.longest_s, time.monotonic() - began)


def wait_until_ready(address):
    for _ in range(200):
        try:
            urlopen(f"{address}/readyz").close()
            return
        except HTTPError:
            time.sleep(0.05)
    raise AssertionError("it is never ready")


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read in /proc")
def test_pictures_of_a_few_kilobytes_and_many_megapixels_take_no_more_memory_than_was_set_aside(run):
    out = io.BytesIO()
    Image.new("RGB", (8000, 5000), (1, 2, 3)).save(out, "WEBP", lossless=True)
    url = "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode()
    assert len(url) < 20_000
    asked = [
        *[("/v1/embeddings", {"input": [url]})] * 2,
        ("/api/classify", {"image": url, "labels": ["a", "b"]}),
        ("/api/search", {"terms": [{"image": url}] * 2}),
    ]
    with serving(run) as (process, address):
        wait_until_ready(address)
        with Watching(process, address) as watching, ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(lambda each: post(address, *each), asked))
        assert statuses == [200] * len(asked)
        assert watching.peak_bytes - watching.idle_bytes < 1000 * MIB
        assert watching.longest_s < 1
        assert rss(process.pid) - watching.idle_bytes < 300 * MIB  # and it is given back
        process.send_signal(signal.SIGTERM)
        assert len(process.communicate(timeout=20)[1]) < 1000


def far_key_frames(path):
    """A film whose only key frame is its first picture, and which is slow to encode."""
    noise = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), np.uint8)
    with av.open(str(path), "w") as container:
        options = {"preset": "ultrafast", "x264-params": "keyint=infinite:scenecut=0"}
        stream = container.add_stream("libx264", rate=2, options=options)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for number in range(2 * 45):
            picture = np.roll(noise, 8 * (number % 3), 1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def ask_for_clip(address, item):
    connection = socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), timeout=30)
    connection.sendall(f"GET /api/items/{item}/clip?start_s=16&end_s=44 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return connection


def cpu_s(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(sys.platform != "linux", reason="the time of a process is read in /proc")
def test_clips_are_cut_two_at_a_time_and_end_with_their_client_or_the_service(run, tmp_path):
    run.environment["TMPDIR"] = str(tmp_path / "temporary")
    (tmp_path / "temporary").mkdir()
    (tmp_path / "films").mkdir()
    far_key_frames(tmp_path / "films" / "a.mp4")
    run("index", str(tmp_path / "films"))
    with serving(run) as (process, address):
        wait_until_ready(address)
        with urlopen(f"{address}/api/search?q=a&weak=true") as answer:
            item = json.load(answer)["hits"][0]["id"]
        connections = [ask_for_clip(address, item) for _ in range(6)]
        time.sleep(1.0)
        refused = []
        for connection in connections:
            connection.setblocking(False)
            try:
                refused.append(connection.recv(2000))
            except BlockingIOError:
                continue
        assert len(refused) == 4
        assert all(answer.startswith(b"HTTP/1.1 503") and b"retry-after: 1" in answer.lower() for answer in refused)
        for connection in connections:
            connection.close()
        time.sleep(0.5)
        began_s = cpu_s(process.pid)
        time.sleep(1.0)
        assert cpu_s(process.pid) - began_s < 0.5  # encoding takes a second of each core
        assert not [path for path in (tmp_path / "temporary").rglob("*") if path.is_file()]

        with ask_for_clip(address, item) as waiting:
            time.sleep(0.5)
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert b"503" in waiting.recv(2000)[:15]
            process.communicate(timeout=20)
            assert time.monotonic() - began < 5
    assert list((tmp_path / "temporary").iterdir()) == []
