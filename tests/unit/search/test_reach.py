"""Gone or only out of reach: real mounts in a namespace of their own, and what needs no rights to try."""

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from encoders import ColourEncoder
from painting import paint

from seesay.base.errors import UsageError
from seesay.search import mounts as mounting
from seesay.search.index import Summary
from seesay.search.library import Library
from seesay.search.store import DATABASE

TESTS = Path(__file__).parents[2]
MAY_MOUNT = (
    shutil.which("unshare") is not None
    and subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0
)
needs_mounts = pytest.mark.skipif(not MAY_MOUNT, reason="mounting needs root")


SCENARIOS = (
    "root_is_the_mount_point",
    "root_is_a_link_to_the_mount_point",
    "links_to_files_of_the_drive",
    "bind_mount_of_the_same_file_system",
    "bind_mount_of_the_folder_itself",
    "copied_while_it_is_away",
    "mount_below_the_root",
    "mount_above_the_root",
    "root_is_one_file",
    "another_drive_in_its_place",
    "deleted_by_hand",
    "watched",
)


def act(folder, *scenarios):
    """Play scenarios of mounting.py: of each [(counts, files that are out of reach), ...]."""
    done = subprocess.run(
        ["unshare", "-m", sys.executable, TESTS / "mounting.py", folder, *scenarios],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """All of them in one process, because starting takes longer than playing."""
    return act(tmp_path_factory.mktemp("drives"), *SCENARIOS)


def files(folder, *names):
    return sorted(f"{folder}/{place}" for name in names for place in (f"{name}.png", f"sub/{name}-below.png"))


@needs_mounts
@pytest.mark.parametrize(
    ("scenario", "folder"),
    [
        ("root_is_the_mount_point", "usb"),
        ("root_is_a_link_to_the_mount_point", "photos"),
        ("bind_mount_of_the_same_file_system", "usb"),
        ("mount_above_the_root", "usb/DCIM"),
    ],
)
def test_files_of_a_drive_that_is_not_mounted_stay_and_say_so(played, scenario, folder):
    first, *later = played[scenario]
    assert first == [{"added": 4}, []]
    assert later
    assert all(run == [{"out_of_reach": 4}, files(folder, "one", "two")] for run in later)


@needs_mounts
def test_links_to_a_drive_keep_their_vectors_until_the_links_are_removed(played):
    assert played["links_to_files_of_the_drive"] == [
        [{"added": 2}, []],
        [{"out_of_reach": 2}, ["links/one.png", "links/two.png"]],
        [{"removed": 1, "out_of_reach": 1}, ["links/two.png"]],
    ]


@needs_mounts
def test_a_folder_is_the_same_however_it_is_mounted(played):
    assert played["bind_mount_of_the_folder_itself"][1:] == [
        [{"unchanged": 4}, []],
        [{"removed": 1, "unchanged": 3}, []],
    ]


@needs_mounts
def test_files_that_are_away_and_found_elsewhere_are_copies(played):
    assert played["copied_while_it_is_away"][1:] == [
        [{"added": 4}, files("usb", "one", "two")],
        [{"unchanged": 4, "out_of_reach": 4}, files("usb", "one", "two")],
    ]


@needs_mounts
def test_beside_a_drive_that_is_away_a_removed_file_is_forgotten(played):
    assert played["mount_below_the_root"][1:] == [
        [{"unchanged": 1, "removed": 1, "out_of_reach": 4}, files("top/usb", "one", "two")]
    ]


@needs_mounts
def test_a_root_that_is_one_file_of_a_drive_stays(played):
    assert played["root_is_one_file"][1:] == [[{"out_of_reach": 1}, ["usb/one.png"]]]


@needs_mounts
def test_another_drive_in_its_place_removes_nothing(played):
    assert played["another_drive_in_its_place"][1:] == [
        [{"added": 2, "out_of_reach": 2}, files("usb", "one")],
        [{"unchanged": 2, "out_of_reach": 2}, files("usb", "one")],
    ]


@needs_mounts
def test_what_a_person_deletes_on_a_mounted_drive_is_forgotten(played):
    assert played["deleted_by_hand"][1:] == [[{"unchanged": 3, "removed": 1}, []], [{"removed": 3}, []]]


@needs_mounts
def test_watching_forgets_nothing_of_a_drive_that_is_pulled_out(played):
    assert played["watched"][1:] == [[{"unchanged": 4}, []], [{"out_of_reach": 4}, files("usb", "one", "two")]]


@needs_mounts
@pytest.mark.skipif(
    shutil.which("mkfs.ext4") is None or not Path("/dev/loop-control").exists(), reason="no drive to be made here"
)
def test_a_drive_is_known_again_and_its_files_move_with_it_to_another_place(tmp_path):
    assert act(tmp_path, "comes_back_elsewhere")["comes_back_elsewhere"][1:] == [
        [{"out_of_reach": 4}, files("usb", "one", "two")],
        [{"unchanged": 3, "removed": 1}, []],
        [{"moved": 3}, []],
    ]


# --- without mounting ---------------------------------------------------------------------------


@pytest.fixture
def mounted(monkeypatch):
    """Folders that the system says are mounts: {path: (type, source)}."""
    folders = {}
    real = mounting.read_mountinfo() or b"1 0 8:1 / / rw - ext4 /dev/root rw\n"
    top = next(line.split()[0] for line in real.splitlines() if line.split()[4] == b"/")

    def read():
        rows = [
            b"%d %s 0:%d / %s rw - %s %s rw" % (9000 + at, top, at, os.fsencode(path), kind.encode(), source.encode())
            for at, (path, (kind, source)) in enumerate(folders.items())
        ]
        return real + b"".join(row + b"\n" for row in rows)

    monkeypatch.setattr(mounting, "read_mountinfo", read)
    return folders


def empty(folder):
    for path in list(folder.iterdir()):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_a_share_whose_folder_is_empty_because_it_is_away_forgets_nothing(library, photos, mounted):
    mounted[photos] = ("nfs4", "nas:/photos")
    library.add(photos)
    del mounted[photos]
    empty(photos)
    assert library.add() == Summary(out_of_reach=5)
    assert all(hit.out_of_reach for hit in library.search("red"))
    assert library.search("red", limit=1)[0].to_dict()["out_of_reach"] is True


def test_a_summary_says_where_files_are_out_of_reach(library, photos, tmp_path, mounted):
    other = tmp_path / "other"
    other.mkdir()
    paint(other / "one.png", (9, 9, 200))
    mounted[photos] = ("nfs4", "nas:/photos")
    library.add(photos, other)
    del mounted[photos]
    empty(photos)
    other.rename(tmp_path / "renamed")
    assert library.add().places == {str(photos): 5, str(other): 1}


def test_files_of_a_share_that_is_mounted_are_not_looked_at_by_a_search(library, photos, mounted, monkeypatch):
    mounted[photos] = ("nfs4", "nas:/photos")
    library.add(photos)
    ask = {name: getattr(os, name) for name in ("stat", "lstat", "readlink", "open", "statvfs")}

    def guard(name):
        def asked(path, *rest, **options):
            if isinstance(path, (str, bytes, os.PathLike)) and os.fsencode(path).startswith(os.fsencode(photos)):
                pytest.fail(f"{name} of {path} may wait for ever")
            return ask[name](path, *rest, **options)

        return asked

    for name in ask:
        monkeypatch.setattr(os, name, guard(name))
    hits = library.search("red")
    assert len(hits) == 5
    assert not any(hit.out_of_reach for hit in hits)


def test_a_file_of_another_drive_at_the_same_path_is_not_the_one_that_was_indexed(library, photos, mounted):
    mounted[photos] = ("nfs4", "nas:/photos")
    library.add(photos)
    mounted[photos] = ("nfs4", "nas:/backup")
    assert all(hit.out_of_reach for hit in library.search("red"))


def test_a_drive_with_another_name_is_known_by_the_files_that_it_holds(library, photos, mounted):
    mounted[photos] = ("vfat", "/dev/sdb1")
    library.add(photos)
    mounted[photos] = ("vfat", "/dev/sdc1")  # plugged in again; without udev nothing tells that it is the same
    (photos / "red.png").unlink()
    assert library.add() == Summary(removed=1, unchanged=4)
    mounted[photos] = ("vfat", "/dev/sdd1")
    empty(photos)
    assert library.add() == Summary(out_of_reach=4)


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EHOSTDOWN])
def test_a_share_that_does_not_answer_forgets_nothing(library, photos, monkeypatch, code):
    (photos / "below").mkdir()
    paint(photos / "below" / "deep.png", (1, 2, 3))
    library.add(photos)
    real = {name: getattr(os, name) for name in ("scandir", "stat", "lstat")}

    def refuse(name):
        def asked(path, *rest, **options):
            if isinstance(path, (str, bytes, os.PathLike)) and os.fsencode(path).startswith(os.fsencode(photos)):
                raise OSError(code, os.strerror(code), path)
            return real[name](path, *rest, **options)

        return asked

    with monkeypatch.context() as away:
        for name in real:
            away.setattr(os, name, refuse(name))
        summary = library.add()
    assert (summary.removed, summary.out_of_reach) == (0, 6)
    assert library.num_files() == 6
    assert library.add() == Summary(unchanged=6)
    assert library.errors() == []


