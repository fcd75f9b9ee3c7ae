"""Bringing a library up to date with the folders: look, read what is new, encode, commit.

    walk (names, sizes, times) ─→ plan ─→ reader threads (digest, decode) ─→ encoder ─→ one commit a batch

A file whose size and time are as remembered is not opened. One whose content is known under
another path is moved or copied, and no pixel is read. A batch holds pictures and moments of videos
alike, and with it the position in a video is committed. Whatever happens, at most the batch in flight is
lost: everything before it is committed, and the next run goes on from there, inside a long video too.
"""

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from seesay.base.errors import InputError, MissingExtraError
from seesay.encoders.encoder import Encoder
from seesay.inputs.video import VIDEO_SUFFIXES, read_info
from seesay.search.detail import Detail
from seesay.search.reading import (
    Chunk,
    Read,
    Wanted,
    error_row,
    read_heads,
    read_picture,
    read_pictures,
    read_video,
)
from seesay.search.rows import Box, ErrorRow, FilePart, FileRow, NewItem
from seesay.search.store import Store
from seesay.search.walk import Walk, is_gone

BATCH = 32  # pictures a commit: what a kill can cost, and where the model's throughput levels off
NOTE_EVERY_S = 1.0
_VIDEO_SUFFIXES = tuple(suffix.encode() for suffix in VIDEO_SUFFIXES)


@dataclass(slots=True)
class Summary:
    """What a run found and did, in files."""

    added: int = 0
    unchanged: int = 0
    changed: int = 0
    moved: int = 0
    removed: int = 0
    failed: int = 0
    incomplete: int = 0
    """Of those added or changed: damaged videos, which gave what they hold and a line in the ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is, in files. `total` is 0 while the folders are still being looked through."""

    done: int
    total: int
    failed: int
    path: bytes | None = None
    """The video that is being read."""
    position_s: float = 0.0
    """Up to where it was read."""
    duration_s: float = 0.0
    """How long it says that it is; 0 where it does not."""


Report = Callable[[Progress], None]


@dataclass(slots=True)
class _Plan:
    pictures: list[Wanted] = field(default_factory=list)
    videos: list[Wanted] = field(default_factory=list)
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
        _Run(store, encoder, summary, _noted(store, job, report)).read(plan)
        gone = list(_still_gone(store, plan.gone))
        if gone:
            store.remove(gone)
            summary.removed = len(gone)
        outcome = "finished"
    finally:
        store.finish_job(job, outcome, asdict(summary))
    return summary


def _noted(store: Store, job: int, report: Report | None) -> Report:
    """Tell the caller how far it is, and now and then the journal, where other processes see it."""
    noted_at = -math.inf

    def note(progress: Progress) -> None:
        nonlocal noted_at
        if time.monotonic() - noted_at >= NOTE_EVERY_S:
            noted_at = time.monotonic()
            store.report_job(job, progress.done, progress.total)
        if report is not None:
            report(progress)

    return note


def _look(store: Store, roots: Sequence[bytes], summary: Summary, *, retry: bool) -> _Plan:
    """Walk the roots and hold them against the library. Opens no file."""
    plan = _Plan()
    walk = Walk(list(roots))
    details = _Details(store.roots())
    broken: list[ErrorRow] = []
    for folder, found in walk:
        remembered = store.files_in(folder)
        for file in found:
            path = os.path.join(folder, file.name)
            row = remembered.pop(file.name, None)
            if file.problem:
                broken.append(ErrorRow(path=path, size_bytes=None, mtime_ns=None, reason=file.problem))
                continue
            wanted = Wanted(
                path=path,
                size_bytes=file.size_bytes,
                mtime_ns=file.mtime_ns,
                is_known=row is not None,
                detail=details.of(folder, path),
            )
            if row is None and not retry and _failed_before(store, wanted):
                summary.failed += 1
            else:
                _hold(plan, wanted, row, summary)
        if folder in walk.listed:
            plan.gone += [row.path for row in remembered.values()]
    _fail(store, broken, summary)
    for folder, reason in walk.unreadable.items():
        store.note_unreadable(folder, reason)
        summary.failed += 1
    store.clear_errors([error.path for error in store.errors() if error.path in walk.listed or _is_over(store, error)])
    store.add_mounts(walk.mounts)
    plan.gone += _in_vanished_folders(store, walk)
    return plan


