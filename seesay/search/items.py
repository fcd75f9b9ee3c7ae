"""Reading items and vectors: what a search asks of the store. The second half of store.py, which writes.

It knows rows and nothing of pictures, encoders or ranking.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seesay.search.database import Database
from seesay.search.pairs import Pairs
from seesay.search.rows import Box, ItemRow, Moments

Only: TypeAlias = Literal["image", "video"]

_OURS = "model_id = (SELECT model_id FROM state)"

# A path range instead of LIKE: b"/" is followed by b"0", so everything below a folder lies between the two.
UNDER = "(folder = ? OR (folder >= ? AND folder < ?))"
AT_OR_UNDER = f"({UNDER} OR (folder = ? AND name = ?))"
_DATE = "coalesce(taken_ns, mtime_ns)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which files a search looks at."""

    under: tuple[bytes, ...] = ()
    """Absolute paths: only these files, and what is at or below these folders; none for everything."""
    after_ns: int | None = None
    """Only files taken at or after this time, in nanoseconds since 1970; changed, where a file does not say."""
    before_ns: int | None = None
    """Only files taken, or changed, before it."""
    only: Only | None = None

    def __bool__(self) -> bool:
        """Whether it leaves anything out."""
        return self != Filter()


class Items:
    """The items of an open store. It belongs to the store's thread."""

    def __init__(self, db: Database) -> None:
        """Read through the store's connection, so within its snapshots."""
        self._db = db

    def __len__(self) -> int:
        """How many items can be found with the library's model."""
        return int(self._db.execute(f"SELECT count(*) FROM vectors WHERE {_OURS}").fetchone()[0])

    def ids(self, where: Filter | None = None) -> NDArray[np.int64]:
        """Ids of the items that have a vector of the library's model, ascending; only those that a filter lets by."""
        values: list[bytes | int] = []
        query = f"SELECT item_id FROM vectors WHERE {_OURS}"
        if where:
            query = (
                "SELECT item_id FROM files JOIN items ON file_id = files.id JOIN vectors ON item_id = items.id "
                f"WHERE {_OURS}"
            )
            if where.under:
                query += f" AND ({' OR '.join([AT_OR_UNDER] * len(where.under))})"
                for place in where.under:
                    values += at_or_under(place)
            if where.after_ns is not None:
                query += f" AND {_DATE} >= ?"
                values.append(where.after_ns)
            if where.before_ns is not None:
                query += f" AND {_DATE} < ?"
                values.append(where.before_ns)
            if where.only is not None:
                query += f" AND start_s IS {'NOT ' if where.only == 'video' else ''}NULL"
        rows = self._db.execute(f"{query} ORDER BY item_id", values)
        return np.fromiter((item for (item,) in rows), np.int64)

    def vectors_after(self, item_id: int) -> Iterator[tuple[int, bytes]]:
        """(item id, float16 vector) of the library's model for every item after `item_id`, ascending."""
        query = f"SELECT item_id, vector FROM vectors WHERE {_OURS} AND item_id > ? ORDER BY item_id"
        return iter(self._db.execute(query, (item_id,)))

    def vector(self, item_id: int) -> NDArray[np.float32] | None:
        """(E,) of an item, of the library's model; None where there is none."""
        query = f"SELECT vector FROM vectors WHERE {_OURS} AND item_id = ?"
        row = self._db.execute(query, (item_id,)).fetchone()
        return None if row is None else np.frombuffer(row[0], "<f2").astype(np.float32)

    def has_files_at(self, place: bytes) -> bool:
        """Whether there is a file at an absolute path, or below it."""
        query = f"SELECT EXISTS (SELECT 1 FROM files WHERE {AT_OR_UNDER})"
        return bool(self._db.execute(query, at_or_under(place)).fetchone()[0])

    def has_file(self, path: bytes) -> bool:
        """Whether there is a file at an absolute path."""
        query = "SELECT EXISTS (SELECT 1 FROM files WHERE folder = ? AND name = ?)"
        return bool(self._db.execute(query, os.path.split(path)).fetchone()[0])

    def dates_ns(self, ids: Iterable[int]) -> list[int]:
        """When the files of these items were taken, or changed where they do not say, in nanoseconds since 1970."""
        query = f"SELECT {_DATE} FROM items JOIN files ON files.id = file_id WHERE items.id = ?"
        return [int(self._db.execute(query, (item,)).fetchone()[0]) for item in ids]

    def rows(self, ids: Iterable[int]) -> list[ItemRow]:
        """The items with these ids, in this order; an id that is gone is left out."""
        query = (
            "SELECT items.id, file_id, folder, name, kind, start_s, end_s, time_s, box, track, page, taken_ns "
            "FROM items JOIN files ON files.id = file_id WHERE items.id = ?"
        )
        found = (self._db.execute(query, (int(item),)).fetchone() for item in ids)
        return [
            ItemRow(
                id=row[0],
                file_id=row[1],
                path=os.path.join(row[2], row[3]),
                kind=row[4],
                start_s=row[5],
                end_s=row[6],
                time_s=row[7],
                box=Box.from_text(row[8]) if row[8] else None,
                track=row[9],
                page=row[10],
                taken_ns=row[11],
            )
            for row in found
            if row is not None
        ]

    def tracks_of(self, ids: NDArray[np.int64]) -> set[tuple[int, int]]:
        """The files that have these items, each with the track."""
        query = "SELECT file_id, track FROM items WHERE id = ?"
        return {self._db.execute(query, (item,)).fetchone() for item in ids.tolist()}

    def pairs(self, allowed: NDArray[np.int64] | None) -> Pairs:
        """Which files are one picture to a person, among those that have items that a search may find."""
        return Pairs(self._db, allowed)

    def of_files(self, file_ids: Iterable[int]) -> NDArray[np.int64]:
        """Ids of all items of these files."""
        query = "SELECT id FROM items WHERE file_id = ?"
        return np.array([item for file_id in file_ids for (item,) in self._db.execute(query, (file_id,))], np.int64)

    def moments(self, file_id: int, track: int = 0) -> Moments:
        """All items of a video's track that have a vector of the library's model."""
        query = (
            "SELECT items.id, start_s, end_s, time_s FROM items JOIN vectors ON item_id = items.id "
            f"WHERE file_id = ? AND track = ? AND start_s IS NOT NULL AND {_OURS} ORDER BY start_s, items.id"
        )
        rows = self._db.execute(query, (file_id, track)).fetchall()
        table = np.array(rows, np.float64).reshape(-1, 4)  # an id is exact up to 2**53
        return Moments(ids=table[:, 0].astype(np.int64), start_s=table[:, 1], end_s=table[:, 2], time_s=table[:, 3])


def under(root: bytes) -> tuple[bytes, bytes, bytes]:
    """The three values of `UNDER`."""
    base = root.rstrip(b"/")
    return root, base + b"/", base + b"0"


def at_or_under(path: bytes) -> tuple[bytes, ...]:
    """The five values of `AT_OR_UNDER`: a file, or everything below a folder."""
    return (*under(path), *os.path.split(path))
