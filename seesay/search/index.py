"""Bringing a library up to date with the folders: look, read what is new, encode, commit.

    walk (names, sizes, times) ─→ plan.py ─→ reader threads (digest, decode) ─→ encoder ─→ one commit a batch

A file whose size and time are as remembered is not opened. One whose content is known under
another path is moved or copied, and no pixel is read. A batch holds pictures and moments of videos
alike, and with it the position in a video is committed. Whatever happens, at most the batch in flight is
lost: everything before it is committed, and the next run goes on from there, inside a long video too.
"""

import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from seesay.encoders.encoder import Encoder
from seesay.search.plan import Plan, fail, let_go, look
from seesay.search.plan import Summary as Summary  # what a run returns
from seesay.search.reach import Reach
from seesay.search.reading import (
    PICTURE_READER,
    VIDEO_READER,
    Chunk,
    Read,
    Wanted,
    read_heads,
    read_parts,
    read_picture,
    read_pictures,
)
from seesay.search.rows import Box, ErrorRow, FilePart, NewItem
from seesay.search.store import Store
from seesay.search.suspects import MOST_RUNS, REASON, Suspects
from seesay.search.trial import is_survived

BATCH = 32  # pictures a commit: what a kill can cost, and where the model's throughput levels off
NOTE_EVERY_S = 1.0


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
        reach = Reach(store)
        suspects = store.suspects()
        plan = look(store, roots, summary, reach, retry=retry)
        _Run(store, encoder, summary, reach, suspects, _noted(store, job, report)).read(plan)
        let_go(store, plan, reach, summary)
        suspects.clear(roots)
        outcome = "finished"
    finally:
        counts = asdict(summary)
        del counts["places"]
        store.finish_job(job, outcome, counts)
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


class _Run:
    """Reads, encodes and commits, a batch at a time, while threads read ahead."""

    def __init__(
        self, store: Store, encoder: Encoder, summary: Summary, reach: Reach, suspects: Suspects, report: Report
    ) -> None:
        self._store, self._encoder, self._summary, self._report = store, encoder, summary, report
        self._reach, self._suspects = reach, suspects
        self._batch: list[Chunk] = []
        self._broken: list[ErrorRow] = []
        self._done = self._total = 0

    def read(self, plan: Plan) -> None:
        """Pictures first, with all cores; then the videos, one after the other; then what may have ended a run before.

        Ctrl-C loses nothing that was read.
        """
        try:
            self._read(plan)
        except KeyboardInterrupt as error:
            if _is_again(error):
                self._suspects.keep()
            self._commit()
            raise
        finally:
            self._suspects.end()

    def _read(self, plan: Plan) -> None:
        self._total = len(plan.pictures) + len(plan.videos)
        self._tell()
        found = self._suspects.found
        late: list[Read] = []  # animations and files of several pages, found among the pictures
        pictures = [wanted for wanted in plan.pictures if wanted.stamp not in found]
        with closing(read_pictures(self._opening(pictures, BATCH), self._encoder.transform)) as reads:
            for read in reads:
                if read.has_parts and read.chunk is None:
                    late.append(read)
                else:
                    self._finish(read)
        for read in late:
            self._suspects.begin([read.wanted.stamp])
            self._finish(read)
        videos = [wanted for wanted in plan.videos if wanted.stamp not in found]
        with closing(read_heads(self._opening(videos, 1))) as reads:
            for read in reads:
                self._finish(read)
        self._commit()
        self._read_suspects(plan)
        self._commit()

    def _read_suspects(self, plan: Plan) -> None:
        """Each alone, so that it is known which one it was if this run ends too."""
        for files, is_video in ((plan.pictures, False), (plan.videos, True)):
            for wanted in files:
                if wanted.stamp not in self._suspects.found:
                    continue
                if self._suspects.is_to_blame(wanted.stamp) and not self._is_innocent(wanted):
                    path, size_bytes, mtime_ns = wanted.stamp
                    self._fail(ErrorRow(path=path, size_bytes=size_bytes, mtime_ns=mtime_ns, reason=REASON))
                    self._finish_one(path)
                    continue
                opening = self._opening([wanted], 1)
                reads = read_heads(opening) if is_video else read_pictures(opening, self._encoder.transform)
                with closing(reads):
                    for read in reads:
                        self._finish(read)

    def _opening(self, files: Sequence[Wanted], num: int) -> Generator[tuple[Wanted, frozenset[bytes]]]:
        """Files for a reader, with the digests that need no decoding; `num` at once are noted before."""
        for start in range(0, len(files), num):
            together = files[start : start + num]
            self._suspects.begin([wanted.stamp for wanted in together])
            for wanted in together:
                yield wanted, self._store.digests_of_size(wanted.size_bytes, wanted.detail.texts)

    def _is_innocent(self, wanted: Wanted) -> bool:
        """Whether the runs that ended were killed for another reason: as far as a trial tells, and it is asked once."""
        return self._suspects.found[wanted.stamp] == MOST_RUNS and is_survived(wanted, self._encoder.transform)

    def _finish(self, read: Read) -> None:
        self._take(read)
        self._finish_one(read.wanted.path)

    def _finish_one(self, path: bytes) -> None:
        self._suspects.finish(path)
        self._done += 1
        self._tell()

    def _take(self, read: Read) -> None:
        if read.error:
            self._fail(read.error)
            return
        if any(chunk.digest == read.digest for chunk in self._batch):
            self._commit()  # the content may be known in a moment
        if _adopt(self._store, read, self._summary, self._reach):
            return
        if read.chunk:
            self._add(read.chunk)
            if read.has_parts:  # the film in a photograph
                self._take_parts(replace(read.wanted, position_s=0.0), read.digest)
        elif read.has_parts:
            self._take_parts(_go_on(self._store, read, self._reach), read.digest)
        else:  # its content was known a moment ago, until the file that had it was replaced
            again = read_picture(read.wanted, frozenset(), self._encoder.transform)
            self._take(again)

    def _take_parts(self, wanted: Wanted, digest: bytes) -> None:
        with closing(read_parts(wanted, digest, self._encoder.transform)) as chunks:
            for chunk in chunks:
                if isinstance(chunk, ErrorRow):
                    self._commit()
                    self._fail(chunk)
                    return
                self._add(chunk)
                if chunk.times_s:
                    self._tell(wanted.path, chunk.times_s[1], chunk.look.duration_s or 0.0)

    def _add(self, chunk: Chunk) -> None:
        self._batch.append(chunk)
        if sum(max(1, len(chunk.pieces)) for chunk in self._batch) >= BATCH:
            self._commit()

    def _fail(self, error: ErrorRow) -> None:
        self._broken.append(error)
        if len(self._broken) >= BATCH:
            self._commit()

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
        # Taken out first: if this is interrupted, nobody shall write the same parts a second time.
        batch, self._batch = self._batch, []
        broken, self._broken = self._broken, []
        if batch:
            pixels = [piece.pixels for chunk in batch for piece in chunk.pieces]
            vectors = iter(self._encoder.encode_pixels(np.stack(pixels)) if pixels else ())
            items = [[_item(chunk, piece.box, next(vectors)) for piece in chunk.pieces] for chunk in batch]
            self._store.put(list(_parts(batch, items)))
            self._suspects.go_on({chunk.wanted.stamp for chunk in batch if chunk.next_s is not None})
            for chunk in batch:
                if chunk.next_s is None:
                    _count(chunk.wanted, self._summary)
                    self._summary.incomplete += chunk.problem is not None
        fail(self._store, broken, self._summary)


