"""Every picture encoded once: vectors in files, by encoder and pictures, that any number of tasks and runs share.

    CACHE/vectors/ENCODER/PICTURES/images.npy     (N, E) float32, mapped into memory
                                  /features.npy   (N, D), where a task wanted them
                                  /blocks.jsonl   a line a block of pictures, written after its rows are on the disk

A block that has its line is whole, whatever killed the process; the next run goes on with the others. While the model
runs, threads read the pictures of the next block. A picture that cannot be read becomes a row of zeros and a reason.

Shape legend: N pictures, E embedding, D the image tower's own width.
"""

import json
import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeAlias

import filelock
import numpy as np
from numpy.typing import NDArray

from seesay.base.errors import DataError, InputError
from seesay.encoders.encoder import Encoder, Vectors
from seesay.evaluation.adapters import Wrapped, unit_rows
from seesay.evaluation.dataset import Pictures
from seesay.inputs.pictures import Source
from seesay.inputs.transform import load_pixels

BLOCK = 256
"""Pictures a block: what a kill can cost, and what is in memory twice."""
THREADS = min(8, os.cpu_count() or 1)

IMAGES, FEATURES = "images", "features"
_JOURNAL = "blocks.jsonl"

Rows: TypeAlias = dict[str, Vectors]
"""By kind, the rows of some pictures."""


class Sight(NamedTuple):
    """How an encoder takes pictures, in two steps: one for threads, one for the model."""

    read: Callable[[Source], Any]
    encode: Callable[[list[Any]], Rows]
    kinds: tuple[str, ...]
    """What `encode` gives."""


class Progress(NamedTuple):
    """How far a pass is, in pictures."""

    done: int
    total: int


Report: TypeAlias = Callable[[Progress], None]


@dataclass(slots=True)
class Encoded:
    """What is known of N pictures."""

    rows: dict[str, NDArray[np.float32]]
    """By kind (N, ...)."""
    unreadable: dict[int, str] = field(default_factory=dict)
    """Number of a picture -> why it could not be read; its rows are zeros."""


def sight_of(encoder: Encoder | Wrapped, *, with_features: bool) -> Sight:
    """How an encoder takes pictures.

    Args:
        encoder: ours or a wrapped one.
        with_features: also what its tower says before the projection, in the same run of it.
    """
    if isinstance(encoder, Wrapped):
        wrapped = encoder
        return Sight(
            lambda source: wrapped.read(wrapped.open(source)),
            lambda some: {IMAGES: unit_rows(wrapped.encode_images(some))},
            (IMAGES,),
        )
    ours = encoder

    def both(some: list[Any]) -> Rows:
        vectors, features = ours.encode_pixels_and_features(np.stack(some))
        return {IMAGES: vectors, FEATURES: features}

    return Sight(
        lambda source: load_pixels(source, ours.transform),
        both if with_features else lambda some: {IMAGES: ours.encode_pixels(np.stack(some))},
        (IMAGES, FEATURES) if with_features else (IMAGES,),
    )


def encode_all(
    pictures: Pictures, sight: Sight, folder: Path | None, *, report: Report = lambda _: None, block: int = BLOCK
) -> Encoded:
    """Encode what is not encoded yet.

    Args:
        pictures: N of them.
        sight: see `sight_of`.
        folder: where the vectors are kept; None keeps them in memory and forgets them.
        report: told how far it is.
        block: pictures a block.

    Raises:
        DataError: no picture could be read.
        MissingExtraError: a picture's format needs an optional package, which is no fault of the picture.
    """
    if folder is None:
        encoded = _fill(pictures, sight, _Memory(len(pictures)), report, block)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / ".lock"):
            encoded = _fill(pictures, sight, _Files(folder, len(pictures), block), report, block)
    if len(pictures) and len(encoded.unreadable) == len(pictures):
        raise DataError(f"none of the {len(pictures)} pictures can be read; {pictures.key(0)}: {encoded.unreadable[0]}")
    return encoded


def vectors_folder(cache: Path, encoder: str, digest: str) -> Path:
    """Where the vectors of some pictures by some encoder are kept."""
    return cache / "vectors" / slug(encoder) / digest


def slug(name: str) -> str:
    """A name as one folder's."""
    return re.sub(r"[^\w.@-]+", "--", name)


class _Memory:
    """Rows that are forgotten."""

    def __init__(self, num: int) -> None:
        self._num = num
        self.encoded = Encoded({})

    def is_done(self, number: int, kinds: Sequence[str]) -> bool:
        return False

    def put(self, number: int, start: int, rows: Rows, unreadable: dict[int, str]) -> None:
        for kind, some in rows.items():
            whole = self.encoded.rows.setdefault(kind, np.zeros((self._num, some.shape[1]), np.float32))
            whole[start : start + len(some)] = some
        self.encoded.unreadable.update(unreadable)


