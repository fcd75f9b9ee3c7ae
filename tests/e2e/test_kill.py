"""Killed at any moment, an index run loses at most the batch in flight, and the next one goes on."""

import os
import random
import signal
import sqlite3
import subprocess
import time
from contextlib import closing

import numpy as np
from painting import paint
from program import SEESAY

NUM_PICTURES = 1280
NUM_KILLS = 20


def content(folder):
    query = (
        "SELECT files.name, digest, kind, models.name, vector FROM files JOIN items ON file_id = files.id "
        "JOIN vectors ON item_id = items.id JOIN models ON models.id = model_id ORDER BY files.name"
    )
    with closing(sqlite3.connect(folder / "library.sqlite")) as db:
        return db.execute(query).fetchall()


def num_done(folder):
    if not (folder / "library.sqlite").exists():
        return 0
    with closing(sqlite3.connect(folder / "library.sqlite", timeout=30)) as db:
        is_made = db.execute("PRAGMA user_version").fetchone()[0]
        return db.execute("SELECT count(*) FROM files").fetchone()[0] if is_made else 0


def wait(run, library, num_before, *, for_s):
    """Until something is committed, and no longer than that."""
    end = time.monotonic() + for_s
    while num_done(library) == num_before and time.monotonic() < end:
        assert run.poll() is None, "it ended before it was killed: more pictures are needed"
        time.sleep(0.002)


def test_twenty_kills_at_random_moments_leave_the_library_of_one_run_that_was_never_killed(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(NUM_PICTURES):
        paint(photos / f"{number:04}.png", (number % 256, number // 256 * 60, 99))
    (photos / "bad.png").write_text("no picture")
    clock = random.Random(0)

    def start(library):
        environment = {**os.environ, "SEESAY_LIBRARY": str(tmp_path / library)}
        return subprocess.Popen(
            [SEESAY, "index", photos], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    began = time.monotonic()
    whole = start("whole")
    while num_done(tmp_path / "whole") == 0:
        assert whole.poll() is None
        time.sleep(0.002)
    first_s = time.monotonic() - began
    assert whole.wait(240) == 0
    batch_s = (time.monotonic() - began - first_s) / (NUM_PICTURES / 32)

    counts = [0]
    for number in range(NUM_KILLS):
        run = start("killed")
        has_committed = number % 2 == 1
        if has_committed:
            wait(run, tmp_path / "killed", counts[-1], for_s=240)
        # While it starts, makes the library or looks through the folder; or at any moment between two commits. On a
        # machine that has become faster a commit ends the wait, so that twenty kills never use up the pictures.
        longest_s = clock.uniform(0, batch_s if has_committed else first_s)
        wait(run, tmp_path / "killed", num_done(tmp_path / "killed"), for_s=longest_s)
        run.send_signal(signal.SIGKILL)
        run.wait()
        counts.append(num_done(tmp_path / "killed"))
    assert counts == sorted(counts), "a kill took back what was committed"
    assert 0 < counts[-1] < NUM_PICTURES

    last = start("killed")
    assert last.wait(120) == 0
    left, right = content(tmp_path / "killed"), content(tmp_path / "whole")
    assert len(left) == len(right) == NUM_PICTURES
    assert [row[:4] for row in left] == [row[:4] for row in right]
    vectors = [np.array([np.frombuffer(row[4], "<f2") for row in rows], np.float32) for rows in (left, right)]
    # Batches were cut elsewhere, which moves the last bits of float32, and float16 rounds at 5e-4 of a value.
    np.testing.assert_allclose(vectors[0], vectors[1], atol=5e-4)
