"""The system of record: one SQLite file. Every statement that seesay runs on it stands here and in items.py.

It knows files, items, vectors, errors and jobs as rows. It must not know pictures, encoders or
ranking. One process writes (see `writer`), any number read, each in a snapshot of its own. What a
search reads is the other half: items.py.
"""

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import filelock
import numpy as np

from seesay.base.errors import LibraryBusyError, LibraryError, SchemaError
from seesay.search import schema
from seesay.search.items import UNDER, Items, under
from seesay.search.rows import Counts, ErrorRow, FilePart, FileRow, NewItem

DATABASE = "library.sqlite"
LOCK = "writer.lock"
BUSY_TIMEOUT_S = 30.0  # a reader that checkpoints may hold the file for a moment
SILENT_S = 120.0  # a batch of the largest model takes half of this on a laptop
VECTOR = np.dtype("<f2")


_FILE = """
    SELECT id, folder, name, size_bytes, mtime_ns, digest, detail, position_s, position_track,
           EXISTS (SELECT 1 FROM items WHERE file_id = files.id) AND NOT EXISTS (
               SELECT 1 FROM items LEFT JOIN vectors ON item_id = items.id
               WHERE file_id = files.id AND model_id IS NOT (SELECT model_id FROM state)
           ),
           reader
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
            self.items = Items(self._db)
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

    def roots(self) -> dict[bytes, str | None]:
        """What was asked to be indexed, in order, and how finely; None where nothing was said."""
        return dict(self._db.execute("SELECT path, detail FROM roots ORDER BY path"))

    def add_roots(self, paths: Iterable[bytes], *, detail: str | None = None) -> None:
        """Remember what was asked for; a `detail` replaces what was said before."""
        with self.transaction():
            self._db.executemany(
                "INSERT INTO roots (path, detail) VALUES (?, ?) "
                "ON CONFLICT (path) DO UPDATE SET detail = coalesce(excluded.detail, detail)",
                [(path, detail) for path in paths],
            )

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

    def num_files(self) -> int:
        """How many files the library has."""
        return int(self._db.execute("SELECT count(*) FROM files").fetchone()[0])

    def folders_under(self, root: bytes) -> list[bytes]:
        """Every folder at or below `root` that has a file in the library."""
        query = f"SELECT DISTINCT folder FROM files WHERE {UNDER} ORDER BY folder"
        return [folder for (folder,) in self._db.execute(query, under(root))]

    def digests_of_size(self, size_bytes: int, details: Collection[str]) -> frozenset[bytes]:
        """Contents of this size that the library's model has seen, as finely as one of `details` says."""
        rows = map(_file_row, self._db.execute(f"{_FILE} WHERE size_bytes = ?", (size_bytes,)))
        return frozenset(row.digest for row in rows if row.is_current and row.detail in details)

    def with_digest(self, digest: bytes, details: Collection[str]) -> list[FileRow]:
        """The files with this content that were looked at as finely as one of `details` says; perhaps not wholly."""
        rows = map(_file_row, self._db.execute(f"{_FILE} WHERE digest = ? ORDER BY id", (digest,)))
        return [row for row in rows if row.has_vectors and row.detail in details]

    def put(self, parts: Sequence[FilePart]) -> None:
        """Add files or parts of them. One transaction, one fsync."""
        with self.transaction():
            for part in parts:
                if part.is_first:
                    self._forget(part.path)
                    file_id = self._add_file(part)
                else:
                    file_id = self._file_id(part.path)
                    self._db.execute("DELETE FROM errors WHERE path = ?", (part.path,))
                for item in part.items:
                    self._add_item(file_id, item)
                self._db.execute(
                    "UPDATE files SET position_s = ?, position_track = ? WHERE id = ?",
                    (part.position_s, part.position_track, file_id),
                )
                if part.problem is not None:
                    self._add_error(part.path, part.size_bytes, part.mtime_ns, part.problem)
            self._changed()

    def move(self, row: FileRow, path: bytes, *, mtime_ns: int) -> None:
        """The same content is now at `path`; its items, its vectors and its line in the ledger go with it."""
        with self.transaction():
            if path != row.path:
                self._forget(path)
            self._db.execute("UPDATE errors SET path = ?, mtime_ns = ? WHERE path = ?", (path, mtime_ns, row.path))
            folder, name = os.path.split(path)
            self._db.execute(
                "UPDATE files SET folder = ?, name = ?, mtime_ns = ? WHERE id = ?",
                (folder, name, mtime_ns, row.id),
            )

    def copy(self, row: FileRow, path: bytes, *, mtime_ns: int) -> None:
        """The same content is at `path` too: its items and vectors are copied, no pixel is read."""
        with self.transaction():
            self._forget(path)
            folder, name = os.path.split(path)
            file_id = self._db.execute(
                "INSERT INTO files (folder, name, size_bytes, mtime_ns, digest, detail, taken_ns, reader) "
                "SELECT ?, ?, size_bytes, ?, digest, detail, taken_ns, reader FROM files WHERE id = ?",
                (folder, name, mtime_ns, row.id),
            ).lastrowid
            items = self._db.execute("SELECT id FROM items WHERE file_id = ? ORDER BY id", (row.id,)).fetchall()
            for (item,) in items:
                new = self._db.execute(
                    "INSERT INTO items (file_id, kind, start_s, end_s, time_s, box, track, page) "
                    "SELECT ?, kind, start_s, end_s, time_s, box, track, page FROM items WHERE id = ?",
                    (file_id, item),
                ).lastrowid
                self._db.execute(
                    "INSERT INTO vectors SELECT ?, model_id, vector FROM vectors WHERE item_id = ?",
                    (new, item),
                )
            self._db.execute(
                "INSERT INTO errors SELECT ?, size_bytes, ?, reason, seen_at FROM errors WHERE path = ?",
                (path, mtime_ns, row.path),
            )
            self._changed()

    def remove(self, rows: Iterable[FileRow]) -> None:
        """Forget files that are gone, and what the ledger says of them."""
        with self.transaction():
            for row in rows:
                self._forget(row.path)
            self._changed()

    def _add_file(self, part: FilePart) -> int:
        folder, name = os.path.split(part.path)
        cursor = self._db.execute(
            "INSERT INTO files (folder, name, size_bytes, mtime_ns, digest, detail, taken_ns, reader) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (folder, name, part.size_bytes, part.mtime_ns, part.digest, part.detail, part.taken_ns, part.reader),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def _add_item(self, file_id: int, item: NewItem) -> None:
        row = self._db.execute(
            "INSERT INTO items (file_id, kind, start_s, end_s, time_s, box, track, page) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                file_id,
                item.kind,
                item.start_s,
                item.end_s,
                item.time_s,
                item.box and item.box.to_text(),
                item.track,
                item.page,
            ),
        )
        self._db.execute(
            "INSERT INTO vectors SELECT ?, model_id, ? FROM state",
            (row.lastrowid, item.vector.astype(VECTOR).tobytes()),
        )

    def _add_error(self, path: bytes, size_bytes: int | None, mtime_ns: int | None, reason: str) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO errors VALUES (?, ?, ?, ?, ?)", (path, size_bytes, mtime_ns, reason, time.time())
        )

    def _file_id(self, path: bytes) -> int:
        (file_id,) = self._db.execute("SELECT id FROM files WHERE folder = ? AND name = ?", os.path.split(path))
        return int(file_id[0])

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
                self._add_error(error.path, error.size_bytes, error.mtime_ns, error.reason)
            self._changed()

    def note_unreadable(self, path: bytes, reason: str) -> None:
        """Write a line for a folder that could not be listed; the files below it are kept."""
        with self.transaction():
            self._add_error(path, None, None, reason)

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

    # --- jobs and health ------------------------------------------------------------------------

    def start_job(self) -> int:
        """Open a line in the journal of runs."""
        with self.transaction():
            cursor = self._db.execute("INSERT INTO jobs (started_at) VALUES (?)", (time.time(),))
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def report_job(self, job: int, done: int, total: int) -> None:
        """Say how far a run is."""
        with self.transaction():
            self._db.execute("UPDATE jobs SET summary = ? WHERE id = ?", (json.dumps([done, total, time.time()]), job))

    def running_job(self) -> tuple[int, int] | None:
        """Files done and to do of the run that goes on now, in whichever process; None where there is none.

        One that has said nothing for `SILENT_S` was killed. The lock would tell for sure, and asking it could be in
        the way of a run that begins.
        """
        row = self._db.execute("SELECT finished_at, summary FROM jobs ORDER BY id DESC LIMIT 1").fetchone()
        if row is None or row[0] is not None or row[1] is None:
            return None
        done, total, said_at = json.loads(row[1])
        return (done, total) if time.time() - said_at < SILENT_S else None

    def counts(self) -> Counts:
        """How much there is."""
        query = (
            "SELECT (SELECT count(*) FROM files), (SELECT count(*) FROM errors), "
            "(SELECT count(DISTINCT file_id) FROM items WHERE start_s IS NOT NULL)"
        )
        files, errors, videos = self._db.execute(query).fetchone()
        return Counts(items=len(self.items), files=files, videos=videos, errors=errors, running=self.running_job())

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


def _file_row(row: tuple[int, bytes, bytes, int, int, bytes, str, float | None, int, int, int]) -> FileRow:
    return FileRow(
        id=row[0],
        folder=row[1],
        name=row[2],
        size_bytes=row[3],
        mtime_ns=row[4],
        digest=row[5],
        detail=row[6],
        position_s=row[7],
        position_track=row[8],
        has_vectors=bool(row[9]),
        reader=row[10],
    )