class _Files:
    """Rows in a folder, with a journal of the blocks that are whole."""

    def __init__(self, folder: Path, num: int, block: int) -> None:
        self._folder, self._num, self._block = folder, num, block
        self.encoded = Encoded({})
        self._done: dict[int, set[str]] = {}
        for kind in (IMAGES, FEATURES):
            if (rows := self._open(kind)) is not None:
                self.encoded.rows[kind] = rows
        for line in self._journal():
            known = set(line["kinds"]) & self.encoded.rows.keys()
            self._done.setdefault(line["number"], set()).update(known)
            self.encoded.unreadable.update({int(place): reason for place, reason in line["unreadable"].items()})

    def is_done(self, number: int, kinds: Sequence[str]) -> bool:
        return set(kinds) <= self._done.get(number, set())

    def put(self, number: int, start: int, rows: Rows, unreadable: dict[int, str]) -> None:
        for kind, some in rows.items():
            if kind not in self.encoded.rows:
                self.encoded.rows[kind] = self._make(kind, some.shape[1])
            whole = self.encoded.rows[kind]
            whole[start : start + len(some)] = some
            assert isinstance(whole, np.memmap)
            whole.flush()
        line = {"number": number, "block": self._block, "kinds": sorted(rows), "unreadable": unreadable}
        with (self._folder / _JOURNAL).open("a+b") as file:
            _end_line(file)
            file.write(json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.encoded.unreadable.update(unreadable)

    def _journal(self) -> Iterator[dict[str, Any]]:
        try:
            lines = (self._folder / _JOURNAL).read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return
        for line in lines:
            if not line.endswith(b"\n"):
                continue  # cut off while it was written: the block is encoded again
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if found["block"] == self._block:
                yield found

    def _open(self, kind: str) -> NDArray[np.float32] | None:
        try:
            rows: NDArray[np.float32] = np.lib.format.open_memmap(self._folder / f"{kind}.npy", mode="r+")
        except (OSError, ValueError):
            return None
        return rows if rows.ndim == 2 and len(rows) == self._num and rows.dtype == np.float32 else None

    def _make(self, kind: str, dim: int) -> NDArray[np.float32]:
        path = self._folder / f"{kind}.npy"
        fresh = path.with_suffix(".new")
        np.lib.format.open_memmap(fresh, mode="w+", dtype=np.float32, shape=(self._num, dim))
        fresh.replace(path)
        rows: NDArray[np.float32] = np.lib.format.open_memmap(path, mode="r+")
        return rows


def _fill(pictures: Pictures, sight: Sight, store: _Memory | _Files, report: Report, block: int) -> Encoded:
    """Bring every block that is missing, reading one ahead of the model."""
    spans = [range(start, min(start + block, len(pictures))) for start in range(0, len(pictures), block)]
    wanted = [number for number in range(len(spans)) if not store.is_done(number, sight.kinds)]
    done = len(pictures) - sum(len(spans[number]) for number in wanted)
    report(Progress(done, len(pictures)))
    blank: list[tuple[int, dict[int, str]]] = []  # blocks without one picture: how wide their zeros are shows later
    for number, read in _read_ahead(pictures, sight, [(number, spans[number]) for number in wanted]):
        span = spans[number]
        unreadable = {place: found for place, found in zip(span, read, strict=True) if isinstance(found, _Unreadable)}
        reasons = {place: found.reason for place, found in unreadable.items()}
        good = [place - span.start for place in span if place not in unreadable]
        if good:
            store.put(
                number, span.start, _spread(sight.encode([read[place] for place in good]), good, len(span)), reasons
            )
        else:
            blank.append((number, reasons))
        done += len(span)
        report(Progress(done, len(pictures)))
    for number, reasons in blank:
        zeros = {
            kind: np.zeros((len(spans[number]), rows.shape[1]), np.float32)
            for kind, rows in store.encoded.rows.items()
            if kind in sight.kinds
        }
        store.put(number, spans[number].start, zeros, reasons)
    return store.encoded


class _Unreadable(NamedTuple):
    reason: str


def _read_ahead(pictures: Pictures, sight: Sight, blocks: list[tuple[int, range]]) -> Iterator[tuple[int, list[Any]]]:
    """Each block with what was read of its pictures."""

    def read(place: int) -> Any:
        try:
            return sight.read(pictures[place])
        except InputError as error:
            return _Unreadable(str(error))

    waiting: deque[tuple[int, list[Future[Any]]]] = deque()
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="seesay-read")
    try:
        upcoming = iter(blocks)
        while True:
            for number, span in islice(upcoming, 2 - len(waiting)):
                waiting.append((number, [pool.submit(read, place) for place in span]))
            if not waiting:
                return
            number, futures = waiting.popleft()
            yield number, [future.result() for future in futures]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _spread(rows: Rows, places: list[int], num: int) -> Rows:
    """Rows at their places among zeros."""
    found = {}
    for kind, some in rows.items():
        whole = np.zeros((num, some.shape[1]), np.float32)
        whole[places] = some
        found[kind] = whole
    return found


def _end_line(file: IO[bytes]) -> None:
    """Close a line that a kill left open."""
    size = file.seek(0, os.SEEK_END)
    if size:
        file.seek(size - 1)
        if file.read(1) != b"\n":
            file.write(b"\n")