def test_a_file_that_cannot_be_opened_any_more_keeps_its_vector(library, photos, monkeypatch):
    library.add(photos)
    red = photos / "red.png"
    paint(red, (0, 0, 250))
    opened = open

    def refuse(path, *rest, **options):
        if isinstance(path, bytes) and path == os.fsencode(red):
            raise OSError(errno.EIO, "Input/output error")
        return opened(path, *rest, **options)

    with monkeypatch.context() as broken:
        broken.setattr("builtins.open", refuse)
        assert library.add() == Summary(unchanged=4, failed=1)
    assert library.num_files() == 5
    assert library.errors()[0].reason == "cannot be opened: Input/output error"
    assert library.add() == Summary(unchanged=4, changed=1)
    assert library.errors() == []


def test_a_renamed_root_is_known_again_under_its_new_name(library, photos, tmp_path, encoder):
    library.add(photos)
    num_pixels = encoder.num_pixels
    photos.rename(tmp_path / "photos-2026")
    assert library.add() == Summary(out_of_reach=5)
    assert library.add(tmp_path / "photos-2026") == Summary(moved=5)
    assert encoder.num_pixels == num_pixels
    assert library.num_files() == 5


def test_a_root_that_is_a_link_to_a_folder_that_is_away_stays(library, photos, tmp_path):
    (tmp_path / "link").symlink_to(photos)
    library.add(tmp_path / "link")
    photos.rename(tmp_path / "elsewhere")
    assert library.add() == Summary(out_of_reach=5)
    assert library.errors() == []


