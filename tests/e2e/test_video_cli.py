"""Search in video as a user does it, through the real program and the shipped model."""

import json
import os
import signal
import sqlite3
import subprocess
import time
from contextlib import closing

import numpy as np
import pytest
from films import film
from painting import paint
from program import SEESAY


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    film(folder / "a.mp4", ("red", 3), ("blue", 3))
    film(folder / "b.mp4", ("green", 2), ("red", 2))
    return folder


def wait_for(condition, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def rows(library, query):
    if not (library / "library.sqlite").exists():
        return []
    with closing(sqlite3.connect(library / "library.sqlite", timeout=30)) as db:
        is_made = db.execute("PRAGMA user_version").fetchone()[0] >= 2
        return db.execute(query).fetchall() if is_made else []


def test_index_search_and_export(run, videos, photos, tmp_path):
    assert run("index", "videos", "photos").stdout.splitlines() == [
        "5 added, 0 changed, 0 moved, 0 removed, 0 unchanged, 0 failed",
        f"5 files in the library {tmp_path / 'library'}",
    ]
    found = [json.loads(line) for line in run("search", "photos/blue.png", "--json").stdout.splitlines()]
    assert found[0]["path"] == str(photos / "blue.png")
    (moment, *_) = [entry for entry in found if entry["kind"] == "moment"]
    assert moment["path"] == str(videos / "a.mp4")
    assert (moment["start_s"], moment["end_s"]) == (3, 6)
    assert set(moment) == {"path", "score", "kind", "id", "start_s", "end_s", "time_s"}

    line = run("search", "photos/blue.png", "--only", "video", "-n1").stdout.split("  ")
    assert line[1:3] == ["videos/a.mp4", "0:03.0-0:06.0"]
    assert run("search", "red", "--weak", "--paths", "--only", "video").stdout.splitlines() in (
        [str(videos / "a.mp4"), str(videos / "b.mp4")],
        [str(videos / "b.mp4"), str(videos / "a.mp4")],
    )
    late = run("search", "red", "--after", "2999-01-01", code=1).stderr
    assert late == "nothing in the library was taken or changed since 2999-01-01\n"
    assert run("search", "red", "--weak", "--before", "2999-01-01T12:00:00", "--after", "2001-01-01").stdout

    done = run("search", "photos/blue.png", "--only", "video", "-n", "2", "--export", "out")
    assert done.stderr == "6 files in out\n"
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"01-a.mp4", "01-a.vtt", "sheet.png", "hits.json"}
    assert "is not empty" in run("search", "red", "--weak", "--export", "out", code=2).stderr

    steps = ("photos/red.png", "then", "photos/blue.png", "--within", "5")
    (first, *_) = run("search", *steps, "--json").stdout.splitlines()
    entry = json.loads(first)
    assert entry["path"] == str(videos / "a.mp4")
    assert 0 < entry["steps_s"][1] - entry["steps_s"][0] <= 5
    assert ", then 0:0" in run("search", *steps).stdout


def test_how_finely_to_look_is_remembered(run, videos, tmp_path):
    run("index", "videos", "--every", "3", "--tiles")
    times = rows(tmp_path / "library", "SELECT DISTINCT name, start_s FROM items JOIN files ON files.id = file_id")
    assert len(times) == 4
    assert "2 unchanged" in run("index").stdout
    assert "2 changed" in run("index", "videos", "--keyframes").stdout


def test_killed_inside_a_long_video_the_next_run_goes_on_there(tmp_path):
    (tmp_path / "videos").mkdir()
    film(tmp_path / "videos" / "long.mp4", *[("red", 12), ("blue", 9), ("white", 3)] * 16, rate=1)
    query = "SELECT start_s, end_s, vector FROM items JOIN vectors ON item_id = items.id ORDER BY start_s"

    def start(library):
        environment = {**os.environ, "SEESAY_LIBRARY": str(tmp_path / library)}
        return subprocess.Popen(
            [SEESAY, "index", tmp_path / "videos"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    assert start("whole").wait(120) == 0
    counts = [0]
    for _ in range(2):
        run = start("killed")
        wait_for(lambda before=counts[-1]: len(rows(tmp_path / "killed", query)) > before)
        run.send_signal(signal.SIGKILL)
        run.wait()
        counts.append(len(rows(tmp_path / "killed", query)))
        ((position_s,),) = rows(tmp_path / "killed", "SELECT position_s FROM files")
        assert position_s == rows(tmp_path / "killed", "SELECT max(end_s) FROM items")[0][0]
    assert sorted(set(counts)) == counts, "a run began again at zero"
    assert counts[-1] < 384
    assert start("killed").wait(120) == 0
    left, right = (rows(tmp_path / name, query) for name in ("killed", "whole"))
    assert [row[:2] for row in left] == [row[:2] for row in right]
    assert len(left) == 384
    vectors = [np.array([np.frombuffer(row[2], "<f2") for row in each], np.float32) for each in (left, right)]
    # Batches were cut elsewhere, which moves the last bits of float32, and float16 rounds at 5e-4 of a value.
    np.testing.assert_allclose(vectors[0], vectors[1], atol=5e-4)


def test_watch_follows_a_folder_until_ctrl_c(run, photos, tmp_path):
    query = "SELECT name FROM files ORDER BY name"

    def names():
        return [name.decode() for (name,) in rows(tmp_path / "library", query)]

    with subprocess.Popen(
        [SEESAY, "watch", "photos"],
        cwd=tmp_path,
        env=run.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        wait_for(lambda: names() == ["blue.png", "green.png", "red.png"])
        time.sleep(1.0)
        paint(photos / "new.png", (200, 90, 0))
        (photos / "red.png").rename(photos / "renamed.png")
        (photos / "green.png").unlink()
        wait_for(lambda: names() == ["blue.png", "new.png", "renamed.png"])
        time.sleep(0.5)
        program.send_signal(signal.SIGINT)
        stdout, stderr = program.communicate(timeout=30)
    assert program.returncode == 0
    assert "1 added, 0 changed, 1 moved, 1 removed" in stdout
    assert stderr == "watching 1 place; Ctrl-C ends it\nno longer watching; what was done is kept\n"
