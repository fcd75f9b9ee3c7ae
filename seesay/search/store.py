"""The system of record: one SQLite file. Every statement that seesay runs on it stands here, in items.py and pairs.py.

It knows files, items, vectors, errors and jobs as rows. It must not know pictures, encoders or
ranking. One process writes (see `writer`), any number read, each in a snapshot of its own. What a
search reads is the other half: items.py.
"""

import contextlib
import json
import os
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import filelock
import numpy as np

from seesay.base.errors import LibraryBusyError, LibraryError
from seesay.search.database import DISK_FULL, Database, disk_error, exists, translated
from seesay.search.items import UNDER, Items, under
from seesay.search.left_out import LeftOut
from seesay.search.renewal import Renewal
from seesay.search.rows import Counts, ErrorRow, FilePart, FileRow, MountRow, NewItem

DATABASE = "library.sqlite"
LOCK = "writer.lock"
SILENT_S = 120.0  # a batch of the largest model takes half of this on a laptop
VECTOR = np.dtype("<f2")


_FILE = """
    SELECT id, folder, name, size_bytes, mtime_ns, digest, detail, position_s, position_track,
           EXISTS (SELECT 1 FROM items WHERE file_id = files.id) AND NOT EXISTS (
               SELECT 1 FROM items LEFT JOIN vectors ON item_id = items.id
               WHERE file_id = files.id AND model_id IS NOT (SELECT model_id FROM state)
           ),
           reader, mount_id
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
        if not exists(path):
            if not create:
                raise LibraryError(f"there is no library in {folder}; make one with `seesay index PATH`")
            with translated(path):
                folder.mkdir(parents=True, exist_ok=True)
        self._db = Database(path)
        self.items = Items(self._db)

    @property
    def read_only(self) -> str | None:
        """Why nothing can be written; None where it can."""
        return self._db.read_only

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
        if self.read_only:
            is_full = self.read_only == DISK_FULL
            cure = "make room and run it again" if is_full else "mend that, or name another with --library"
            raise LibraryError(f"nothing can be added to the library {self.folder}: {self.read_only}; {cure}")
        lock = filelock.FileLock(self.folder / LOCK, timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise LibraryBusyError(
                f"another process is writing to {self.folder}; wait for it, or stop it and start again"
            ) from error
        except NotImplementedError as error:
            raise LibraryError(f"the disk with the library {self.folder} has no locks; keep it on another") from error
        except OSError as error:
            raise disk_error(error, self.folder) from error
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
        self._db.look_again()
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            if self._db.in_transaction:  # SQLite ends one by itself when the disk fails
                self._db.execute("COMMIT")

    # --- state ----------------------------------------------------------------------------------

    def model(self) -> tuple[str, int] | None:
        """The id and the vector length of the library's model; None before the first run."""
        if not self._db.in_transaction:
            self._db.look_again()
        query = "SELECT models.name, dim FROM state JOIN models ON models.id = model_id"
        row: tuple[str, int] | None = self._db.execute(query).fetchone()
        return row

    def set_model(self, name: str, dim: int) -> None:
        """Make `name` the library's model. Vectors of another stay until their files are read again."""
        with self.transaction():
            self._db.execute("INSERT OR IGNORE INTO models (name, dim) VALUES (?, ?)", (name, dim))
            self._db.execute(
                "UPDATE state SET generation = generation + 1, is_rebuilding = model_id IS NOT NULL, "
                "model_id = (SELECT id FROM models WHERE name = ?)",
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

    def mounts(self) -> dict[int, MountRow]:
        """The mounts that hold or held files, by id."""
        rows = self._db.execute("SELECT id, point, root, identity FROM mounts")
        return {number: MountRow(point=point, root=root, identity=identity) for number, point, root, identity in rows}

    def add_mount(self, mount: MountRow) -> int:
        """Remember a mount; returns its id, that of last time if it was known."""
        with self.transaction():
            values = mount.point, mount.root, mount.identity
            self._db.execute("INSERT OR IGNORE INTO mounts (point, root, identity) VALUES (?, ?, ?)", values)
            query = "SELECT id FROM mounts WHERE point = ? AND root = ? AND identity = ?"
            return int(self._db.execute(query, values).fetchone()[0])

    def set_mounts(self, seen: Iterable[tuple[int, int]]) -> None:
        """Write down that files were seen on other mounts than before.

        Args:
            seen: (id of the mount, id of the file).
        """
        with self.transaction():
            self._db.executemany("UPDATE files SET mount_id = ? WHERE id = ?", seen)

    def drop_mounts(self) -> None:
        """Let go of mounts that no file is on."""
        with self.transaction():
            self._db.execute(
                "DELETE FROM mounts WHERE id NOT IN (SELECT mount_id FROM files WHERE mount_id IS NOT NULL) "
                "AND (identity != '' OR NOT EXISTS (SELECT 1 FROM files WHERE mount_id IS NULL))"
            )

    def mount_of(self, path: bytes) -> MountRow | None:
        """What held a file's folder when it was last seen."""
        query = (
            "SELECT point, root, identity FROM files JOIN mounts ON mounts.id = mount_id WHERE folder = ? AND name = ?"
        )
        row = self._db.execute(query, os.path.split(path)).fetchone()
        return row and MountRow(point=row[0], root=row[1], identity=row[2])

    def left_out(self) -> LeftOut:
        """What is not in the library, and why."""
        return LeftOut(self._db)

    def renewal(self) -> Renewal:
        """What is to be read again."""
        return Renewal(self._db)

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
                    file_id = self._begin_again(part)
                    if file_id is None:
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
                self._let_go(file_id, part.position_s)
                if part.problem is not None:
                    self._add_error(part.path, part.size_bytes, part.mtime_ns, part.problem)
            self._changed()

    def _begin_again(self, part: FilePart) -> int | None:
        """Of a video that is read again and not through: what it had stays until it is. None for anything else."""
        folder, name = os.path.split(part.path)
        row = self.files_in(folder).get(name) if part.position_s is not None else None
        if row is None or row.digest != part.digest or not row.has_vectors:
            return None
        self._db.execute(
            "UPDATE files SET size_bytes = ?, mtime_ns = ?, detail = ?, taken_ns = ?, reader = ?, mount_id = ?, "
            "items_from = 1 + (SELECT seq FROM sqlite_sequence WHERE name = 'items') WHERE id = ?",
            (part.size_bytes, part.mtime_ns, part.detail, part.taken_ns, part.reader, part.mount_id, row.id),
        )
        return row.id

    def _let_go(self, file_id: int, position_s: float | None) -> None:
        """Items of the last time, up to where a video was read again."""
        (items_from,) = self._db.execute("SELECT items_from FROM files WHERE id = ?", (file_id,)).fetchone()
        if items_from is None:
            return
        if position_s is None:
            self._db.execute("DELETE FROM items WHERE file_id = ? AND id < ?", (file_id, items_from))
            self._db.execute("UPDATE files SET items_from = NULL WHERE id = ?", (file_id,))
        else:
            query = "DELETE FROM items WHERE file_id = ? AND id < ? AND start_s < ?"
            self._db.execute(query, (file_id, items_from, position_s))

    def move(self, row: FileRow, path: bytes, *, mtime_ns: int, mount_id: int | None) -> None:
        """The same content is now at `path`; its items, its vectors and its line in the ledger go with it."""
        with self.transaction():
            if path != row.path:
                self._forget(path)
            self._db.execute("UPDATE errors SET path = ?, mtime_ns = ? WHERE path = ?", (path, mtime_ns, row.path))
            folder, name = os.path.split(path)
            self._db.execute(
                "UPDATE files SET folder = ?, name = ?, mtime_ns = ?, mount_id = ? WHERE id = ?",
                (folder, name, mtime_ns, mount_id, row.id),
            )

    def copy(self, row: FileRow, path: bytes, *, mtime_ns: int, mount_id: int | None) -> None:
        """The same content is at `path` too: its items and vectors are copied, no pixel is read."""
        with self.transaction():
            self._forget(path)
            folder, name = os.path.split(path)
            file_id = self._db.execute(
                "INSERT INTO files (folder, name, size_bytes, mtime_ns, digest, detail, taken_ns, reader, mount_id) "
                "SELECT ?, ?, size_bytes, ?, digest, detail, taken_ns, reader, ? FROM files WHERE id = ?",
                (folder, name, mtime_ns, mount_id, row.id),
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
            "INSERT INTO files (folder, name, size_bytes, mtime_ns, digest, detail, taken_ns, reader, mount_id) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                folder,
                name,
                part.size_bytes,
                part.mtime_ns,
                part.digest,
                part.detail,
                part.taken_ns,
                part.reader,
                part.mount_id,
            ),
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
        """Write lines into the ledger; what the library had at those paths goes where it is no longer true.

        It stays where the file could not even be opened, and where it is the same file as before, which we could read.
        """
        with self.transaction():
            for error in errors:
                folder, name = os.path.split(error.path)
                row = self.files_in(folder).get(name)
                is_same = row is not None and (row.size_bytes, row.mtime_ns) == (error.size_bytes, error.mtime_ns)
                if row is not None and row.has_vectors and is_same:
                    self._db.execute("UPDATE files SET reader = max(reader, 0) WHERE id = ?", (row.id,))
                elif row is None or error.size_bytes is not None:
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


def _file_row(row: tuple[int, bytes, bytes, int, int, bytes, str, float | None, int, int, int, int | None]) -> FileRow:
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
        mount_id=row[11],
    )
