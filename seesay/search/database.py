"""An open library file: SQLite with our errors, whatever the disk lets us do.

    the folder and the file can be written     as it is, with a WAL beside it
    they cannot, and no WAL has anything       as it is, and never changing ("immutable"); opened again when it changed
    they cannot, and a WAL has something       through its index where that is there, else from a copy in memory
    read-only, and of an older schema          from a copy in memory, brought to the newest

Only a file that SQLite itself finds damaged is called so. It knows no table of ours but through schema.py.
"""

import contextlib
import errno
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from seesay.base.errors import LibraryBusyError, LibraryError, SchemaError, SeesayError, UsageError
from seesay.search import schema

BUSY_TIMEOUT_S = 30.0  # a reader that checkpoints may hold the file for a moment
DISK_FULL: Final = "its disk is full"
NO_ROOM_BYTES = 1 << 16  # the index of a WAL alone takes half of it
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

Values = Sequence[Any]


class Rows:
    """What a statement gives."""

    def __init__(self, cursor: sqlite3.Cursor, path: Path) -> None:
        """Read through a cursor; the path is for messages."""
        self._cursor, self._path = cursor, path

    @property
    def lastrowid(self) -> int | None:
        """The id of the row that was inserted last."""
        return self._cursor.lastrowid

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""
        return self._cursor.rowcount

    def fetchone(self) -> Any:
        """The next row; None after the last."""
        with translated(self._path):
            return self._cursor.fetchone()

    def fetchall(self) -> list[Any]:
        """All that are left."""
        with translated(self._path):
            return self._cursor.fetchall()

    def __iter__(self) -> Iterator[Any]:
        with translated(self._path):
            yield from self._cursor