def _is_again(error: BaseException) -> bool:
    """Whether Ctrl-C was pressed while the first was waiting for a reader, which may never return."""
    while error.__context__ is not None:
        error = error.__context__
        if isinstance(error, KeyboardInterrupt):
            return True
    return False


def _item(chunk: Chunk, box: Box | None, vector: NDArray[np.float32]) -> NewItem:
    start_s, end_s, time_s = chunk.times_s or (None, None, None)
    return NewItem(
        vector=vector, start_s=start_s, end_s=end_s, time_s=time_s, box=box, track=chunk.track, page=chunk.page
    )


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
            reader=PICTURE_READER if first.times_s is None else VIDEO_READER,
            mount_id=first.wanted.mount_id,
            real_path=first.wanted.real_path,
            taken_ns=first.taken_ns,
            look=first.look,
            is_first=first.is_first,
            position_s=last.next_s,
            position_track=last.next_track,
            problem=last.problem,
        )


def _adopt(store: Store, read: Read, summary: Summary, reach: Reach) -> bool:
    """Is the content in the library? Then this is the same file touched, a moved one, or another copy."""
    wanted = read.wanted
    rows = [row for row in store.with_digest(read.digest, wanted.detail.texts) if row.is_current]
    if not rows:
        return False
    same = [row for row in rows if row.path == wanted.path]
    moved = [] if same else [row for row in rows if reach.may_have_moved(row, wanted.mount_id)]
    if same:
        store.move(same[0], wanted.path, mtime_ns=wanted.mtime_ns, mount_id=wanted.mount_id, real_path=wanted.real_path)
        summary.unchanged += 1
    elif moved:
        store.move(
            moved[0], wanted.path, mtime_ns=wanted.mtime_ns, mount_id=wanted.mount_id, real_path=wanted.real_path
        )
        summary.moved += 1
    else:
        store.copy(rows[0], wanted.path, mtime_ns=wanted.mtime_ns, mount_id=wanted.mount_id, real_path=wanted.real_path)
        _count(wanted, summary)
    return True


def _go_on(store: Store, read: Read, reach: Reach) -> Wanted:
    """What to read of a video: all of it, or what is missing if it was begun here or where it was before."""
    wanted = read.wanted
    for row in store.with_digest(read.digest, wanted.detail.texts):
        if row.is_begun and (row.path == wanted.path or reach.may_have_moved(row, wanted.mount_id)):
            store.move(row, wanted.path, mtime_ns=wanted.mtime_ns, mount_id=wanted.mount_id, real_path=wanted.real_path)
            return replace(wanted, position_s=row.position_s, position_track=row.position_track)
    return replace(wanted, position_s=None, position_track=0)


def _count(wanted: Wanted, summary: Summary) -> None:
    if wanted.is_known:
        summary.changed += 1
    else:
        summary.added += 1
