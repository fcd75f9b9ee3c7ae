"""Clips cost a client's request no more than was set aside for them, and nothing of them is left."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from films import film

from seesay.base.errors import InputError, UsageError
from seesay.search.clips import cut_clip
from seesay.search.rows import UNSEEN, Facts, ItemRow
from seesay.serve import cutting
from seesay.serve.batching import BusyError
from seesay.serve.cutting import Clips
from seesay.serve.settings import Budget


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return film(tmp_path_factory.mktemp("film") / "a.mp4", ("red", 4), ("blue", 4))


@pytest.fixture
def row(source):
    return row_of(source)


def row_of(path):
    facts = Facts(0, 0, UNSEEN)
    return ItemRow(id=1, file_id=1, path=os.fsencode(path), kind="moment", facts=facts, time_s=1.0)


def files_in(folder):
    return [path for path in Path(folder).rglob("*") if path.is_file()]


@contextlib.contextmanager
def clips_of(**limits):
    clips = Clips(Budget(**limits))
    try:
        yield clips
    finally:
        clips.close()


def slow(monkeypatch, entered, leave):
    """Cutting that waits at its first look whether to go on."""

    def cut(*args, check, **named):
        entered.release()
        while not leave.wait(0.01):
            check()
        return cut_clip(*args, check=check, **named)

    monkeypatch.setattr(cutting, "cut_clip", cut)


def test_the_clip_beyond_the_places_is_told_to_come_again_at_once(row, monkeypatch, temporary):
    entered, leave, made = threading.Semaphore(0), threading.Event(), []
    slow(monkeypatch, entered, leave)
    with clips_of(clips_at_once=2) as clips:
        threads = [threading.Thread(target=lambda: made.append(clips.cut(row, 0, 2))) for _ in range(2)]
        for thread in threads:
            thread.start()
            assert entered.acquire(timeout=10)
        began = time.monotonic()
        with pytest.raises(BusyError, match="2 clips are being cut already"):
            clips.cut(row, 0, 2)
        assert time.monotonic() - began < 1
        leave.set()
        for thread in threads:
            thread.join(20)
        assert sorted(path.parent for path in files_in(temporary)) == sorted(one.folder for one in made)
        clips.cut(row, 0, 2)  # the places are free again
    assert list(temporary.iterdir()) == []


def test_a_stopped_service_ends_its_clips_and_leaves_no_file(row, monkeypatch, temporary):
    entered, errors = threading.Semaphore(0), []
    slow(monkeypatch, entered, threading.Event())
    with clips_of() as clips:

        def cut():
            with pytest.raises(BusyError) as caught:
                clips.cut(row, 0, 2)
            errors.append(str(caught.value))

        thread = threading.Thread(target=cut)
        thread.start()
        assert entered.acquire(timeout=10)
        clips.stop()
        thread.join(5)
        assert not thread.is_alive()
        assert errors == ["the service is stopping; try again in a moment"]
        assert files_in(temporary) == []
    assert list(temporary.iterdir()) == []


def test_a_clip_that_takes_too_long_or_too_much_disk_is_refused_and_leaves_no_file(row, temporary):
    with clips_of(clip_work_s=0.0) as clips:
        with pytest.raises(InputError, match=r"was not ready after 0 s, .* ask for a shorter one"):
            clips.cut(row, 0, 2)
        assert files_in(temporary) == []
    with clips_of(clip_bytes=100) as clips:
        made = clips.cut(row, 0, 2)
        clips._next_look_s = 0.0
        with pytest.raises(BusyError, match=r"take more than the 0 MiB of disk"):
            clips.cut(row, 0, 2)
        assert files_in(temporary) == [made.path]
        shutil.rmtree(made.folder)
        clips._next_look_s = 0.0
        clips.cut(row, 0, 2)


def test_a_clip_is_as_long_as_it_may_be_and_not_longer(row):
    with clips_of(clip_s=3.0) as clips:
        assert clips.cut(row, 0, 3).path.stat().st_size > 0
        for start_s, end_s in ((0, 3.1), (2, 2), (3, 1)):
            with pytest.raises(UsageError, match="at most 3 s later"):
                clips.cut(row, start_s, end_s)


def test_what_no_clip_can_be_made_of_leaves_no_file(tmp_path, temporary):
    (tmp_path / "none.mp4").write_bytes(b"no film at all" * 100)
    with clips_of() as clips:
        with pytest.raises(InputError):
            clips.cut(row_of(tmp_path / "none.mp4"), 0, 2)
        assert files_in(temporary) == []


def test_a_part_of_a_file_is_copied_byte_for_byte(tmp_path, temporary):
    (tmp_path / "a.jpg").write_bytes(bytes(range(256)) * 20_000)
    with clips_of() as clips:
        made = clips.copy(str(tmp_path / "a.jpg"), 3, 3_000_000)
        assert made.path.read_bytes() == (tmp_path / "a.jpg").read_bytes()[3:3_000_003]
        with pytest.raises(InputError, match="the film inside it cannot be read: no such file"):
            clips.copy(str(tmp_path / "gone.jpg"), 0, 10)
        assert files_in(temporary) == [made.path]


def test_a_temporary_folder_without_room_is_said(row, monkeypatch, tmp_path):
    with clips_of() as clips:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "not there"))
        with pytest.raises(InputError, match=r"there is no room for a clip in .*: no such file"):
            clips.cut(row, 0, 2)


KILLED = """
import os, signal, sys, tempfile
tempfile.tempdir = sys.argv[1]
from seesay.serve.cutting import Clips
from seesay.serve.settings import Budget
clips = Clips(Budget())
clips.copy(sys.executable, 0, 1000)
print("made", flush=True)
sys.stdin.read(1)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="without flock nobody can tell what is in use")
def test_what_a_killed_service_left_goes_when_the_next_one_starts_and_nothing_else_does(temporary):
    others = [
        temporary / name for name in ("seesay-clips-1-notours_x", "seesay-clip-of-mine", "seesay-clips-12-abcdefgh")
    ]
    for folder in others:
        folder.mkdir(mode=0o755)
        (folder / "file").touch()
    outside = temporary.parent / "outside"
    outside.mkdir(mode=0o700)
    (outside / "file").touch()
    (temporary / "seesay-clips-13-abcdefgh").symlink_to(outside)
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(temporary)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"made\n"
        (used,) = temporary.glob(f"seesay-clips-{process.pid}-*")
        Clips(Budget()).close()
        assert files_in(used)  # it is in use
        process.communicate(b"x")
    Clips(Budget()).close()
    assert not used.exists()
    assert all((folder / "file").exists() for folder in [*others, outside])


def test_what_ends_the_work_ends_it_while_a_film_is_read_and_removes_half_of_a_clip(source, temporary):
    for num_checks in (0, 1, 5, 12):
        left = iter(range(num_checks))

        def check(left=left):
            if next(left, None) is None:
                raise KeyError("enough")

        with pytest.raises(KeyError, match="enough"):
            cut_clip(str(source), 1.0, 7.0, temporary / "clip", check=check)
        assert list(temporary.iterdir()) == []
