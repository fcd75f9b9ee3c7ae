"""Files that end the process that reads them: a decoder that crashes, or never returns until a person stops the run.

    before a file is opened it is noted ─→ once it was read, the note goes ─→ notes that a run finds are of a killed one

A killed run leaves a note for each file that was in flight, perhaps a hundred. The next run reads these last, and each
alone, so that a second end leaves a note that says which one it was. The run after that tries this file in a process of
its own (trial.py). If that ends too, the file is passed over, with a line in the ledger. A run that ends by itself, or
by Ctrl-C, leaves no note. Of a video of which parts were committed, the count begins again. The statements for it
stand here, beside store.py.
"""

from collections.abc import Iterable, Sequence

from seesay.search.database import Database
from seesay.search.rules import is_at_or_below

MOST_RUNS = 2
REASON = (
    "seesay ended twice while it was read (a decoder crashed or never returned, or the run was killed); "
    "it is passed over until `seesay errors --retry`"
)

Stamp = tuple[bytes, int, int]
"""Path, size in bytes and time of change in nanoseconds: another content at the same path is not to blame."""


class Suspects:
    """The notes of an open store. It belongs to the store's thread, and to its writer.

    Attributes:
        found: files that were noted when a run before this was killed, and how many runs ended while each was read.
    """

    def __init__(self, db: Database) -> None:
        """Read what runs before have left."""
        self._db = db
        self._open: set[bytes] = set()
        self._done: set[bytes] = set()
        self._is_stuck = False
        rows = db.execute("SELECT path, size_bytes, mtime_ns, num_runs FROM reading")
        self.found: dict[Stamp, int] = {(path, size, time_ns): runs for path, size, time_ns, runs in rows}

    def is_to_blame(self, file: Stamp) -> bool:
        """Whether so many runs ended while it was read, the last time alone, that it is to be tried apart."""
        return self.found.get(file, 0) >= MOST_RUNS

    def begin(self, files: Sequence[Stamp]) -> None:
        """Note files before they are opened; those that were read meanwhile are let go of."""
        paths = {file[0] for file in files}
        self._write(self._done - paths, [(*file, 1 + self.found.get(file, 0)) for file in files])
        self._open |= paths
        self._done -= paths

    def finish(self, path: bytes) -> None:
        """A file was read: its note goes with the next that is written."""
        self._done.add(path)

    def go_on(self, files: Iterable[Stamp]) -> None:
        """Parts of these videos were committed, so it is no more than the first time that the rest is read."""
        again = [file for file in files if self.found.pop(file, 0) and file[0] in self._open]
        self._write(set(), [(*file, 1) for file in again])

    def keep(self) -> None:
        """A reader never returns, and the person has given up on it: the notes stay."""
        self._is_stuck = True

    def end(self) -> None:
        """Every file that was begun was read, or let go of in order."""
        if not self._is_stuck:
            self._write(self._open, [])
            self._open.clear()
            self._done.clear()

    def clear(self, roots: Sequence[bytes]) -> None:
        """A run through these paths came to its end."""
        paths = {file[0] for file in self.found}
        self._write({path for path in paths if any(is_at_or_below(path, root) for root in roots)}, [])

    def _write(self, drop: Iterable[bytes], add: Sequence[tuple[bytes, int, int, int]]) -> None:
        """In a transaction without an fsync: it is to outlive this process, and not the machine."""
        drop = list(drop)
        if not drop and not add:
            return
        self._db.execute("PRAGMA synchronous = NORMAL")
        try:
            self._db.execute("BEGIN IMMEDIATE")
            with self._db:  # commits, or rolls back when the block raises
                self._db.executemany("DELETE FROM reading WHERE path = ?", [(path,) for path in drop])
                self._db.executemany("INSERT OR REPLACE INTO reading VALUES (?, ?, ?, ?)", add)
        finally:
            self._db.execute("PRAGMA synchronous = FULL")
