"""Which files are to be read again although they did not change. The statements for it, beside store.py.

A file that is to be read again is marked, and keeps its vectors until it was. So a run that was stopped needs no record
of its own: the next one reads what is marked.
"""

from collections.abc import Iterable

from seesay.search.database import Database
from seesay.search.items import AT_OR_UNDER, at_or_under
from seesay.search.rows import AGAIN

_OUTDATED = (
    "reader < ? AND reader < CASE WHEN EXISTS "
    "(SELECT 1 FROM items WHERE file_id = files.id AND start_s IS NOT NULL) THEN ? ELSE ? END"
)


class Renewal:
    """The marks of an open store. It belongs to the store's thread.

    `readers` are today's versions of our decoders, of pictures and of videos.
    """

    def __init__(self, db: Database) -> None:
        """Read and write through the store's connection."""
        self._db = db

    def is_begun(self) -> bool:
        """Whether a run that was to make every vector again was stopped."""
        return bool(self._db.execute("SELECT is_rebuilding FROM state").fetchone()[0])

    def mark_all(self, roots: Iterable[bytes]) -> None:
        """Have the files at and below these paths read again, with the model that the library has."""
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:  # commits, or rolls back when the block raises
            for root in roots:
                self._db.execute(f"UPDATE files SET reader = {AGAIN} WHERE {AT_OR_UNDER}", at_or_under(root))
            self._db.execute("UPDATE state SET is_rebuilding = 1")

    def finish(self) -> None:
        """Every file that can be reached was read again."""
        self._db.execute("UPDATE state SET is_rebuilding = 0")

    def mark_outdated(self, roots: Iterable[bytes], readers: tuple[int, int]) -> None:
        """Have the files at and below these paths read again that an older version of our decoders read."""
        query = f"UPDATE files SET reader = {AGAIN} WHERE {AT_OR_UNDER} AND {_OUTDATED}"
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:
            self._db.executemany(query, [(*at_or_under(root), max(readers), *readers[::-1]) for root in roots])

    def num_outdated(self, readers: tuple[int, int]) -> int:
        """How many files an older version of our decoders read; not those that are marked."""
        query = f"SELECT count(*) FROM files WHERE reader > {AGAIN} AND {_OUTDATED}"
        return int(self._db.execute(query, (max(readers), *readers[::-1])).fetchone()[0])
