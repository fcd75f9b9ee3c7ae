"""The two files of the matrix: read as if a stranger had written them, written as a whole, and checked.

A library may come from somebody else, or from a disk that loses bits. So nothing in these files is believed that was
not looked at: a name has no folder in it, a link is not followed, a pipe is not opened, numbers fit the record, and
sums say whether the bytes are those that were written. What does not fit is made again from the record.

Shape legend: N rows, E embedding.
"""

import contextlib
import hashlib
import json
import os
import re
import secrets
import stat
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import filelock
import numpy as np
from numpy.typing import NDArray

from seesay.base.errors import LibraryError
from seesay.search.store import LOCK as WRITER_LOCK
from seesay.search.store import VECTOR, Store, check_lock

INDEX = "matrix.index"
LOCK = "matrix.lock"
FORMAT = 2
ROWS_A_SUM = 1 << 16
MAX_GONE = 0.25
# Up to here the sums are looked at whenever the files are opened: some 10 ms, as long as a scan. Above, `index` and
# `doctor` look at them, and a search only at the rows that it shows.
SUMMED_AT_OPEN_BYTES = 64 << 20
MOST_HEADER_BYTES = 1 << 20
MOST_ROWS = 1 << 27  # their ids are 1 GB
UNIT_WITHIN = 0.01  # float16 of 1024 numbers differs from length 1 by less than a thousandth
_BLOCK = 4096
_ROWS_FILE = re.compile(r"matrix-[0-9a-f]{1,32}\.f16")


class MatrixDamagedError(LibraryError):
    """The matrix is not what the record says. It is made again where this is caught."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The first line of the index file, as JSON."""

    format: int = FORMAT
    rows_file: str
    library: str
    """The identity of the library that it was derived from."""
    model: str
    dim: int
    generation: int
    num_rows: int
    sums: list[int] = field(default_factory=list)
    """CRC-32 of every `ROWS_A_SUM` rows."""
    digest: str = ""
    """BLAKE2b of this header without it, and of the ids."""

    def digest_with(self, ids: bytes) -> str:
        """What `digest` must be."""
        line = json.dumps(asdict(replace(self, digest="")), sort_keys=True)
        return hashlib.blake2b(line.encode() + b"\n" + ids, digest_size=16).hexdigest()


class Found(NamedTuple):
    """What the index file says, and the rows file, mapped: (N,) ids, ascending by magnitude, and (N, E) rows."""

    header: Header
    ids: NDArray[np.int64]
    rows: NDArray[np.float16]


# --- reading ----------------------------------------------------------------------------------------


def read(store: Store, dim: int, *, is_whole: bool = False) -> Found | None:
    """The files, or None when they are missing or are not what we would have written for this library.

    Args:
        store: in a snapshot.
        dim: of the library's model.
        is_whole: look at every sum, whatever the size, and also at files with too many rows that are crossed out.
    """
    try:
        most_rows = MOST_ROWS if is_whole else int(len(store.items) / (1 - MAX_GONE)) + 1
        header, data = _read_index(store.folder, most_rows=most_rows)
        if header.dim != dim or header.library != store.identity():
            return None
        ids = np.frombuffer(data, "<i8").astype(np.int64)
        rows = _map(store.folder, header)
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    known = np.abs(ids)
    if len(ids) and (known[0] <= 0 or (np.diff(known) <= 0).any()):
        return None
    is_looked_at = is_whole or rows.nbytes <= SUMMED_AT_OPEN_BYTES
    if is_looked_at and Sums.of(rows).values != header.sums:
        return None
    return Found(header, ids, rows)


def mend(store: Store) -> None:
    """Remove the index file where a sum is wrong, so that both files are made again when they are next needed.

    Raises:
        OSError: it cannot be removed.
    """
    with store.snapshot():
        model = store.model()
        is_sound = model is None or read(store, model[1], is_whole=True) is not None
    if not is_sound:
        (store.folder / INDEX).unlink(missing_ok=True)


def check(store: Store) -> str | None:
    """What is wrong with the files, with the cure; None where they are sound, behind, or not there. Reads all rows."""
    for lock in (LOCK, WRITER_LOCK):
        try:
            check_lock(store.folder / lock)
        except OSError as error:
            return f"in {store.folder}, {error.strerror}"
    if (store.folder / INDEX).is_dir():
        return f"{store.folder / INDEX} is a folder, so that the matrix cannot be kept; remove it"
    with store.snapshot():
        model = store.model()
        if model is None or _is_of_another_version(store.folder):
            return None
        found = read(store, model[1], is_whole=True)
        if found is not None and _agrees(store, found, model[1]):
            return None
    return f"{store.folder / INDEX} or the rows that it names are damaged or of another library; run `seesay index`"


