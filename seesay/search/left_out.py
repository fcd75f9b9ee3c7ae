"""What is not in the library and why: patterns, what was forgotten, what rules left out, what was passed over.

The statements of these tables, beside store.py. It knows rows and nothing of folders on disk.
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager

from seesay.search.database import Database
from seesay.search.items import AT_OR_UNDER, at_or_under


class LeftOut:
    """These tables of an open store. It belongs to the store's thread."""

    def __init__(self, db: Database) -> None:
        """Read and write through the store's connection."""
        self._db = db

    def patterns(self) -> dict[bytes, str | None]:
        """The roots, and the patterns that `--exclude` gave for each; None where nothing was said."""
        return dict(self._db.execute("SELECT path, exclude FROM roots ORDER BY path"))

    def set_patterns(self, roots: Iterable[bytes], text: str | None) -> None:
        """Replace what was said before."""
        with self._transaction():
            self._db.executemany("UPDATE roots SET exclude = ? WHERE path = ?", [(text, root) for root in roots])

    def forgotten(self) -> set[bytes]:
        """Files and folders that a person took out."""
        return {path for (path,) in self._db.execute("SELECT path FROM forgotten")}

    def take_back(self, paths: Iterable[bytes]) -> None:
        """These are no longer forgotten."""
        with self._transaction():
            self._db.executemany("DELETE FROM forgotten WHERE path = ?", [(path,) for path in paths])

    def forget(self, path: bytes) -> int:
        """Take out a file, or a folder with everything below it and the roots in it; it stays out.

        Returns:
            How many files that were.
        """
        with self._transaction():
            values = at_or_under(path)
            count = self._db.execute(f"DELETE FROM files WHERE {AT_OR_UNDER}", values).rowcount
            for table in ("errors", "roots", "excluded"):
                self._db.execute(f"DELETE FROM {table} WHERE {_AT_OR_UNDER}", _values(path))
            self._db.execute(f"DELETE FROM passed_over WHERE {_AT_OR_UNDER.replace('path', 'root')}", _values(path))
            self._db.execute("INSERT OR IGNORE INTO forgotten VALUES (?)", (path,))
            self._db.execute("UPDATE state SET generation = generation + 1")
        return count

    def has(self, path: bytes) -> bool:
        """Whether there is anything at or below a path: a file, a line of the ledger, a root."""
        queries = [(f"SELECT 1 FROM files WHERE {AT_OR_UNDER}", at_or_under(path))]
        queries += [(f"SELECT 1 FROM {table} WHERE {_AT_OR_UNDER}", _values(path)) for table in ("errors", "roots")]
        return any(self._db.execute(f"{query} LIMIT 1", values).fetchone() for query, values in queries)

    def set_excluded(self, roots: Iterable[bytes], excluded: Mapping[bytes, str]) -> None:
        """Write down what a walk over some paths left out, and by which rule."""
        with self._transaction():
            for root in roots:
                self._db.execute(f"DELETE FROM excluded WHERE {_AT_OR_UNDER}", _values(root))
            self._db.executemany("INSERT OR REPLACE INTO excluded VALUES (?, ?)", excluded.items())

    def excluded(self) -> dict[bytes, str]:
        """What the last walk left out, and by which rule; of a folder only itself."""
        return dict(self._db.execute("SELECT path, rule FROM excluded ORDER BY path"))

    def set_passed_over(self, counts: Mapping[bytes, Mapping[str, int]]) -> None:
        """Write down how many files of each suffix a walk passed over, for each root that it went through."""
        with self._transaction():
            for root, numbers in counts.items():
                self._db.execute(f"DELETE FROM passed_over WHERE {_AT_OR_UNDER.replace('path', 'root')}", _values(root))
                rows = [(root, suffix, number) for suffix, number in numbers.items()]
                self._db.executemany("INSERT INTO passed_over VALUES (?, ?, ?)", rows)

    def passed_over(self) -> dict[str, int]:
        """How many files of each suffix were passed over, most first."""
        query = "SELECT suffix, sum(num_files) FROM passed_over GROUP BY suffix ORDER BY 2 DESC, suffix"
        return dict(self._db.execute(query))

    def _transaction(self) -> AbstractContextManager[object]:
        self._db.execute("BEGIN IMMEDIATE")
        return self._db  # commits, or rolls back when the block raises


_AT_OR_UNDER = "(path = ? OR (path >= ? AND path < ?))"


def _values(path: bytes) -> tuple[bytes, bytes, bytes]:
    base = path.rstrip(b"/")
    return path, base + b"/", base + b"0"
