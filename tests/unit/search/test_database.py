"""A library's file on disks that do not let us do everything, and SQLite's errors in our words."""

import os
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from encoders import COLOURS
from mounts import read_only, small_disk
from painting import paint

from seesay.base.errors import LibraryBusyError, LibraryError, SchemaError, UsageError
from seesay.search import database, schema
from seesay.search.library import Library
from seesay.search.store import DATABASE


def found(library):
    return [(hit.path, hit.score) for hit in library.search("red", all_files=True)]


@pytest.fixture
def expected(library, photos):
    """A library with pictures in it, and what a search finds where everything can be written."""
    library.add(photos)
    return found(library)


def forget_matrix(folder):
    for path in folder.glob("matrix*"):
        path.unlink()


@pytest.mark.parametrize("has_matrix", [True, False])
def test_on_a_read_only_disk_a_search_finds_the_same(library, expected, encoder, tmp_path, has_matrix):
    library.close()
    assert not (library.folder / f"{DATABASE}-wal").exists()
    if not has_matrix:
        forget_matrix(library.folder)
    with read_only(library.folder, tmp_path / "disk") as place, Library.open(place, encoder=encoder) as opened:
        assert found(opened) == expected
        assert opened.counts().files == 5
        assert opened.check() == []
        assert opened.read_only == "its disk is read-only"
        with pytest.raises(LibraryError, match=r"nothing can be added to .*: its disk is read-only; mend that"):
            opened.add()


@pytest.mark.parametrize("has_index", [True, False])
def test_on_a_read_only_disk_what_is_in_a_wal_is_found(library, expected, encoder, tmp_path, has_index):
    # As a copy of a library in use has it, or a disk that was pulled out: the main file alone lacks the last commits.
    copy = tmp_path / "copy"
    copy.mkdir()
    for end in ("", "-wal", "-shm") if has_index else ("", "-wal"):
        shutil.copy(library.folder / f"{DATABASE}{end}", copy / f"{DATABASE}{end}")
    assert (copy / f"{DATABASE}-wal").stat().st_size
    with read_only(copy, tmp_path / "disk") as place, Library.open(place, encoder=encoder) as opened:
        assert found(opened) == expected