def check_record(store: Store) -> list[str]:
    """What is wrong with the vectors of the record itself; empty when they are sound. Reads all of them."""
    model = store.model()
    if model is None:
        return []
    num_bad = sum(int((~rows.any(axis=1)).sum()) for _, rows in unit_blocks(store.items.vectors_after(0), model[1]))
    return [f"{num_bad} of its vectors are not of length 1"] if num_bad else []


def _agrees(store: Store, found: Found, dim: int) -> bool:
    """Whether the rows are those of the record, as far as both have them."""
    for ids, rows in unit_blocks(store.items.vectors_after(0), dim):
        at = np.searchsorted(np.abs(found.ids), ids)
        is_here = at < len(found.ids)
        is_here[is_here] = found.ids[at[is_here]] == ids[is_here]
        if differing(found.rows[at[is_here]], rows[is_here]).any():
            return False
    return True


def _is_of_another_version(folder: Path) -> bool:
    """Or not there at all."""
    try:
        with open_own(folder / INDEX) as file:
            written = json.loads(file.readline(MOST_HEADER_BYTES))
    except FileNotFoundError:
        return True
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(written, dict) and type(written.get("format")) is int and written["format"] != FORMAT


def _read_index(folder: Path, *, most_rows: int) -> tuple[Header, bytes]:
    """Raises ValueError or TypeError where it is not one of ours."""
    with open_own(folder / INDEX) as file:
        header = Header(**json.loads(file.readline(MOST_HEADER_BYTES)))
        numbers = header.format, header.dim, header.generation, header.num_rows
        if any(type(number) is not int or number < 0 for number in (*numbers, *header.sums)):
            raise ValueError("a number that is none")
        if not isinstance(header.rows_file, str) or not _ROWS_FILE.fullmatch(header.rows_file):
            raise ValueError("a name that no file of ours has")
        if header.format != FORMAT or header.num_rows > most_rows:
            raise ValueError("another format, or more rows than the library can have")
        data = file.read(8 * header.num_rows + 1)
    if len(data) != 8 * header.num_rows or header.digest_with(data) != header.digest:
        raise ValueError("it was changed")
    return header, data


def _map(folder: Path, header: Header) -> NDArray[np.float16]:
    shape = (header.num_rows, header.dim)
    with open_own(folder / header.rows_file) as file:
        if os.fstat(file.fileno()).st_size < header.num_rows * header.dim * VECTOR.itemsize:
            raise ValueError("rows are missing")
        if header.num_rows == 0:  # an empty file cannot be mapped
            return np.empty(shape, VECTOR)
        return np.memmap(file, VECTOR, "r", shape=shape)


def open_own(path: Path) -> BinaryIO:
    """Open a regular file of the library to read; never through a link, and never waiting for a pipe.

    Raises:
        OSError: it is not there, or is a link.
        ValueError: it is something else than a file.
    """
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    file = os.fdopen(number, "rb")
    if not stat.S_ISREG(os.fstat(number).st_mode):
        file.close()
        raise ValueError("not a regular file")
    return file


# --- what was written -------------------------------------------------------------------------------


class Sums:
    """CRC-32 of every `ROWS_A_SUM` rows, as they come.

    Attributes:
        values: the last one is of the rows so far.
    """

    def __init__(self, values: Sequence[int] = (), num_rows: int = 0) -> None:
        """Go on after `num_rows` rows."""
        self.values = list(values)
        self._num_rows = num_rows

    @classmethod
    def of(cls, rows: NDArray[np.float16]) -> "Sums":
        """Of (N, E) rows."""
        sums = cls()
        sums.add(rows)
        return sums

    def add(self, rows: NDArray[np.float16]) -> None:
        """Take (M, E) more rows, contiguous."""
        while len(rows):
            begun = self._num_rows % ROWS_A_SUM
            if begun == 0:
                self.values.append(0)
            part, rows = rows[: ROWS_A_SUM - begun], rows[ROWS_A_SUM - begun :]
            self.values[-1] = zlib.crc32(part.data, self.values[-1])
            self._num_rows += len(part)


def unit_blocks(
    vectors: Iterator[tuple[int, Any]], dim: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float16]]]:
    """Vectors of the record in blocks: (M,) item ids and (M, E) rows, as `unit_rows` has them."""
    while part := list(islice(vectors, _BLOCK)):
        yield np.array([item for item, _ in part], np.int64), unit_rows([vector for _, vector in part], dim)


