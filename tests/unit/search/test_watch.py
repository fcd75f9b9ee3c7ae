"""Following folders, with changes and a clock of our own; the real ones are in tests/e2e/test_video_cli.py."""

import os
import shutil

import pytest
from encoders import COLOURS
from painting import paint

from seesay.base.errors import LibraryBusyError
from seesay.search import mounts as mounting
from seesay.search import watch as watching
from seesay.search.index import Summary
from seesay.search.watch import LOOK_EVERY_S, SETTLE_S, Watch, watch


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def state(library, photos, clock):
    """A library of `photos` that has had its first look."""
    library.add(photos)
    state = Watch(library, library.roots(), clock=clock)
    assert state.work() == Summary(unchanged=len(COLOURS))
    return state


def wait(clock):
    clock.now += SETTLE_S


def test_a_new_file_is_read_once_it_is_quiet(state, library, photos, clock):
    path = str(paint(photos / "new.png", (200, 0, 0)))
    state.note({path})
    clock.now += SETTLE_S / 2
    state.note({path})  # it is still being written
    clock.now += SETTLE_S / 2
    assert state.work() is None
    wait(clock)
    assert state.work() == Summary(added=1)
    assert state.work() is None
    assert len(library) == len(COLOURS) + 1


def test_a_renamed_file_and_a_renamed_folder_keep_their_vectors(state, library, photos, clock, encoder):
    before = encoder.num_pixels
    (photos / "red.png").rename(photos / "renamed.png")
    state.note({str(photos / "red.png"), str(photos / "renamed.png")})
    wait(clock)
    assert state.work() == Summary(moved=1)
    (photos / "old").mkdir()
    (photos / "blue.png").rename(photos / "old" / "blue.png")
    (photos / "old").rename(photos / "new")
    state.note({str(photos / name) for name in ("blue.png", "old", "new")})
    wait(clock)
    assert state.work() == Summary(moved=1)
    assert encoder.num_pixels == before
    assert library.search("red", limit=1)[0].path == str(photos / "renamed.png")
    assert library.search("blue", limit=1)[0].path == str(photos / "new" / "blue.png")


def test_removed_files_and_folders_are_forgotten(state, library, photos, clock):
    (photos / "trip").mkdir()
    shutil.copy(photos / "red.png", photos / "trip" / "again.png")
    state.note({str(photos / "trip")})
    wait(clock)
    assert state.work() == Summary(added=1)
    shutil.rmtree(photos / "trip")
    (photos / "green.png").unlink()
    state.note({str(photos / "trip"), str(photos / "trip" / "again.png"), str(photos / "green.png")})
    wait(clock)
    assert state.work() == Summary(removed=2)
    assert library.num_files() == len(COLOURS) - 1


def test_what_indexing_passes_over_is_passed_over_here(state, library, photos, clock, tmp_path):
    (photos / ".cache").mkdir()
    (photos / "notes.txt").write_text("words")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (photos / "link").symlink_to(elsewhere)
    paths = [paint(photos / ".cache" / "a.png", (1, 1, 1)), paint(photos / ".b.png", (2, 2, 2)), photos / "notes.txt"]
    paths += [photos / "link", photos / "link" / "c.png", paint(elsewhere / "c.png", (3, 3, 3))]
    state.note({str(path) for path in paths})
    wait(clock)
    assert state.work() is None
    assert library.num_files() == len(COLOURS)


def test_what_a_rule_leaves_out_wakes_nobody(state, library, photos, clock):
    (photos / "@eaDir").mkdir()
    state.note({str(photos / "@eaDir"), str(paint(photos / "@eaDir" / "thumb.png", (1, 1, 1)))})
    wait(clock)
    assert state.work() is None
    assert library.forget(photos / "red.png") == 1
    state.note({str(photos / "red.png")})
    wait(clock)
    assert state.work() is None


