"""The matrix that exact search scans: float16 rows in a memory-mapped file, derived from the store.

Two files (matrix_files.py): `matrix-*.f16` holds the rows and only ever grows; `matrix.index` names it, says what it
was derived from, holds the item id of every row (negative: that item is gone), and is replaced as a
whole. Both can be deleted at any time. Rows of an item never change (an item id is never used
twice), so following the store means appending new items and crossing out old ones; when a
quarter is crossed out, the file is written anew.

A score that is shown was compared with the record: a row that differs is a `MatrixDamagedError`.

Shape legend: N rows, E embedding.
"""

from collections.abc import Callable, Iterator
from functools import cached_property

import filelock
import numpy as np
import simsimd
from numpy.typing import NDArray

from seesay.search import matrix_files
from seesay.search.matrix_files import MatrixDamagedError
from seesay.search.store import VECTOR, Store

CHUNK_ROWS = 1 << 20  # scores of one chunk are 8 MB, whatever the size of the library
# of 384 numbers: one thread scans these in some 8 ms; several wait for each other, on a busy machine far longer
ALONE_ROWS = 200_000
SAMPLE = 4096  # rows that say how much scores differ
ALIKE = 0.6  # cosine from which on two items that follow each other show the same: frames of a shot, a row of snapshots
SAMPLED_PAIRS = 2048
MARGIN = 32  # rows scored again in float32 beyond those asked for: the scan's query is float16
MOST_COSINE = 1.05  # of unit rows in float16, with room for rounding

Recorded = Callable[[NDArray[np.int64]], NDArray[np.float16]]
"""From (M,) item ids to their (M, E) rows as the record has them; 0 for an item without a vector."""


