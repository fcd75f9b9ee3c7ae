"""The system of record: one SQLite file. Every statement that seesay runs on it stands here.

It knows files, items, vectors, errors and jobs as rows. It must not know pictures, encoders or
ranking. One process writes (see `writer`), any number read, each in a snapshot of its own.
"""

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import filelock
import numpy as np
from numpy.typing import NDArray

from seesay.base.errors import LibraryBusyError, LibraryError, SchemaError
from seesay.search import schema

DATABASE = "library.sqlite"
LOCK = "writer.lock"
BUSY_TIMEOUT_S = 30.0  # a reader that checkpoints may hold the file for a moment
VECTOR = np.dtype("<f2")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """A file as the library remembers it."""

    id: int
    folder: bytes
    name: bytes
    size_bytes: int
    mtime_ns: int
    digest: bytes
    is_current: bool
    """Every item of it has a vector of the library's model."""

    @property
    def path(self) -> bytes:
        """The whole path."""
        return os.path.join(self.folder, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file read just now, with one vector for each of its items."""

    path: bytes
    size_bytes: int
    mtime_ns: int
    digest: bytes
    vector: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRow:
    """A line of the ledger."""

    path: bytes
    size_bytes: int | None
    mtime_ns: int | None
    reason: str
    seen_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRow:
    """An item and where it is."""

    id: int
    path: bytes
    kind: str
    start_s: float | None
    end_s: float | None


_FILE = """
    SELECT id, folder, name, size_bytes, mtime_ns, digest,
           EXISTS (SELECT 1 FROM items WHERE file_id = files.id) AND NOT EXISTS (
               SELECT 1 FROM items LEFT JOIN vectors ON item_id = items.id
               WHERE file_id = files.id AND model_id IS NOT (SELECT model_id FROM state)
           )
    FROM files
"""


class Store:
    """An open library file. Use it from one thread; open another for another thread."""

    def __init__(self, folder: Path, *, create: bool = True) -> None:
        """Open, and make or migrate where needed.

        Raises:
            LibraryError: there is no library and `create` is false, or it cannot be opened.
            SchemaError: the file is no library, or a newer seesay made it.
        """
        self.folder = folder
        path = folder / DATABASE
        if not create and not path.exists():
            raise LibraryError(f"there is no library in {folder}; make one with `seesay index PATH`")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise LibraryError(f"the library {folder} cannot be opened: {error}") from error
        try:
            schema_version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if schema_version != len(schema.MIGRATIONS):
                schema.migrate(self._db)
            # WAL: readers never wait for the writer. FULL: a commit survives a power cut.
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA foreign_keys = ON")
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise SchemaError(f"{path} cannot be read as a library ({error}); move it away and index again") from error
        except SchemaError:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file. The store cannot be used afterwards."""
        self._db.close()

    # --- transactions ---------------------------------------------------------------------------

    @contextlib.contextmanager
    def writer(self) -> Iterator[None]:
        """Be the only writer, for as long as the block lasts.

        Raises:
            LibraryBusyError: another process is.
        """
        lock = filelock.FileLock(self.folder / LOCK, timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise LibraryBusyError(
                f"another process is writing to {self.folder}; wait for it, or stop it and start again"
            ) from error
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block's changes, or none."""
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:  # commits, or rolls back when the block raises
            yield

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Everything read in the block is of one moment, whatever a writer does meanwhile."""
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("COMMIT")

    # --- state ----------------------------------------------------------------------------------

    def model(self) -> tuple[str, int] | None:
        """The id and the vector length of the library's model; None before the first run."""
        query = "SELECT models.name, dim FROM state JOIN models ON models.id = model_id"
        row: tuple[str, int] | None = self._db.execute(query).fetchone()
        return row

    def set_model(self, name: str, dim: int) -> None:
        """Make `name` the library's model. Vectors of another stay until their files are read again."""
        with self.transaction():
            self._db.execute("INSERT OR IGNORE INTO models (name, dim) VALUES (?, ?)", (name, dim))
            self._db.execute(
                "UPDATE state SET generation = generation + 1, model_id = (SELECT id FROM models WHERE name = ?)",
                (name,),
            )

    def generation(self) -> int:
        """A number that grows whenever an item comes or goes."""
        (generation,) = self._db.execute("SELECT generation FROM state").fetchone()
        return int(generation)

    def roots(self) -> list[bytes]:
        """What was asked to be indexed, in order."""
        return [path for (path,) in self._db.execute("SELECT path FROM roots ORDER BY path")]

    def add_roots(self, paths: Iterable[bytes]) -> None:
        """Remember what was asked for."""
        with self.transaction():
            self._db.executemany("INSERT OR IGNORE INTO roots VALUES (?)", [(path,) for path in paths])

    def mounts(self) -> set[bytes]:
        """Folders where another file system began when they were last seen."""
        return {path for (path,) in self._db.execute("SELECT path FROM mounts")}

    def add_mounts(self, paths: Iterable[bytes]) -> None:
        """Remember where another file system begins."""
        with self.transaction():
            self._db.executemany("INSERT OR IGNORE INTO mounts VALUES (?)", [(path,) for path in paths])

    # --- files ----------------------------------------------------------------------------------

    def files_in(self, folder: bytes) -> dict[bytes, FileRow]:
        """The files directly in one folder, by name."""
        rows = self._db.execute(f"{_FILE} WHERE folder = ?", (folder,))
        return {row.name: row for row in map(_file_row, rows)}

    def folders_under(self, root: bytes) -> list[bytes]:
        """Every folder at or below `root` that has a file in the library."""
        query = f"SELECT DISTINCT folder FROM files WHERE {_UNDER} ORDER BY folder"
        return [folder for (folder,) in self._db.execute(query, _under(root))]

    def digests_of_size(self, size_bytes: int) -> frozenset[bytes]:
        """Contents that the library's model has seen, of files of this size."""
        rows = self._db.execute(f"{_FILE} WHERE size_bytes = ?", (size_bytes,))
        return frozenset(row.digest for row in map(_file_row, rows) if row.is_current)

    def with_digest(self, digest: bytes) -> list[FileRow]:
        """The files with this content whose vectors are of the library's model."""
        rows = self._db.execute(f"{_FILE} WHERE digest = ? ORDER BY id", (digest,))
        return [row for row in map(_file_row, rows) if row.is_current]

    def put(self, files: Sequence[NewFile]) -> None:
        """Add files, or replace what the library had at their paths. One transaction, one fsync."""
        with self.transaction():
            for file in files:
                self._forget(file.path)
                file_id = self._add_file(file.path, file.size_bytes, file.mtime_ns, file.digest)
                item = self._db.execute("INSERT INTO items (file_id, kind) VALUES (?, 'image')", (file_id,)).lastrowid
                self._db.execute(
                    "INSERT INTO vectors SELECT ?, model_id, ? FROM state",
                    (item, file.vector.astype(VECTOR).tobytes()),
                )
            self._changed()

    def move(self, row: FileRow, path: bytes, *, mtime_ns: int) -> None:
        """The same content is now at `path`; its items and vectors stay as they are."""
        with self.transaction():
            if path != row.path:
                self._forget(path)
            self._db.execute("DELETE FROM errors WHERE path IN (?, ?)", (row.path, path))
            folder, name = os.path.split(path)
            self._db.execute(
                "UPDATE files SET folder = ?, name = ?, mtime_ns = ? WHERE id = ?",
                (folder, name, mtime_ns, row.id),
            )

    def copy(self, row: FileRow, path: bytes, *, mtime_ns: int) -> None:
        """The same content is at `path` too: its items and vectors are copied, no pixel is read."""
        with self.transaction():
            self._forget(path)
            file_id = self._add_file(path, row.size_bytes, mtime_ns, row.digest)
            items = self._db.execute("SELECT id FROM items WHERE file_id = ? ORDER BY id", (row.id,)).fetchall()
            for (item,) in items:
                new = self._db.execute(
                    "INSERT INTO items (file_id, kind, start_s, end_s, box) "
                    "SELECT ?, kind, start_s, end_s, box FROM items WHERE id = ?",
                    (file_id, item),
                ).lastrowid
                self._db.execute(
                    "INSERT INTO vectors SELECT ?, model_id, vector FROM vectors WHERE item_id = ?",
                    (new, item),
                )
            self._changed()

    def remove(self, rows: Iterable[FileRow]) -> None:
        """Forget files that are gone."""
        with self.transaction():
            self._db.executemany("DELETE FROM files WHERE id = ?", [(row.id,) for row in rows])
            self._changed()

    def _add_file(self, path: bytes, size_bytes: int, mtime_ns: int, digest: bytes) -> int:
        folder, name = os.path.split(path)
        cursor = self._db.execute(
            "INSERT INTO files (folder, name, size_bytes, mtime_ns, digest) VALUES (?, ?, ?, ?, ?)",
            (folder, name, size_bytes, mtime_ns, digest),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def _forget(self, path: bytes) -> None:
        self._db.execute("DELETE FROM files WHERE folder = ? AND name = ?", os.path.split(path))
        self._db.execute("DELETE FROM errors WHERE path = ?", (path,))

    def _changed(self) -> None:
        self._db.execute("UPDATE state SET generation = generation + 1")

    # --- errors ---------------------------------------------------------------------------------

    def fail(self, errors: Iterable[ErrorRow]) -> None:
        """Write lines into the ledger; what the library had at those paths is no longer true and goes."""
        with self.transaction():
            for error in errors:
                self._forget(error.path)
                self._db.execute(
                    "INSERT INTO errors VALUES (?, ?, ?, ?, ?)",
                    (error.path, error.size_bytes, error.mtime_ns, error.reason, time.time()),
                )
            self._changed()

    def note_unreadable(self, path: bytes, reason: str) -> None:
        """Write a line for a folder that could not be listed; the files below it are kept."""
        with self.transaction():
            self._db.execute("INSERT OR REPLACE INTO errors VALUES (?, NULL, NULL, ?, ?)", (path, reason, time.time()))

    def clear_errors(self, paths: Iterable[bytes]) -> None:
        """Take lines out of the ledger: the path is fine again, or gone."""
        with self.transaction():
            self._db.executemany("DELETE FROM errors WHERE path = ?", [(path,) for path in paths])

    def errors(self) -> list[ErrorRow]:
        """The ledger, by path."""
        rows = self._db.execute("SELECT path, size_bytes, mtime_ns, reason, seen_at FROM errors ORDER BY path")
        return [ErrorRow(path=p, size_bytes=s, mtime_ns=m, reason=r, seen_at=t) for p, s, m, r, t in rows]

    def error_at(self, path: bytes) -> ErrorRow | None:
        """The ledger's line for one path."""
        query = "SELECT path, size_bytes, mtime_ns, reason, seen_at FROM errors WHERE path = ?"
        row = self._db.execute(query, (path,)).fetchone()
        return row and ErrorRow(path=row[0], size_bytes=row[1], mtime_ns=row[2], reason=row[3], seen_at=row[4])

    # --- items and vectors ----------------------------------------------------------------------

    def num_items(self) -> int:
        """How many items can be found with the library's model."""
        query = "SELECT count(*) FROM vectors WHERE model_id = (SELECT model_id FROM state)"
        return int(self._db.execute(query).fetchone()[0])

    def num_files(self) -> int:
        """How many files the library has."""
        return int(self._db.execute("SELECT count(*) FROM files").fetchone()[0])

    def item_ids(self, *, under: bytes | None = None) -> NDArray[np.int64]:
        """Ids of the items that have a vector of the library's model, ascending; only those under a path if given."""
        if under is None:
            query = "SELECT item_id FROM vectors WHERE model_id = (SELECT model_id FROM state) ORDER BY item_id"
            rows = self._db.execute(query)
        else:
            folder, name = os.path.split(under)
            query = (
                f"SELECT item_id FROM files JOIN items ON file_id = files.id JOIN vectors ON item_id = items.id "
                f"WHERE model_id = (SELECT model_id FROM state) AND ({_UNDER} OR (folder = ? AND name = ?)) "
                "ORDER BY item_id"
            )
            rows = self._db.execute(query, (*_under(under), folder, name))
        return np.fromiter((item for (item,) in rows), np.int64)

    def vectors_after(self, item_id: int) -> Iterator[tuple[int, bytes]]:
        """(item id, float16 vector) of the library's model for every item after `item_id`, ascending."""
        query = (
            "SELECT item_id, vector FROM vectors WHERE model_id = (SELECT model_id FROM state) AND item_id > ? "
            "ORDER BY item_id"
        )
        return iter(self._db.execute(query, (item_id,)))

    def items(self, ids: Iterable[int]) -> list[ItemRow]:
        """The items with these ids, in this order; an id that is gone is left out."""
        query = (
            "SELECT items.id, folder, name, kind, start_s, end_s "
            "FROM items JOIN files ON files.id = file_id WHERE items.id = ?"
        )
        rows = (self._db.execute(query, (int(item),)).fetchone() for item in ids)
        return [
            ItemRow(id=row[0], path=os.path.join(row[1], row[2]), kind=row[3], start_s=row[4], end_s=row[5])
            for row in rows
            if row is not None
        ]

    # --- jobs and health ------------------------------------------------------------------------

    def start_job(self) -> int:
        """Open a line in the journal of runs."""
        with self.transaction():
            cursor = self._db.execute("INSERT INTO jobs (started_at) VALUES (?)", (time.time(),))
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def finish_job(self, job: int, outcome: str, summary: dict[str, int]) -> None:
        """Close it: how it ended, and the counts."""
        with self.transaction():
            self._db.execute(
                "UPDATE jobs SET finished_at = ?, outcome = ?, summary = ? WHERE id = ?",
                (time.time(), outcome, json.dumps(summary), job),
            )

    def check(self) -> list[str]:
        """What SQLite finds wrong with the file; empty when it is sound."""
        found = [text for (text,) in self._db.execute("PRAGMA quick_check") if text != "ok"]
        found += [f"row {row[1]} of {row[0]} points to nothing" for row in self._db.execute("PRAGMA foreign_key_check")]
        return found


# A path range instead of LIKE: b"/" is followed by b"0", so everything below a folder lies between the two.
_UNDER = "(folder = ? OR (folder >= ? AND folder < ?))"


def _under(root: bytes) -> tuple[bytes, bytes, bytes]:
    base = root.rstrip(b"/")
    return root, base + b"/", base + b"0"


def _file_row(row: tuple[int, bytes, bytes, int, int, bytes, int]) -> FileRow:
    return FileRow(
        id=row[0],
        folder=row[1],
        name=row[2],
        size_bytes=row[3],
        mtime_ns=row[4],
        digest=row[5],
        is_current=bool(row[6]),
    )
