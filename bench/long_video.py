"""A two-hour file, indexed, killed half-way and resumed: what is done once is not done again, and memory stays flat.

    python bench/long_video.py FOLDER_OF_VIDEOS [--hours 2] [--work DIR] [--key-frames]

The file is made of the folder's H.264 videos of one size, one after the other until it is long enough, without
encoding anything. Prints wall times, the peak memory of the process that reads, and what six queries find in the file
and in the folder's own videos; the finds are drawn into contact sheets. Times depend on what else the machine does.
"""

import argparse
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import av
from av.bitstream import BitStreamFilterContext

from seesay.inputs.sheet import Tile, draw_sheet
from seesay.inputs.video import read_info
from seesay.search.hit import clock
from seesay.search.library import Library

QUERIES = ("a dog", "a cup of coffee", "milk", "a soccer ball", "people on a street", "a giraffe")


def concatenate(sources: list[Path], to: Path, *, seconds: float) -> None:
    """Copy packets of one video after the other into an MPEG stream, where each brings its own parameters."""
    with av.open(str(to), "w", format="mpegts") as out:
        stream = None
        began_s, number = 0.0, 0
        while began_s < seconds:
            with av.open(str(sources[number % len(sources)])) as container:
                video = container.streams.video[0]
                assert video.time_base is not None
                if stream is None:
                    stream = out.add_stream_from_template(video, opaque=True)
                to_stream = BitStreamFilterContext("h264_mp4toannexb", video)
                shift, end_s = round(began_s / video.time_base), 0.0
                for packet in container.demux(video):
                    if packet.size == 0:
                        continue
                    assert packet.pts is not None
                    end_s = max(end_s, float((packet.pts + (packet.duration or 0)) * video.time_base))
                    for part in to_stream.filter(packet):
                        part.pts = None if part.pts is None else part.pts + shift
                        part.dts = None if part.dts is None else part.dts + shift
                        part.stream = stream
                        out.mux(part)
            began_s += end_s
            number += 1


def position_s(library: Path) -> float:
    """How far the library has come in its only file; infinite when it is through."""
    if not (library / "library.sqlite").exists():
        return 0.0
    with closing(sqlite3.connect(library / "library.sqlite", timeout=30)) as db:
        if not db.execute("PRAGMA user_version").fetchone()[0]:
            return 0.0
        rows = db.execute("SELECT position_s FROM files").fetchall()
    return 0.0 if not rows else float("inf") if rows[0][0] is None else float(rows[0][0])


def index(path: Path, library: Path, *, kill_at_s: float | None, options: list[str]) -> tuple[float, float, float]:
    """Run `seesay index`; returns (wall seconds, peak MB, position when it ended)."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "seesay", "index", str(path), *options]
    environment = {**os.environ, "SEESAY_LIBRARY": str(library)}
    peak_mb = 0.0
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            status = Path(f"/proc/{process.pid}/status")
            lines = status.read_text().splitlines() if status.exists() else []
            peak_mb = max([peak_mb, *(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))])
            if kill_at_s is not None and position_s(library) >= kill_at_s:
                process.send_signal(signal.SIGKILL)
            time.sleep(0.2)
    return time.perf_counter() - begun, peak_mb, position_s(library)


def search(path: Path, library: Path, sheet: Path) -> None:
    """Search the file or the folder and draw what was found; of a query that nothing matches, that."""
    tiles: list[Tile] = []
    with Library.open(library, create=False) as opened:
        for query in QUERIES:
            begun = time.perf_counter()
            hits = opened.search(query, limit=5, under=path)
            print(f"{query:<26}{time.perf_counter() - begun:6.3f} s", end="")
            finds = [f"  {hit.score:.3f} {Path(hit.path).name} at {clock(hit.time_s or 0)}" for hit in hits[:3]]
            print("".join(finds) or "  nothing here matches")
            tiles.append(Tile(None, query))
            tiles += [
                Tile(opened.thumbnail(hit.id), f"{hit.score:.3f} {clock(hit.start_s or 0)}-{clock(hit.end_s or 0)}")
                for hit in hits
            ]
            tiles += [Tile(None)] * (5 - len(hits))
    draw_sheet(tiles, columns=6).save(sheet)


def main() -> None:
    """Make, index, kill, resume, search."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--work", type=Path, default=None)
    parser.add_argument("--key-frames", action="store_true")
    asked = parser.parse_args()
    work = asked.work or Path(tempfile.mkdtemp())
    work.mkdir(parents=True, exist_ok=True)
    path, library, seconds = work / "long.ts", work / "library", asked.hours * 3600
    infos = {source: read_info(source) for source in sorted(asked.folder.glob("*.mp4"))}
    largest = max(info.width_px for info in infos.values())
    sources = [source for source, info in infos.items() if info.codec == "h264" and info.width_px == largest]
    if not path.exists():
        concatenate(sources, path, seconds=seconds)
    info = read_info(path)
    print(f"{path}: {clock(info.duration_s)}, {info.width_px} x {info.height_px}, {path.stat().st_size / 1e6:.0f} MB")
    options = ["--keyframes"] if asked.key_frames else []
    took_s, peak_mb, reached_s = index(path, library, kill_at_s=seconds / 2, options=options)
    print(f"until killed  {took_s:7.1f} s wall, peak {peak_mb:.0f} MB, position {clock(reached_s)}")
    again_s, peak_mb, end_s = index(path, library, kill_at_s=None, options=options)
    assert end_s == float("inf"), "it did not come to the end"
    print(f"resumed       {again_s:7.1f} s wall, peak {peak_mb:.0f} MB, done")
    print(f"together {seconds / (took_s + again_s):.0f} times as fast as playing it")
    search(path, library, work / "sheet.png")
    took_s, peak_mb, _ = index(asked.folder, work / "clips", kill_at_s=None, options=options)
    print(f"{len(list(asked.folder.iterdir()))} videos of {asked.folder} in {took_s:.1f} s wall, peak {peak_mb:.0f} MB")
    search(asked.folder, work / "clips", work / "clips.png")


if __name__ == "__main__":
    main()
