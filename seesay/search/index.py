"""Bringing a library up to date with the folders: look, read what is new, encode, commit.

    walk (names, sizes, times) ─→ plan ─→ reader threads (digest, decode) ─→ encoder ─→ one commit a batch

A file whose size and time are as remembered is not opened. One whose content is known under
another path is moved or copied, and no pixel is read. Whatever happens, at most the batch in flight is
lost: everything before it is committed, and the next run goes on from there.
"""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from seesay.base.errors import InputError, MissingExtraError
from seesay.encoders.encoder import Encoder
from seesay.inputs.transform import ImageTransform, load_pixels
from seesay.search.store import ErrorRow, FileRow, NewFile, Store
from seesay.search.walk import Walk, is_gone

BATCH = 32  # pictures a commit: what a kill can cost, and where the model's throughput levels off


@dataclass(slots=True)
class Summary:
    """What a run found and did, in files."""

    added: int = 0
    unchanged: int = 0
    changed: int = 0
    moved: int = 0
    removed: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is. `total` is 0 while the folders are still being looked through."""

    done: int
    total: int
    failed: int


Report = Callable[[Progress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A file to read, as the walk saw it. That older stamp is what gets remembered, so a change while reading shows."""

    path: bytes
    size_bytes: int
    mtime_ns: int
    is_known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What a reader thread brought: the content's digest, and pixels unless the content is known."""

    wanted: _Wanted
    digest: bytes = b""
    pixels: NDArray[np.uint8] | None = None
    error: ErrorRow | None = None


@dataclass(slots=True)
class _Plan:
    wanted: list[_Wanted] = field(default_factory=list)
    gone: list[bytes] = field(default_factory=list)


def update(
    store: Store,
    encoder: Encoder,
    roots: Sequence[bytes],
    *,
    report: Report | None = None,
    retry: bool = False,
) -> Summary:
    """Make the library hold what the roots hold now.

    Args:
        store: an open library of which the caller is the writer.
        encoder: the library's model.
        roots: absolute paths of folders and files.
        report: called with the progress, often.
        retry: also read again what failed before and has not changed since.

    Returns:
        The counts. When the run is stopped by an exception, what was committed stays.
    """
    summary = Summary()
    job = store.start_job()
    outcome = "stopped"
    try:
        plan = _look(store, roots, summary, retry=retry)
        _read_all(store, encoder, plan.wanted, summary, report or (lambda progress: None))
        gone = list(_still_gone(store, plan.gone))
        if gone:
            store.remove(gone)
            summary.removed = len(gone)
        outcome = "finished"
    finally:
        store.finish_job(job, outcome, asdict(summary))
    return summary


def _look(store: Store, roots: Sequence[bytes], summary: Summary, *, retry: bool) -> _Plan:
    """Walk the roots and hold them against the library. Opens no file."""
    plan = _Plan()
    walk = Walk(list(roots))
    broken: list[ErrorRow] = []
    for folder, found in walk:
        remembered = store.files_in(folder)
        for file in found:
            path = os.path.join(folder, file.name)
            row = remembered.pop(file.name, None)
            if file.problem:
                broken.append(ErrorRow(path=path, size_bytes=None, mtime_ns=None, reason=file.problem))
            elif row and row.is_current and (row.size_bytes, row.mtime_ns) == (file.size_bytes, file.mtime_ns):
                summary.unchanged += 1
            elif not retry and _failed_before(store, path, file.size_bytes, file.mtime_ns):
                summary.failed += 1
            else:
                plan.wanted.append(
                    _Wanted(
                        path=path,
                        size_bytes=file.size_bytes,
                        mtime_ns=file.mtime_ns,
                        is_known=row is not None,
                    )
                )
        if folder in walk.listed:
            plan.gone += [row.path for row in remembered.values()]
    _fail(store, broken, summary)
    for folder, reason in walk.unreadable.items():
        store.note_unreadable(folder, reason)
        summary.failed += 1
    store.clear_errors([error.path for error in store.errors() if error.path in walk.listed or is_gone(error.path)])
    store.add_mounts(walk.mounts)
    plan.gone += _in_vanished_folders(store, walk)
    return plan


def _failed_before(store: Store, path: bytes, size_bytes: int, mtime_ns: int) -> bool:
    # A failure to open has no size: its cure (a permission, a mount) does not show in size or time, so try again.
    error = store.error_at(path)
    return error is not None and (error.size_bytes, error.mtime_ns) == (size_bytes, mtime_ns)


def _in_vanished_folders(store: Store, walk: Walk) -> Iterator[bytes]:
    """Files of folders and roots that the walk did not come to, unless they are only out of reach."""
    out_of_reach = set(walk.unreadable) | {mount for mount in store.mounts() if not os.path.ismount(mount)}

    for root in walk.roots:
        for folder in store.folders_under(root):
            if folder not in walk.listed and not _is_below(folder, out_of_reach):
                yield from (row.path for row in store.files_in(folder).values())
    yield from (root for root in walk.missing if not _is_below(root, out_of_reach))


