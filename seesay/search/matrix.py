"""The matrix that exact search scans: float16 rows in a memory-mapped file, derived from the store.

Two files: `matrix-*.f16` holds the rows and only ever grows; `matrix.index` names it, says what it
was derived from, holds the item id of every row (negative: that item is gone), and is replaced as a
whole. Both can be deleted at any time. Rows of an item never change (an item id is never used
twice), so following the store means appending new items and crossing out old ones; when a
quarter is crossed out, the file is written anew.

Shape legend: N rows, E embedding.
"""

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import filelock
import numpy as np
import simsimd
from numpy.typing import NDArray

from seesay.search.store import VECTOR, Store

INDEX = "matrix.index"
LOCK = "matrix.lock"
FORMAT = 1
CHUNK_ROWS = 1 << 20  # scores of one chunk are 8 MB, whatever the size of the library
MAX_GONE = 0.25
# of 384 numbers: one thread scans these in some 8 ms; several wait for each other, on a busy machine far longer
ALONE_ROWS = 200_000
SAMPLE = 4096  # rows that say how much scores differ
ALIKE = 0.6  # cosine from which on two items that follow each other show the same: frames of a shot, a row of snapshots
SAMPLED_PAIRS = 2048
MARGIN = 32  # rows scored again in float32 beyond those asked for: the scan's query is float16


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    """The first line of the index file, as JSON."""

    format: int
    rows_file: str
    model: str
    dim: int
    generation: int
    num_rows: int


