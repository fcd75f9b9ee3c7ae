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
from seesay.base.paths import show
from seesay.encoders.encoder import Encoder
from seesay.inputs.pictures import has_pages
from seesay.inputs.video import VIDEO_SUFFIXES, read_info
from seesay.search.detail import Detail
from seesay.search.reach import Reach
from seesay.search.reading import (
    PICTURE_READER,
    VIDEO_READER,
    Chunk,
    Read,
    Wanted,
    error_row,
    read_heads,
    read_parts,
    read_picture,
    read_pictures,
)
from seesay.search.rows import Box, ErrorRow, FilePart, FileRow, NewItem
from seesay.search.rules import Rules
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
    """Of those added or changed: damaged files, which gave what they hold and a line in the ledger."""
    excluded: int = 0
    """Files that the library had and that a rule leaves out now."""
    out_of_reach: int = 0
    """Files that stay in the library although they cannot be reached now: their drive, share or root is not there."""
    places: dict[str, int] = field(default_factory=dict, compare=False)
    """Of those out of reach: how many in which root, mount or folder."""


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
    """Files of the library that the walk did not see."""
    excluded: list[bytes] = field(default_factory=list)
    """Files of the library that a rule leaves out."""
    seen: list[tuple[int, int]] = field(default_factory=list)
    """(id of the mount, id of the file) of those that were on another mount before."""
    well: list[bytes] = field(default_factory=list)
    """Files that can be reached again."""


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
        plan = _look(store, roots, summary, reach, retry=retry)
        _Run(store, encoder, summary, reach, _noted(store, job, report)).read(plan)
        _let_go(store, plan, reach, summary)
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


def _look(store: Store, roots: Sequence[bytes], summary: Summary, reach: Reach, *, retry: bool) -> _Plan:
    """Walk the roots and hold them against the library. Opens no file, but for those that hold rules."""
    plan = _Plan()
    left_out = store.left_out()
    walk = Walk(list(roots), Rules(left_out.patterns(), left_out.forgotten()))
    details = _Details(store.roots())
    unreached = {error.path for error in store.errors() if error.size_bytes is None}
    broken: list[ErrorRow] = []
    for listing in walk:
        mount_id = reach.mount_id(listing.mount, walk.mounts)
        remembered = store.files_in(listing.folder)
        for file in listing.found:
            path = os.path.join(listing.folder, file.name)
            row = remembered.pop(file.name, None)
            if file.problem:
                if row is not None and file.is_out_of_reach:
                    _miss(summary, listing.folder)
                else:
                    size_bytes = None if file.may_come_back else file.size_bytes
                    broken.append(ErrorRow(path=path, size_bytes=size_bytes, mtime_ns=None, reason=file.problem))
                continue
            wanted = Wanted(
                path=path,
                size_bytes=file.size_bytes,
                mtime_ns=file.mtime_ns,
                is_known=row is not None,
                detail=details.of(listing.folder, path),
                mount_id=mount_id,
            )
            if path in unreached and row is not None:
                plan.well.append(path)
            if row is None and not retry and _failed_before(store, wanted):
                summary.failed += 1
            else:
                _hold(plan, wanted, row, summary, reach)
        if listing.folder in walk.listed:
            for row in remembered.values():
                (plan.excluded if row.path in walk.excluded else plan.gone).append(row.path)
    _note(store, walk, plan, broken, summary, reach)
    return plan


def _note(store: Store, walk: Walk, plan: _Plan, broken: Sequence[ErrorRow], summary: Summary, reach: Reach) -> None:
    """Write down what a walk learned beside the files that it saw."""
    reach.unreadable.update(walk.unreadable)
    _fail(store, broken, summary)
    for folder, reason in walk.unreadable.items():
        store.note_unreadable(folder, reason)
        summary.failed += 1
    store.clear_errors(
        [
            *plan.well,
            *(
                error.path
                for error in store.errors()
                if error.path in walk.listed or _is_over(store, error, walk, reach)
            ),
        ]
    )
    store.set_mounts(plan.seen)
    left_out = store.left_out()
    looked_at = [root for root in walk.roots if root not in walk.missing and root not in walk.unreadable]
    left_out.set_excluded(looked_at, walk.excluded)
    left_out.set_passed_over(walk.passed_over)
    for root in walk.roots:
        for folder in store.folders_under(root):
            if folder not in walk.listed:
                for row in store.files_in(folder).values():
                    (plan.excluded if _is_excluded(row.path, walk) else plan.gone).append(row.path)
        if root in walk.missing:
            plan.gone.append(root)
        elif _is_excluded(root, walk):
            plan.excluded.append(root)


def _is_excluded(path: bytes, walk: Walk) -> bool:
    """Whether a rule leaves out a path or a folder above it, below the nearest of the named ones."""
    while path not in walk.excluded:
        if walk.rules.is_named(path) or path == os.path.dirname(path):
            return False
        path = os.path.dirname(path)
    return True


def _failed_before(store: Store, wanted: Wanted) -> bool:
    # A failure to open has no size: its cure (a permission, a mount) does not show in size or time, so try again.
    error = store.error_at(wanted.path)
    return error is not None and (error.size_bytes, error.mtime_ns) == (wanted.size_bytes, wanted.mtime_ns)


def _is_over(store: Store, error: ErrorRow, walk: Walk, reach: Reach) -> bool:
    """Whether a line of the ledger is of a path that is gone or left out. A video that moved takes its line along."""
    if _is_excluded(error.path, walk):
        return True
    folder, name = os.path.split(error.path)
    return is_gone(error.path) and name not in store.files_in(folder) and not reach.is_shut(error.path)