class Database:
    """A library's file, open. Use it from one thread.

    Attributes:
        path: of the file.
        read_only: why nothing can be written; None where it can.
    """

    def __init__(self, path: Path) -> None:
        """Open it, bring it to the newest schema, and make it where it is not there.

        Raises:
            LibraryError: it cannot be opened: no permission, no room, another process holds it.
            SchemaError: the file is damaged or is no library, or a newer seesay made it.
        """
        self.path = path
        self.read_only: str | None = None
        self._seen: tuple[object, ...] | None = None
        self._db = self._open()

    def execute(self, statement: str, values: Values = ()) -> Rows:
        """Run a statement."""
        with translated(self.path):
            return Rows(self._db.execute(statement, values), self.path)

    def executemany(self, statement: str, values: Iterable[Values]) -> None:
        """Run a statement for each row of values."""
        with translated(self.path):
            self._db.executemany(statement, values)

    @property
    def in_transaction(self) -> bool:
        """Whether one was begun and not ended."""
        with translated(self.path):
            return self._db.in_transaction

    def __enter__(self) -> None:
        """What `BEGIN` began ends with the block."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with translated(self.path):
            self._db.__exit__(kind, error, trace)  # commits, or rolls back when the block raised

    def look_again(self) -> None:
        """Open a file again that SQLite takes to be immutable, where it changed. Call it outside transactions."""
        if self._seen is not None and self._seen != _signature(self.path):
            with translated(self.path):
                self._db.close()
            self._db = self._open()

    def close(self) -> None:
        """Close the file."""
        with translated(self.path):
            self._db.close()

    def _open(self) -> sqlite3.Connection:
        with translated(self.path):
            self._seen = None
            self.read_only = _why_read_only(self.path)
            if self.read_only is None:
                try:
                    return _open_to_write(self.path)
                except sqlite3.OperationalError as error:
                    # There may be no room for the index of a WAL, which even reading needs.
                    if _size(self.path) == 0 or _code(error) not in _CANNOT_WRITE:
                        raise
                    self.read_only = DISK_FULL if _is_full(self.path.parent) else "it cannot be written here"
            return self._open_to_read()

    def _open_to_read(self) -> sqlite3.Connection:
        seen = _signature(self.path)
        has_wal = _size(_wal(self.path)) > 0
        db = _connect(self.path, "ro" if has_wal else "ro&immutable=1")
        try:
            (version,) = db.execute("PRAGMA user_version").fetchone()
        except sqlite3.OperationalError as error:
            if not has_wal or _code(error) not in _CANNOT_WRITE:
                raise
            db.close()
            db = _copy_with_wal(self.path)  # its index can be neither read nor made
            has_wal = False
            (version,) = db.execute("PRAGMA user_version").fetchone()
        if version != len(schema.MIGRATIONS):
            db = _in_memory(db)
            has_wal = False
            with _closing_on_error(db):
                schema.migrate(db)
        db.execute("PRAGMA query_only = ON")
        self._seen = None if has_wal else seen  # through a WAL's index SQLite sees what a writer adds
        return db


def _open_to_write(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    with _closing_on_error(db):
        if db.execute("PRAGMA user_version").fetchone()[0] != len(schema.MIGRATIONS):
            schema.migrate(db)
        # WAL: readers never wait for the writer. FULL: a commit survives a power cut.
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("SELECT generation FROM state").fetchone()  # shows whether the WAL can be used
    return db


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)


def _copy_with_wal(path: Path) -> sqlite3.Connection:
    with tempfile.TemporaryDirectory(prefix="seesay-") as folder:
        copy = Path(folder) / path.name
        shutil.copyfile(path, copy)
        shutil.copyfile(_wal(path), _wal(copy))
        return _in_memory(sqlite3.connect(copy))


def _in_memory(db: sqlite3.Connection) -> sqlite3.Connection:
    copy = sqlite3.connect(":memory:", isolation_level=None)
    with contextlib.closing(db), _closing_on_error(copy):
        db.backup(copy)
    return copy


@contextlib.contextmanager
def _closing_on_error(db: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        db.close()
        raise


# --- what the disk says -----------------------------------------------------------------------------


def exists(path: Path) -> bool:
    """Whether there is a library's file.

    Raises:
        LibraryError: that cannot be known.
    """
    with translated(path):
        return _stat(path) is not None


def _why_read_only(path: Path) -> str | None:
    """By what the system says of the file and its folder, before anything is tried."""
    for place in (path, path.parent):
        if _stat(place) is not None and not os.access(place, os.W_OK):
            is_medium = os.name == "posix" and os.statvfs(place).f_flag & os.ST_RDONLY
            return "its disk is read-only" if is_medium else "there is no permission to write it"
    return None


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < NO_ROOM_BYTES
    except OSError:
        return False


def _signature(path: Path) -> tuple[object, ...]:
    """Another one when the file or its WAL was changed."""
    return tuple(_stat(place) for place in (path, _wal(path)))


def _wal(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _size(path: Path) -> int:
    found = _stat(path)
    return 0 if found is None else found[0]


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino


# --- what SQLite says -------------------------------------------------------------------------------

_CANNOT_WRITE = frozenset(
    {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM}
)


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Errors of SQLite and of the disk as ours.

    Args:
        path: of the library's file.

    Raises:
        LibraryError: with the cure.
        LibraryBusyError: another process holds the file.
        SchemaError: the file is damaged.
        UsageError: another thread opened it.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _ours(error, path) from error
    except OSError as error:
        raise disk_error(error, path.parent) from error


def disk_error(error: OSError, folder: Path) -> LibraryError:
    """What the system says of a library's folder, with the cure."""
    if error.errno in FULL:
        return _full(folder)
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return LibraryError(
            f"the library {folder} cannot be used: {_lower(error)}; mend that, or name another with --library"
        )
    return LibraryError(f"the library {folder} cannot be used: {_lower(error)}")


def _ours(error: sqlite3.Error, path: Path) -> SeesayError:
    folder = path.parent
    said = str(error)
    if isinstance(error, sqlite3.ProgrammingError):  # of the module itself, which gives no code
        if "thread" in said:
            return UsageError("a library belongs to the thread that opened it; open it once more in this one")
        return LibraryError(f"the library {folder} was closed; open it again")
    code = _code(error)
    if code == sqlite3.SQLITE_FULL or (code in _CANNOT_WRITE and _is_full(folder)):
        return _full(folder)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LibraryBusyError(f"another process holds the library {folder}; try again in a moment")
    if code == sqlite3.SQLITE_NOMEM:
        return LibraryError(f"there is not enough memory to use the library {folder}")
    if code == sqlite3.SQLITE_IOERR:
        return LibraryError(
            f"the disk with the library {folder} fails ({said}); look whether it is connected, over its quota or broken"
        )
    if code in _CANNOT_WRITE:
        may_read = _stat(path) is None or os.access(path, os.R_OK)
        return LibraryError(
            f"the library {folder} cannot be {'written' if may_read else 'read'} here; "
            "mend its permissions, or name another with --library"
        )
    return SchemaError(f"{path} cannot be read as a library ({said}); move it away and index again")


def _full(folder: Path) -> LibraryError:
    return LibraryError(f"the disk with the library {folder} is full; make room and run it again")


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary code. The sqlite3 module's own errors have none: text that cannot be decoded is damage."""
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)) & 0xFF


def _lower(error: OSError) -> str:
    said = error.strerror or "it does not answer"
    return said[:1].lower() + said[1:]