def test_on_a_read_only_disk_a_library_of_an_older_seesay_is_found_in(library, expected, encoder, tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    with closing(sqlite3.connect(old / DATABASE)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        for migration in schema.MIGRATIONS[:2]:
            db.executescript(migration)
        db.execute("PRAGMA user_version = 2")
        db.execute("DELETE FROM state")
        db.execute("ATTACH ? AS new", (str(library.folder / DATABASE),))
        for table in ("models", "state", "files", "items", "vectors"):
            columns = ", ".join(row[1] for row in db.execute(f"PRAGMA main.table_info({table})"))
            db.execute(f"INSERT INTO main.{table} SELECT {columns} FROM new.{table}")
        db.commit()
    with read_only(old, tmp_path / "disk") as place, Library.open(place, encoder=encoder) as opened:
        assert found(opened) == expected
    with closing(sqlite3.connect(old / DATABASE)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (2,)


def test_what_another_machine_adds_to_a_read_only_disk_is_found(library, expected, photos, encoder, tmp_path):
    library.close()
    with read_only(library.folder, tmp_path / "disk") as place, Library.open(place, encoder=encoder) as opened:
        assert found(opened) == expected
        shutil.copy(photos / "red.png", photos / "again.png")
        with Library.open(library.folder, encoder=encoder) as owner:
            owner.add(photos)
            during = found(opened)
        assert len(during) == len(expected) + 1
        assert found(opened) == during


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_without_permission_to_write_a_search_finds_the_same(library, expected, encoder):
    library.close()
    library.folder.chmod(0o555)
    try:
        with Library.open(library.folder, encoder=encoder) as opened:
            assert found(opened) == expected
            with pytest.raises(LibraryError, match="there is no permission to write it"):
                opened.add()
    finally:
        library.folder.chmod(0o755)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_library_that_may_not_be_read_is_not_called_damaged(library, expected):
    library.close()
    (library.folder / DATABASE).chmod(0)
    with pytest.raises(LibraryError, match="cannot be read here; mend its permissions") as refused:
        Library.open(library.folder)
    assert not isinstance(refused.value, SchemaError)
    library.folder.chmod(0)
    try:
        with pytest.raises(LibraryError, match="cannot be used: permission denied; mend that"):
            Library.open(library.folder, create=False)
    finally:
        library.folder.chmod(0o755)


def test_a_full_disk_keeps_what_was_committed_and_can_be_searched(photos, encoder, tmp_path):
    for number in range(200):
        paint(photos / f"{number}.png", COLOURS["red"])
    with small_disk(tmp_path / "disk", 260) as resize:
        folder = tmp_path / "disk" / "library"
        with Library.open(folder, encoder=encoder) as library:
            with pytest.raises(LibraryError, match=r"the disk with the library .* is full; make room and run it again"):
                library.add(photos)
            kept = library.num_files()
            assert 0 < kept < 205
        filler = tmp_path / "disk" / "filler"
        with pytest.raises(OSError, match="No space"):
            filler.write_bytes(bytes(1 << 20))
        with Library.open(folder, encoder=encoder) as library:
            assert len(library.search("red", limit=500)) == kept
            assert not list(folder.glob("matrix*.new"))
            with pytest.raises(LibraryError, match="full; make room and run it again"):
                library.add(photos)
        filler.unlink()
        resize(4096)
        with Library.open(folder, encoder=encoder) as library:
            assert library.add(photos).added == 205 - kept
            assert len(library.search("red", limit=500)) == 205


def test_on_a_disk_without_any_room_no_library_is_begun(encoder, tmp_path):
    with small_disk(tmp_path / "disk", 64):
        with pytest.raises(OSError, match="No space"):
            (tmp_path / "disk" / "filler").write_bytes(bytes(70000))
        with pytest.raises(LibraryError, match=r"the disk with the library .* is full; make room"):
            Library.open(tmp_path / "disk" / "library", encoder=encoder)


def test_a_matrix_that_cannot_be_written_leaves_nothing_behind(library, expected, monkeypatch):
    forget_matrix(library.folder)
    library._mapped = None
    monkeypatch.setattr(Path, "write_bytes", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    assert found(library) == expected
    assert {path.name for path in library.folder.glob("matrix*")} == {"matrix.lock"}


def test_a_closed_library_says_so(library, expected):
    library.close()
    with pytest.raises(LibraryError, match="was closed; open it again"):
        library.search("red")
    with pytest.raises(LibraryError, match="was closed; open it again"):
        library.add()


def test_a_library_of_another_thread_says_so(library, expected):
    said = []

    def use():
        with pytest.raises(UsageError, match="belongs to the thread that opened it") as refused:
            library.search("red")
        said.append(refused.value)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert len(said) == 1


def test_a_library_that_another_process_holds_says_so(library, expected, monkeypatch, encoder):
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.05)
    with (
        closing(sqlite3.connect(library.folder / DATABASE, isolation_level=None)) as other,
        Library.open(library.folder, encoder=encoder) as opened,
    ):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LibraryBusyError, match=r"another process holds the library .*; try again in a moment"):
            opened.add()


def test_damage_inside_the_file_is_said_and_not_leaked(library, expected, encoder):
    library.close()
    path = library.folder / DATABASE
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    content[4096:] = 0xA5
    path.write_bytes(content.tobytes())
    with pytest.raises(SchemaError, match=r"cannot be read as a library .*; move it away and index again"):
        Library.open(library.folder, encoder=encoder).search("red")


def test_a_folder_that_cannot_be_made_says_why(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LibraryError, match="cannot be used: not a directory"):
        Library.open(tmp_path / "file" / "library")


@pytest.mark.parametrize(
    ("code", "kind", "says"),
    [
        (sqlite3.SQLITE_IOERR_READ, LibraryError, "the disk with the library .* fails"),
        (sqlite3.SQLITE_NOMEM, LibraryError, "not enough memory"),
        (sqlite3.SQLITE_READONLY, LibraryError, "cannot be written here; mend its permissions"),
        (sqlite3.SQLITE_LOCKED, LibraryBusyError, "another process holds"),
    ],
)
def test_every_other_word_of_sqlite_is_a_sentence(tmp_path, code, kind, says):
    error = sqlite3.OperationalError("words of SQLite")
    error.sqlite_errorcode = code
    with pytest.raises(kind, match=says), database.translated(tmp_path / DATABASE):
        raise error