def _hold(plan: _Plan, wanted: Wanted, row: FileRow | None, summary: Summary, reach: Reach) -> None:
    """Hold one file against what the library has of it."""
    is_video = wanted.path.lower().endswith(_VIDEO_SUFFIXES)
    is_same = row is not None and (row.size_bytes, row.mtime_ns) == (wanted.size_bytes, wanted.mtime_ns)
    if row is not None and is_same:
        assert wanted.mount_id is not None, "the walk says what holds every folder"
        reach.confirm(row, wanted.mount_id)
        if row.mount_id != wanted.mount_id:
            plan.seen.append((wanted.mount_id, row.id))
        if row.is_current and row.detail in wanted.detail.texts:
            summary.unchanged += 1
            return
        if row.is_begun and row.detail in wanted.detail.texts:
            wanted = replace(wanted, is_known=False, digest=row.digest, position_s=row.position_s)
            wanted = replace(wanted, position_track=row.position_track)
            is_video = True
    (plan.videos if is_video else plan.pictures).append(wanted)


def _let_go(store: Store, plan: _Plan, reach: Reach, summary: Summary) -> None:
    """Remove what is gone or left out, and count what is only out of reach."""
    judged = reach.judge(_still_there(store, plan.gone))
    left_out = [row for row in _still_there(store, plan.excluded) if reach.is_on_its_mount(row)]
    if judged.gone or left_out:
        store.remove([*judged.gone, *left_out])
        store.drop_mounts()
    summary.removed, summary.excluded = len(judged.gone), len(left_out)
    for place, count in judged.out_of_reach.items():
        _miss(summary, place, count)


def _still_there(store: Store, paths: Iterable[bytes]) -> Iterator[FileRow]:
    """Those that no reader found again under another name meanwhile."""
    for path in dict.fromkeys(paths):
        folder, name = os.path.split(path)
        if row := store.files_in(folder).get(name):
            yield row


def _miss(summary: Summary, place: bytes, count: int = 1) -> None:
    summary.out_of_reach += count
    name = show(place)
    summary.places[name] = summary.places.get(name, 0) + count


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

    def __init__(self, store: Store, encoder: Encoder, summary: Summary, reach: Reach, report: Report) -> None:
        self._store, self._encoder, self._summary, self._report = store, encoder, summary, report
        self._reach = reach
        self._batch: list[Chunk] = []
        self._broken: list[ErrorRow] = []
        self._done = self._total = 0

    def read(self, plan: _Plan) -> None:
        """Pictures first, with all cores; then the videos, one after the other. Ctrl-C loses nothing that was read."""
        try:
            self._read(plan)
        except KeyboardInterrupt:
            self._commit()
            raise

    def _read(self, plan: _Plan) -> None:
        self._total = len(plan.pictures) + len(plan.videos)
        self._tell()
        videos: list[Read] = []  # animations and files of several pages, found among the pictures
        for read in read_pictures(self._with_known(plan.pictures), self._encoder.transform):
            if read.has_parts and read.chunk is None:
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
        try:
            duration_s = _duration_s(wanted)
            for chunk in read_parts(wanted, digest, self._encoder.transform):
                self._add(chunk)
                if chunk.times_s:
                    self._tell(wanted.path, chunk.times_s[1], duration_s)
        except (OSError, InputError, MissingExtraError) as error:
            self._commit()
            self._fail(error_row(wanted, error))

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
        # Taken out first: if this is interrupted, nobody shall write the same parts a second time.
        batch, self._batch = self._batch, []
        broken, self._broken = self._broken, []
        if batch:
            pixels = [piece.pixels for chunk in batch for piece in chunk.pieces]
            vectors = iter(self._encoder.encode_pixels(np.stack(pixels)) if pixels else ())
            items = [[_item(chunk, piece.box, next(vectors)) for piece in chunk.pieces] for chunk in batch]
            self._store.put(list(_parts(batch, items)))
            for chunk in batch:
                if chunk.next_s is None:
                    _count(chunk.wanted, self._summary)
                    self._summary.incomplete += chunk.problem is not None
        _fail(self._store, broken, self._summary)


def _duration_s(wanted: Wanted) -> float:
    """How long a video says that it is; 0 where it does not, or where reading it will tell why not; 0 of pages."""
    path = os.fsdecode(wanted.path)
    if has_pages(path):
        return 0.0
    try:
        return read_info(path).duration_s
    except InputError:
        return 0.0


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
            taken_ns=first.taken_ns,
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
        store.move(same[0], wanted.path, mtime_ns=wanted.mtime_ns, mount_id=wanted.mount_id)
        summary.unchanged += 1
    elif moved:
        store.move(moved[0], wanted.path, mtime_ns=wanted.mtime_ns, mount_id=wanted.mount_id)
        summary.moved += 1
    else:
        store.copy(rows[0], wanted.path, mtime_ns=wanted.mtime_ns, mount_id=wanted.mount_id)
        _count(wanted, summary)
    return True


def _go_on(store: Store, read: Read, reach: Reach) -> Wanted:
    """What to read of a video: all of it, or what is missing if it was begun here or where it was before."""
    wanted = read.wanted
    for row in store.with_digest(read.digest, wanted.detail.texts):
        if row.is_begun and (row.path == wanted.path or reach.may_have_moved(row, wanted.mount_id)):
            store.move(row, wanted.path, mtime_ns=wanted.mtime_ns, mount_id=wanted.mount_id)
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