def test_a_new_rule_is_followed_at_once(state, library, photos, clock):
    (photos / "trip").mkdir()
    paint(photos / "trip" / "one.png", (1, 2, 3))
    library.add()
    ignore = photos / ".ignore"
    ignore.write_text("trip\n")
    state.note({str(ignore)})
    wait(clock)
    assert state.work() == Summary(unchanged=len(COLOURS), excluded=1)
    ignore.unlink()
    state.note({str(ignore)})
    wait(clock)
    assert state.work() == Summary(unchanged=len(COLOURS), added=1)


def test_a_drive_that_comes_or_goes_is_looked_at_at_once(library, photos, clock, monkeypatch):
    library.add(photos)
    top = mounting.read_mountinfo() or b"1 0 8:1 / / rw - ext4 /dev/root rw\n"
    number = next(line.split()[0] for line in top.splitlines() if line.split()[4] == b"/")
    begun = []

    def source(roots):
        begun.append(list(roots))
        yield set()
        if len(begun) == 1:
            drive = b"9001 %s 0:99 / %s rw - nfs4 nas:/ rw\n" % (number, os.fsencode(photos))
            monkeypatch.setattr(mounting, "read_mountinfo", lambda: top + drive)
            paint(photos / "far.png", (0, 0, 200))
            yield set()

    summaries = list(watch(library, source=source, clock=clock))
    assert summaries == [Summary(unchanged=len(COLOURS)), Summary(added=1, unchanged=len(COLOURS))]
    assert begun == [[str(photos)]] * 2  # the system watches the folder that was there before


def test_a_burst_is_one_walk(state, library, photos, clock, monkeypatch):
    monkeypatch.setattr(watching, "BURST", 10)
    asked = []
    refresh = library.refresh
    monkeypatch.setattr(library, "refresh", lambda *paths, **options: asked.append(paths) or refresh(*paths, **options))
    for number in range(40):
        paint(photos / f"{number}.png", (number, 99, 0))
    state.note({str(photos / f"{number}.png") for number in range(40)})
    wait(clock)
    assert state.work() == Summary(added=40, unchanged=len(COLOURS))
    assert asked == [(str(photos),)]


def test_another_writer_is_waited_for(state, library, photos, clock, monkeypatch):
    def refuse(*paths, **options):
        raise LibraryBusyError("another process is writing")

    path = str(paint(photos / "new.png", (200, 0, 0)))
    state.note({path})
    wait(clock)
    with monkeypatch.context() as patched:
        patched.setattr(library, "refresh", refuse)
        assert state.work() is None
    assert state.work() == Summary(added=1)


def test_now_and_then_everything_is_looked_through(state, library, photos, clock):
    paint(photos / "silent.png", (200, 0, 0))  # on a drive that tells nothing
    clock.now += LOOK_EVERY_S
    assert state.work() == Summary(added=1, unchanged=len(COLOURS))


def test_refreshing_asks_for_nothing_new(library, photos):
    library.add(photos)
    paint(photos / "new.png", (200, 0, 0))
    assert library.refresh(photos / "new.png") == Summary(added=1)
    assert library.roots() == [str(photos)]


def test_what_happened_before_the_watch_began_is_seen_at_its_first_look(library, photos, tmp_path, clock):
    drive = tmp_path / "drive"
    drive.mkdir()
    library.add(photos, drive)
    drive.rmdir()
    paint(photos / "early.png", (200, 0, 0))
    watched = []

    def source(roots):
        watched.append(list(roots))
        yield set()
        drive.mkdir(exist_ok=True)
        paint(drive / "far.png", (0, 0, 200))
        clock.now += LOOK_EVERY_S
        yield set()

    summaries = watch(library, source=source, clock=clock)
    assert next(summaries) == Summary(added=1, unchanged=len(COLOURS))
    assert next(summaries).added == 1
    assert next(summaries) == Summary(unchanged=len(COLOURS) + 2)
    assert watched[0] == [str(photos)]
    assert watched[1] == [str(drive), str(photos)]
    assert os.fspath(drive) in library.roots()