def _is_below(path: bytes, places: set[bytes]) -> bool:
    return any(path == place or path.startswith(place.rstrip(b"/") + b"/") for place in places)


def _still_gone(store: Store, paths: Iterable[bytes]) -> Iterator[FileRow]:
    """Those that no reader found again under another name meanwhile."""
    for path in paths:
        folder, name = os.path.split(path)
        row = store.files_in(folder).get(name)
        if row and is_gone(path):
            yield row


def _read_all(store: Store, encoder: Encoder, wanted: Sequence[_Wanted], summary: Summary, report: Report) -> None:
    """Read, encode and commit, a batch at a time, while the threads read ahead."""
    batch: list[_Read] = []
    broken: list[ErrorRow] = []
    report(Progress(done=0, total=len(wanted), failed=summary.failed))
    for done, read in enumerate(_read_ahead(store, encoder.transform, wanted), start=1):
        if read.error:
            broken.append(read.error)
        elif not _adopt(store, read, summary):
            batch.append(read if read.pixels is not None else _read(read.wanted, frozenset(), encoder.transform))
        if len(batch) == BATCH or len(broken) == BATCH:
            _commit(store, encoder, batch, broken, summary)
        report(Progress(done=done, total=len(wanted), failed=summary.failed + len(broken)))
    _commit(store, encoder, batch, broken, summary)


def _read_ahead(store: Store, transform: ImageTransform, wanted: Iterable[_Wanted]) -> Iterator[_Read]:
    """Read with every core, in order, never more than two batches ahead of the model."""
    waiting: deque[Future[_Read]] = deque()
    pool = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="seesay-read")
    try:
        for file in wanted:
            known = store.digests_of_size(file.size_bytes)
            waiting.append(pool.submit(_read, file, known, transform))
            if len(waiting) >= 2 * BATCH:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _read(wanted: _Wanted, known: frozenset[bytes], transform: ImageTransform) -> _Read:
    """In a thread: the digest, and the pixels if the content is not `known`."""
    try:
        with open(wanted.path, "rb") as file:
            digest = hashlib.file_digest(file, partial(hashlib.blake2b, digest_size=16)).digest()
        if digest in known:
            return _Read(wanted=wanted, digest=digest)
        return _Read(wanted=wanted, digest=digest, pixels=load_pixels(os.fsdecode(wanted.path), transform))
    except OSError as error:
        reason = f"cannot be opened: {error.strerror or error}"
        return _Read(wanted=wanted, error=ErrorRow(path=wanted.path, size_bytes=None, mtime_ns=None, reason=reason))
    except (InputError, MissingExtraError) as error:
        return _Read(
            wanted=wanted,
            error=ErrorRow(path=wanted.path, size_bytes=wanted.size_bytes, mtime_ns=wanted.mtime_ns, reason=str(error)),
        )


def _adopt(store: Store, read: _Read, summary: Summary) -> bool:
    """Is the content in the library? Then this is the same file touched, a moved one, or another copy."""
    wanted = read.wanted
    rows = store.with_digest(read.digest)
    if not rows:  # or no longer: the file that had it was replaced a moment ago
        return False
    same = [row for row in rows if row.path == wanted.path]
    moved = [row for row in rows if is_gone(row.path)]
    if same:
        store.move(same[0], wanted.path, mtime_ns=wanted.mtime_ns)
        summary.unchanged += 1
    elif moved:
        store.move(moved[0], wanted.path, mtime_ns=wanted.mtime_ns)
        summary.moved += 1
    else:
        store.copy(rows[0], wanted.path, mtime_ns=wanted.mtime_ns)
        _count(wanted, summary)
    return True


def _commit(store: Store, encoder: Encoder, batch: list[_Read], broken: list[ErrorRow], summary: Summary) -> None:
    """Encode what was read and write it down, then empty both lists."""
    if batch:
        vectors = encoder.encode_pixels(np.stack([read.pixels for read in batch if read.pixels is not None]))
        store.put(
            [
                NewFile(
                    path=read.wanted.path,
                    size_bytes=read.wanted.size_bytes,
                    mtime_ns=read.wanted.mtime_ns,
                    digest=read.digest,
                    vector=vector,
                )
                for read, vector in zip(batch, vectors, strict=True)
            ]
        )
        for read in batch:
            _count(read.wanted, summary)
    _fail(store, broken, summary)
    batch.clear()
    broken.clear()


def _count(wanted: _Wanted, summary: Summary) -> None:
    if wanted.is_known:
        summary.changed += 1
    else:
        summary.added += 1


def _fail(store: Store, broken: Sequence[ErrorRow], summary: Summary) -> None:
    if broken:
        store.fail(broken)
        summary.failed += len(broken)