def test_a_copy_of_a_file_that_is_away_does_not_take_its_place(library, photos, tmp_path, mounted):
    mounted[photos] = ("nfs4", "nas:/photos")
    library.add(photos)
    shutil.copytree(photos, tmp_path / "copies")
    del mounted[photos]
    empty(photos)
    assert library.add(tmp_path / "copies") == Summary(added=5)
    assert library.num_files() == 10


def test_a_drive_that_is_pulled_out_while_it_is_looked_at_takes_nothing_along(library, photos, mounted, monkeypatch):
    mounted[photos] = ("nfs4", "nas:/photos")
    library.add(photos)
    empty(photos)
    lstat = os.lstat

    def pull_out(path, *rest, **options):
        mounted.pop(photos, None)
        return lstat(path, *rest, **options)

    monkeypatch.setattr(os, "lstat", pull_out)
    summary = library.add()
    assert (summary.removed, summary.out_of_reach) == (0, 5)


@pytest.mark.parametrize("is_remembered", [True, False])
def test_a_library_from_before_forgets_nothing_of_a_drive_that_is_away(library, photos, tmp_path, is_remembered):
    """It remembered mounts by their path as it was typed, if at all: not of links and bind mounts."""
    library.add(photos)
    with closing(sqlite3.connect(library.folder / DATABASE)) as db:
        db.execute("UPDATE files SET mount_id = NULL")
        db.execute("DELETE FROM mounts")
        if is_remembered:
            db.execute("INSERT INTO mounts (point, root, identity) VALUES (?, x'2f', '')", (os.fsencode(photos),))
        db.commit()
    empty(photos)
    with Library.open(library.folder, encoder=ColourEncoder()) as opened:
        assert opened.add() == Summary(out_of_reach=5)


def test_in_a_library_from_before_a_removed_file_is_forgotten(library, photos):
    library.add(photos)
    with closing(sqlite3.connect(library.folder / DATABASE)) as db:
        db.execute("UPDATE files SET mount_id = NULL")
        db.commit()
    (photos / "red.png").unlink()
    assert library.add() == Summary(removed=1, unchanged=4)
    empty(photos)
    assert library.add() == Summary(removed=4)


# --- forget -------------------------------------------------------------------------------------


def test_what_is_forgotten_stays_out_until_it_is_named_itself(library, photos):
    (photos / "private" / "deep").mkdir(parents=True)
    paint(photos / "private" / "one.png", (1, 2, 3))
    paint(photos / "private" / "deep" / "two.png", (3, 2, 1))
    library.add(photos)
    assert library.forget(photos / "private", photos / "red.png") == 3
    assert library.num_files() == 4
    assert library.add() == library.add(photos) == Summary(unchanged=4)
    assert library.refresh(photos / "private" / "one.png", photos / "red.png") == Summary()
    assert set(library.excluded()) == {os.fsencode(photos / "private"), os.fsencode(photos / "red.png")}
    assert library.add(photos / "private" / "deep") == Summary(added=1)  # and nothing else of the folder
    assert library.add() == Summary(unchanged=5)
    assert library.add(photos / "red.png") == Summary(added=1)
    assert library.add(photos / "private").added == 1
    assert library.add() == Summary(unchanged=7)


def test_a_root_that_is_forgotten_is_no_root_any_more_even_when_it_is_away(library, photos, tmp_path):
    library.add(photos)
    photos.rename(tmp_path / "away")
    assert library.forget(photos) == 5
    assert (library.roots(), library.num_files(), library.search("red")) == ([], 0, [])
    (tmp_path / "away").rename(photos)
    assert library.add(photos) == Summary(added=5)


def test_what_the_library_does_not_have_cannot_be_forgotten(library, photos, tmp_path):
    library.add(photos)
    with pytest.raises(UsageError, match=r"the library has nothing at .*nowhere; name a path as `seesay search` shows"):
        library.forget(photos, tmp_path / "nowhere")
    assert library.num_files() == 5
    with pytest.raises(UsageError, match="name a file or folder to forget"):
        library.forget()


def test_an_empty_path_is_not_the_current_folder(library, photos, monkeypatch):
    monkeypatch.chdir(photos)
    library.add(photos)
    for ask in (library.add, library.refresh, library.forget, lambda path: library.search("red", under=path)):
        with pytest.raises(UsageError, match=r"a path is empty; the current folder is `\.`"):
            ask("")
    with pytest.raises(UsageError, match="a path is empty"):
        Library.open("")