class Matrix:
    """A view of the library's vectors at one moment.

    Attributes:
        ids: (N,) item ids, ascending by magnitude; negative where the item is gone.
        rows: (N, E) float16 unit rows.
    """

    def __init__(self, ids: NDArray[np.int64], rows: NDArray[np.float16], *, recorded: Recorded | None = None) -> None:
        """Take the arrays as they are.

        Args:
            ids: as the attribute.
            rows: as the attribute.
            recorded: compares with the record what is shown; None where the rows came from there just now.
        """
        self.ids = ids
        self.rows = rows
        self._recorded = recorded
        self._is_compared = np.zeros(len(ids), np.bool_)

    @classmethod
    def of(cls, store: Store, *, anew: bool = False) -> "Matrix":
        """The matrix of a store, brought up to date where it is behind. Call it inside `store.snapshot()`.

        Args:
            store: the record.
            anew: do not use what is there.
        """
        model = store.model()
        if model is None:
            return cls(np.empty(0, np.int64), np.empty((0, 0), VECTOR))
        name, dim = model
        generation = store.generation()

        def recorded(ids: NDArray[np.int64]) -> NDArray[np.float16]:
            vectors = store.items.vectors(ids)
            return matrix_files.unit_rows([vectors.get(item) for item in ids.tolist()], dim)

        found = None if anew else matrix_files.read(store, dim)
        if found and found.header.generation == generation and found.header.model == name:
            return cls(found.ids, found.rows, recorded=recorded)
        try:
            with matrix_files.locked(store.folder):
                matrix_files.follow(store, name, dim, generation, found)
                found = matrix_files.read(store, dim)
        except (filelock.Timeout, OSError, NotImplementedError):
            # Somebody else is writing it, or it cannot be written: a read-only or full disk, a disk without locks.
            found = None
        return cls._from_record(store, dim) if found is None else cls(found.ids, found.rows, recorded=recorded)

    @classmethod
    def _from_record(cls, store: Store, dim: int) -> "Matrix":
        ids, rows = [np.empty(0, np.int64)], [np.empty((0, dim), VECTOR)]
        for some_ids, some_rows in matrix_files.unit_blocks(store.items.vectors_after(0), dim):
            ids.append(some_ids)
            rows.append(some_rows)
        return cls(np.concatenate(ids), np.concatenate(rows))

    def top(
        self, query: NDArray[np.float32], *, limit: int, allowed: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The best rows, exactly.

        Args:
            query: (E,) unit vector.
            limit: how many at most.
            allowed: item ids to choose from, ascending; all when None. Applied before ranking.

        Returns:
            Item ids and cosines, best first; equal scores by id.

        Raises:
            MatrixDamagedError: a row is not that of the record.
        """
        positions = self._positions(allowed)
        count = len(self.ids) if positions is None else len(positions)
        wanted = min(limit + MARGIN, count)
        while True:
            best = self._nearest(query, positions, wanted)
            self._compare(best)
            best = best[self.rows[best].any(axis=1)]  # where the record has no unit vector, there is nothing to find
            if len(best) >= limit or wanted == count:
                break
            wanted = min(4 * wanted, count)
        exact = self.rows[best].astype(np.float32) @ query
        ids = self.ids[best]
        order = np.lexsort((ids, -exact))[:limit]
        return ids[order], exact[order]

    def _nearest(
        self, query: NDArray[np.float32], positions: NDArray[np.int64] | None, wanted: int
    ) -> NDArray[np.int64]:
        """Rows with the highest scores, in no order, by a scan in float16."""
        best = np.empty(0, np.int64)
        scores = np.empty(0, np.float64)
        half = query.astype(VECTOR)[None]
        for start, chunk in self._chunks(positions):
            threads = 1 if len(chunk) <= ALONE_ROWS else 0  # 0: all
            found = np.asarray(simsimd.cdist(half, chunk, metric="dot", threads=threads), np.float64).reshape(-1)
            _check(found)
            take = _largest(found, wanted)
            best = np.concatenate([best, take + start])
            scores = np.concatenate([scores, found[take]])
            keep = _largest(scores, wanted)
            best, scores = best[keep], scores[keep]
        return best if positions is None else positions[best]

    def scores(self, query: NDArray[np.float32], ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Cosines of these items, in their order; every id must be one of the matrix.

        Args:
            query: (E,) unit vector.
            ids: (M,) item ids.

        Raises:
            MatrixDamagedError: an id is not there, or a row is no unit vector.
        """
        positions = np.searchsorted(np.abs(self.ids), ids)
        is_inside = positions < len(self.ids)
        if not is_inside.all() or (self.ids[positions] != ids).any():
            raise MatrixDamagedError("the matrix lacks an item")
        with np.errstate(invalid="ignore", over="ignore"):  # of damaged rows
            found = self.rows[positions].astype(np.float32) @ query
        _check(found)
        return found

    def _compare(self, positions: NDArray[np.int64]) -> None:
        """Look into the record, once for each row that is shown; what a search costs more is some 10 us a row."""
        if self._recorded is None:
            return
        new = positions[~self._is_compared[positions]]
        if matrix_files.differing(self.rows[new], self._recorded(self.ids[new])).any():
            raise MatrixDamagedError("the matrix is not what the record says")
        self._is_compared[new] = True

    def spread(self, query: NDArray[np.float32]) -> float:
        """Standard deviation of the query's cosines over the library, from at most `SAMPLE` items, evenly taken."""
        alive = np.flatnonzero(self.ids > 0)
        if len(alive) == 0:
            return 0.0
        rows = self.rows[alive[:: -(-len(alive) // SAMPLE)]].astype(np.float32)
        with np.errstate(invalid="ignore", over="ignore"):
            cosines = rows @ query
        _check(cosines)
        return float(np.std(cosines))

    @cached_property
    def num_pictures(self) -> int:
        """How many items are unlike the one before them; of very many a sample says the share."""
        alive = np.flatnonzero(self.ids > 0)
        if len(alive) < 2:
            return len(alive)
        firsts = np.arange(0, len(alive) - 1, -(-(len(alive) - 1) // SAMPLED_PAIRS))
        ones, others = (self.rows[alive[numbers]].astype(np.float32) for numbers in (firsts, firsts + 1))
        with np.errstate(invalid="ignore", over="ignore"):
            cosines = (ones * others).sum(axis=1)
        _check(cosines)
        share = float(np.mean(cosines < ALIKE))
        return 1 + round(share * (len(alive) - 1))

    def _positions(self, allowed: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
        """Rows to look at; None for all of them."""
        alive = self.ids > 0
        if allowed is not None:
            alive &= np.isin(np.abs(self.ids), allowed)
        return None if alive.all() else np.flatnonzero(alive)

    def _chunks(self, positions: NDArray[np.int64] | None) -> Iterator[tuple[int, NDArray[np.float16]]]:
        """(offset into the rows to look at, those rows, contiguous)."""
        count = len(self.ids) if positions is None else len(positions)
        # Gathered rows are copied, so a filtered chunk is smaller: 64k rows of 512 numbers are 64 MB.
        step = CHUNK_ROWS if positions is None else CHUNK_ROWS // 16
        for start in range(0, count, step):
            stop = start + step
            yield start, self.rows[start:stop] if positions is None else self.rows[positions[start:stop]]


def _check(cosines: NDArray[np.float64] | NDArray[np.float32]) -> None:
    if len(cosines) and not (cosines.min() >= -MOST_COSINE and cosines.max() <= MOST_COSINE):  # NaN is neither
        raise MatrixDamagedError("the matrix has rows that are no unit vectors")


def _largest(scores: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    if count >= len(scores):
        return np.arange(len(scores))
    return np.argpartition(scores, len(scores) - count)[len(scores) - count :]