def _failed_before(store: Store, wanted: Wanted) -> bool:
    # A failure to open has no size: its cure (a permission, a mount) does not show in size or time, so try again.
    error = store.error_at(wanted.path)
    return error is not None and (error.size_bytes, error.mtime_ns) == (wanted.size_bytes, wanted.mtime_ns)


def _is_over(store: Store, error: ErrorRow) -> bool:
    """Whether a line of the ledger is of a path that is gone. A damaged video that moved takes its line along."""
    folder, name = os.path.split(error.path)
    return is_gone(error.path) and name not in store.files_in(folder)


def _hold(plan: _Plan, wanted: Wanted, row: FileRow | None, summary: Summary) -> None:
    """Hold one file against what the library has of it."""
    is_video = wanted.path.lower().endswith(_VIDEO_SUFFIXES)
    is_same = row is not None and (row.size_bytes, row.mtime_ns) == (wanted.size_bytes, wanted.mtime_ns)
    if row is not None and is_same and row.detail in wanted.detail.texts:
        if row.is_current:
            summary.unchanged += 1
            return
        if row.is_begun:
            wanted = replace(wanted, is_known=False, digest=row.digest, position_s=row.position_s)
            wanted = replace(wanted, position_track=row.position_track)
            is_video = True
    (plan.videos if is_video else plan.pictures).append(wanted)


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


class _Details:
    """How finely files are to be looked at: as was said for the nearest root above them."""

    def __init__(self, roots: dict[bytes, str | None]) -> None:
        self._said = {path: Detail.from_text(text) for path, text in roots.items() if text is not None}
        self._of_folder: dict[bytes, Detail] = {}

    def of(self, folder: bytes, path: bytes) -> Detail:
        if path in self._said:
            return self._said[path]
        if folder not in self._of_folder:
            above = folder
            while above not in self._said and above != os.path.dirname(above):
                above = os.path.dirname(above)
            self._of_folder[folder] = self._said.get(above, Detail())
        return self._of_folder[folder]


class _Run:
    """Reads, encodes and commits, a batch at a time, while threads read ahead."""

    def __init__(self, store: Store, encoder: Encoder, summary: Summary, report: Report) -> None:
        self._store, self._encoder, self._summary, self._report = store, encoder, summary, report
        self._batch: list[Chunk] = []
        self._broken: list[ErrorRow] = []
        self._done = self._total = 0

    def read(self, plan: _Plan) -> None:
        """Pictures first, with all cores; then the videos, one after the other."""
        self._total = len(plan.pictures) + len(plan.videos)
        self._tell()
        videos: list[Read] = []  # animations, found among the pictures
        for read in read_pictures(self._with_known(plan.pictures), self._encoder.transform):
            if read.is_video and read.chunk is None:
                videos.append(read)
                continue
            self._take(read)
            self._tick()
        for read in videos:
            self._take(read)
            self._tick()
        for read in read_heads(self._with_known(plan.videos)):
            self._take(read)
            self._tick()
        self._commit()

    def _with_known(self, files: Iterable[Wanted]) -> Iterator[tuple[Wanted, frozenset[bytes]]]:
        for wanted in files:
            yield wanted, self._store.digests_of_size(wanted.size_bytes, wanted.detail.texts)

    def _take(self, read: Read) -> None:
        if read.error:
            self._fail(read.error)
            return
        if any(chunk.digest == read.digest for chunk in self._batch):
            self._commit()  # the content may be known in a moment
        if _adopt(self._store, read, self._summary):
            return
        if read.chunk:
            self._add(read.chunk)
            if read.is_video:  # the film in a photograph
                self._take_video(replace(read.wanted, position_s=0.0), read.digest)
        elif read.is_video:
            self._take_video(_go_on(self._store, read), read.digest)
        else:  # its content was known a moment ago, until the file that had it was replaced
            again = read_picture(read.wanted, frozenset(), self._encoder.transform)
            self._take(again)

    def _take_video(self, wanted: Wanted, digest: bytes) -> None:
        try:
            duration_s = _duration_s(wanted)
            for chunk in read_video(wanted, digest, self._encoder.transform):
                self._add(chunk)
                if chunk.times_s:
                    self._tell(wanted.path, chunk.times_s[1], duration_s)
        except (OSError, InputError, MissingExtraError) as error:
            self._commit()
            folder, name = os.path.split(wanted.path)
            row = self._store.files_in(folder).get(name)
            line = error_row(wanted, error)
            if line.size_bytes is None and row and row.is_begun and row.digest == digest:
                self._store.note_unreadable(wanted.path, line.reason)  # out of reach: what was read stays, and waits
                self._summary.failed += 1
            else:
                self._fail(line)

    def _add(self, chunk: Chunk) -> None:
        self._batch.append(chunk)
        if sum(max(1, len(chunk.pieces)) for chunk in self._batch) >= BATCH:
            self._commit()

    def _fail(self, error: ErrorRow) -> None:
        self._broken.append(error)
        if len(self._broken) >= BATCH:
            self._commit()

    def _tick(self) -> None:
        self._done += 1
        self._tell()

    def _tell(self, path: bytes | None = None, position_s: float = 0.0, duration_s: float = 0.0) -> None:
        self._report(
            Progress(
                done=self._done,
                total=self._total,
                failed=self._summary.failed + len(self._broken),
                path=path,
                position_s=position_s,
                duration_s=duration_s,
            )
        )

    def _commit(self) -> None:
        """Encode what was read and write it down, in one transaction."""
        if self._batch:
            pixels = [piece.pixels for chunk in self._batch for piece in chunk.pieces]
            vectors = iter(self._encoder.encode_pixels(np.stack(pixels)) if pixels else ())
            items = [[_item(chunk, piece.box, next(vectors)) for piece in chunk.pieces] for chunk in self._batch]
            self._store.put(list(_parts(self._batch, items)))
            for chunk in self._batch:
                if chunk.next_s is None:
                    _count(chunk.wanted, self._summary)
                    self._summary.incomplete += chunk.problem is not None
        _fail(self._store, self._broken, self._summary)
        self._batch.clear()
        self._broken.clear()