class Matrix:
    """A view of the library's vectors at one moment.

    Attributes:
        ids: (N,) item ids, ascending by magnitude; negative where the item is gone.
        rows: (N, E) float16 unit rows.
    """

    def __init__(self, ids: NDArray[np.int64], rows: NDArray[np.float16]) -> None:
        """Take the arrays as they are."""
        self.ids = ids
        self.rows = rows

    @classmethod
    def of(cls, store: Store) -> "Matrix":
        """The matrix of a store, brought up to date where it is behind. Call it inside `store.snapshot()`."""
        model = store.model()
        if model is None:
            return cls(np.empty(0, np.int64), np.empty((0, 0), VECTOR))
        name, dim = model
        generation = store.generation()
        found = _read(store.folder)
        if found and found[0].generation == generation and found[0].model == name:
            return cls(found[1], _map(store.folder, found[0]))
        try:
            with filelock.FileLock(store.folder / LOCK, timeout=0):
                header, ids = _follow(store, name, dim, generation, found)
                return cls(ids, _map(store.folder, header))
        except (filelock.Timeout, OSError, NotImplementedError):
            # Somebody else is writing it, or it cannot be written: a read-only or full disk, a disk without locks.
            return cls._from_record(store, dim)

    @classmethod
    def _from_record(cls, store: Store, dim: int) -> "Matrix":
        ids: list[int] = []
        rows = bytearray()
        for item, vector in store.items.vectors_after(0):
            ids.append(item)
            rows += vector
        return cls(np.array(ids, np.int64), np.frombuffer(bytes(rows), VECTOR).reshape(-1, dim))

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
        """
        positions = self._positions(allowed)
        count = len(self.ids) if positions is None else len(positions)
        wanted = min(limit + MARGIN, count)
        best = np.empty(0, np.int64)
        scores = np.empty(0, np.float64)
        half = query.astype(VECTOR)[None]
        for start, chunk in self._chunks(positions):
            threads = 1 if len(chunk) <= ALONE_ROWS else 0  # 0: all
            found = np.asarray(simsimd.cdist(half, chunk, metric="dot", threads=threads), np.float64).reshape(-1)
            take = _largest(found, wanted)
            best = np.concatenate([best, take + start])
            scores = np.concatenate([scores, found[take]])
            keep = _largest(scores, wanted)
            best, scores = best[keep], scores[keep]
        if positions is not None:
            best = positions[best]
        exact = self.rows[best].astype(np.float32) @ query
        ids = self.ids[best]
        order = np.lexsort((ids, -exact))[:limit]
        return ids[order], exact[order]

    def scores(self, query: NDArray[np.float32], ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Cosines of these items, in their order; every id must be one of the matrix.

        Args:
            query: (E,) unit vector.
            ids: (M,) item ids.
        """
        positions = np.searchsorted(np.abs(self.ids), ids)
        assert (self.ids[positions] == ids).all()
        return self.rows[positions].astype(np.float32) @ query

    def spread(self, query: NDArray[np.float32]) -> float:
        """Standard deviation of the query's cosines over the library, from at most `SAMPLE` items, evenly taken."""
        alive = np.flatnonzero(self.ids > 0)
        if len(alive) == 0:
            return 0.0
        rows = self.rows[alive[:: -(-len(alive) // SAMPLE)]].astype(np.float32)
        return float(np.std(rows @ query))

    @cached_property
    def num_pictures(self) -> int:
        """How many items are unlike the one before them; of very many a sample says the share."""
        alive = np.flatnonzero(self.ids > 0)
        if len(alive) < 2:
            return len(alive)
        firsts = np.arange(0, len(alive) - 1, -(-(len(alive) - 1) // SAMPLED_PAIRS))
        ones, others = (self.rows[alive[numbers]].astype(np.float32) for numbers in (firsts, firsts + 1))
        share = float(np.mean((ones * others).sum(axis=1) < ALIKE))
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


def _largest(scores: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    if count >= len(scores):
        return np.arange(len(scores))
    return np.argpartition(scores, len(scores) - count)[len(scores) - count :]


def _read(folder: Path) -> tuple[_Header, NDArray[np.int64]] | None:
    """The index file, or None when it is missing or is not what we would have written."""
    try:
        line, _, data = (folder / INDEX).read_bytes().partition(b"\n")
        header = _Header(**json.loads(line))
        size_bytes = (folder / header.rows_file).stat().st_size
    except (OSError, ValueError, TypeError):
        return None
    whole = len(data) == 8 * header.num_rows and size_bytes >= header.num_rows * header.dim * VECTOR.itemsize
    return (header, np.frombuffer(data, "<i8")) if header.format == FORMAT and whole else None


def _map(folder: Path, header: _Header) -> NDArray[np.float16]:
    shape = (header.num_rows, header.dim)
    if header.num_rows == 0:  # an empty file cannot be mapped
        return np.empty(shape, VECTOR)
    return np.memmap(folder / header.rows_file, VECTOR, "r", shape=shape)


def _follow(
    store: Store, model: str, dim: int, generation: int, found: tuple[_Header, NDArray[np.int64]] | None
) -> tuple[_Header, NDArray[np.int64]]:
    """Bring the files up to the store's generation: append and cross out, or write them anew."""
    alive = store.items.ids()
    fits = found is not None and (found[0].model, found[0].dim) == (model, dim) and found[0].generation < generation
    if found is not None and fits:
        known = np.abs(found[1])
        old = np.where(np.isin(known, alive), known, -known)
        fits = int(np.count_nonzero(old < 0)) <= MAX_GONE * len(old)
    if found is None or not fits:
        old = np.empty(0, np.int64)
        rows_file = f"matrix-{secrets.token_hex(4)}.f16"
    else:
        rows_file = found[0].rows_file
    row_bytes = dim * VECTOR.itemsize
    new: list[int] = []
    temporary = store.folder / f"{INDEX}.new"
    try:
        with (store.folder / rows_file).open("ab") as file:
            file.truncate(len(old) * row_bytes)  # what a killed run appended without naming it
            for item, vector in store.items.vectors_after(int(abs(old[-1])) if len(old) else 0):
                assert len(vector) == row_bytes, f"vector of item {item} has {len(vector)} bytes, not {row_bytes}"
                file.write(vector)
                new.append(item)
        ids = np.concatenate([old, np.array(new, np.int64)])
        header = _Header(
            format=FORMAT, rows_file=rows_file, model=model, dim=dim, generation=generation, num_rows=len(ids)
        )
        temporary.write_bytes(json.dumps(asdict(header)).encode() + b"\n" + ids.astype("<i8").tobytes())
        temporary.replace(store.folder / INDEX)
    except OSError:
        _take_back(store.folder / rows_file, len(old) * row_bytes, temporary)
        raise
    for stale in store.folder.glob("matrix-*.f16"):
        if stale.name != rows_file:
            with contextlib.suppress(OSError):  # Windows keeps a mapped file; the next rewrite removes it
                os.unlink(stale)
    return header, ids


def _take_back(rows: Path, length_bytes: int, temporary: Path) -> None:
    """Give a full disk back what was written in vain."""
    with contextlib.suppress(OSError):
        temporary.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        if length_bytes:
            os.truncate(rows, length_bytes)
        else:
            rows.unlink(missing_ok=True)