def unit_rows(vectors: Sequence[Any], dim: int) -> NDArray[np.float16]:
    """(M, E) rows of what the record has; 0 where that is no unit vector, so that nothing finds it."""
    size_bytes = dim * VECTOR.itemsize
    none = bytes(size_bytes)
    whole = b"".join(each if isinstance(each, bytes) and len(each) == size_bytes else none for each in vectors)
    rows = np.frombuffer(whole, VECTOR).reshape(-1, dim).copy()
    lengths = np.linalg.norm(rows.astype(np.float32), axis=1)
    rows[~(np.abs(lengths - 1) <= UNIT_WITHIN)] = 0  # NaN is not within either
    return rows


# --- writing ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the only one who writes the files.

    Raises:
        OSError: the lock cannot be had on this disk, or is no lock of ours; filelock.Timeout: another has it.
    """
    check_lock(folder / LOCK)
    with filelock.FileLock(folder / LOCK, timeout=0):
        yield


def follow(
    store: Store, model: str, dim: int, generation: int, found: Found | None
) -> tuple[Header, NDArray[np.int64]]:
    """Bring the files up to the store's generation: append and cross out, or write them anew. Call it when `locked`.

    Args:
        store: in a snapshot.
        model: the id of the library's.
        dim: of it.
        generation: of the store.
        found: what is there; None to write them anew.

    Raises:
        OSError: they cannot be written.
    """
    header, old = _kept(store, model, dim, generation, found)
    sums = Sums(header.sums, len(old))
    new = [np.empty(0, np.int64)]
    length_bytes = len(old) * dim * VECTOR.itemsize
    try:
        with _open_rows(store.folder / header.rows_file, length_bytes) as file:
            for ids, rows in unit_blocks(store.items.vectors_after(int(abs(old[-1])) if len(old) else 0), dim):
                file.write(rows.data)
                sums.add(rows)
                new.append(ids)
        ids = np.concatenate([old, *new])
        header = replace(header, generation=generation, num_rows=len(ids), sums=sums.values)
        _write_index(store.folder, header, ids.astype("<i8").tobytes())
    except OSError:
        _take_back(store.folder, header.rows_file, length_bytes)
        raise
    for stale in store.folder.glob("matrix-*.f16"):
        if stale.name != header.rows_file:
            with contextlib.suppress(OSError):  # Windows keeps a mapped file; the next rewrite removes it
                os.unlink(stale)
    return header, ids


def _kept(store: Store, model: str, dim: int, generation: int, found: Found | None) -> tuple[Header, NDArray[np.int64]]:
    """What of the files stays: their header, and the ids with those crossed out that are gone. Or a new header."""
    if found is not None and found.header.model == model and found.header.generation < generation:
        known = np.abs(found.ids)
        old = np.where(np.isin(known, store.items.ids()), known, -known)
        is_own = _is_only_here(store.folder / found.header.rows_file)
        if is_own and int(np.count_nonzero(old < 0)) <= MAX_GONE * len(old):
            return found.header, old
    header = Header(
        rows_file=f"matrix-{secrets.token_hex(4)}.f16",
        library=store.identity(),
        model=model,
        dim=dim,
        generation=generation,
        num_rows=0,
    )
    return header, np.empty(0, np.int64)


def _is_only_here(path: Path) -> bool:
    """Whether a file has no other name, in a backup made of hard links or anywhere else."""
    status = path.lstat()
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1


def _open_rows(path: Path, length_bytes: int) -> BinaryIO:
    """The rows file, to append to after so many bytes."""
    how = 0 if length_bytes else os.O_CREAT | os.O_EXCL
    if not length_bytes:
        path.unlink(missing_ok=True)
    number = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | how, 0o666)
    file = os.fdopen(number, "wb")
    try:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise OSError(f"{path.name} is no file of this library alone")
        file.truncate(length_bytes)  # what a killed run appended without naming it
        file.seek(length_bytes)
    except OSError:
        file.close()
        raise
    return file


def _write_index(folder: Path, header: Header, ids: bytes) -> None:
    temporary = folder / f"{INDEX}.new"
    temporary.unlink(missing_ok=True)  # of a killed run, or a link that somebody put there
    line = json.dumps(asdict(replace(header, digest=header.digest_with(ids)))).encode()
    number = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    with os.fdopen(number, "wb") as file:
        file.writelines([line, b"\n", ids])
    temporary.replace(folder / INDEX)


def _take_back(folder: Path, rows_file: str, length_bytes: int) -> None:
    """Give a full disk back what was written in vain."""
    with contextlib.suppress(OSError):
        (folder / f"{INDEX}.new").unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        if length_bytes:
            _open_rows(folder / rows_file, length_bytes).close()
        else:
            (folder / rows_file).unlink(missing_ok=True)


def differing(mapped: NDArray[np.float16], recorded: NDArray[np.float16]) -> NDArray[np.bool_]:
    """(M,) which of (M, E) rows are not those of the record, to the last bit."""
    return np.asarray((mapped.view(np.uint16) != recorded.view(np.uint16)).any(axis=1))