def _duration_s(wanted: Wanted) -> float:
    """How long a video says that it is; 0 where it does not, or where reading it will tell why not."""
    try:
        return read_info(os.fsdecode(wanted.path)).duration_s
    except InputError:
        return 0.0


def _item(chunk: Chunk, box: Box | None, vector: NDArray[np.float32]) -> NewItem:
    start_s, end_s, time_s = chunk.times_s or (None, None, None)
    return NewItem(vector=vector, start_s=start_s, end_s=end_s, time_s=time_s, box=box, track=chunk.track)


def _parts(chunks: Sequence[Chunk], items: Sequence[Sequence[NewItem]]) -> Iterator[FilePart]:
    """Chunks of one file that follow each other, put together."""
    for path, pairs in groupby(zip(chunks, items, strict=True), key=lambda pair: pair[0].wanted.path):
        of_file = list(pairs)
        first, last = of_file[0][0], of_file[-1][0]
        yield FilePart(
            path=path,
            size_bytes=first.wanted.size_bytes,
            mtime_ns=first.wanted.mtime_ns,
            digest=first.digest,
            items=[item for _, own in of_file for item in own],
            detail=first.detail,
            is_first=first.is_first,
            position_s=last.next_s,
            position_track=last.next_track,
            problem=last.problem,
        )


def _adopt(store: Store, read: Read, summary: Summary) -> bool:
    """Is the content in the library? Then this is the same file touched, a moved one, or another copy."""
    wanted = read.wanted
    rows = [row for row in store.with_digest(read.digest, wanted.detail.texts) if row.is_current]
    if not rows:
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


def _go_on(store: Store, read: Read) -> Wanted:
    """What to read of a video: all of it, or what is missing if it was begun here or where it was before."""
    wanted = read.wanted
    for row in store.with_digest(read.digest, wanted.detail.texts):
        if row.is_begun and (row.path == wanted.path or is_gone(row.path)):
            store.move(row, wanted.path, mtime_ns=wanted.mtime_ns)
            return replace(wanted, position_s=row.position_s, position_track=row.position_track)
    return replace(wanted, position_s=None, position_track=0)


def _count(wanted: Wanted, summary: Summary) -> None:
    if wanted.is_known:
        summary.changed += 1
    else:
        summary.added += 1


def _fail(store: Store, broken: Sequence[ErrorRow], summary: Summary) -> None:
    if broken:
        store.fail(broken)
        summary.failed += len(broken)
