"""What a run has to do: the walk held against the library. Opens no file, but for those that hold rules.

walk ─→ unchanged │ to read │ failed before │ gone, left out or only out of reach
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from seesay.base.paths import show
from seesay.inputs.video import VIDEO_SUFFIXES
from seesay.search.detail import Detail
from seesay.search.reach import Reach
from seesay.search.reading import Wanted
from seesay.search.rows import ErrorRow, FileRow
from seesay.search.rules import Rules
from seesay.search.store import Store
from seesay.search.suspects import REASON
from seesay.search.walk import Walk, is_gone

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


@dataclass(slots=True)
class Plan:
    """What a run has to do."""

    pictures: list[Wanted] = field(default_factory=list)
    videos: list[Wanted] = field(default_factory=list)
    gone: list[bytes] = field(default_factory=list)
    """Files of the library that the walk did not see."""
    excluded: list[bytes] = field(default_factory=list)
    """Files of the library that a rule leaves out."""
    seen: list[tuple[int, int]] = field(default_factory=list)
    """(id of the mount, id of the file) of those that were on another mount before."""
    led: list[tuple[bytes | None, int]] = field(default_factory=list)
    """(real path, id of the file) of those that a link leads elsewhere than before."""
    well: list[bytes] = field(default_factory=list)
    """Files that can be reached again."""


def look(store: Store, roots: Sequence[bytes], summary: Summary, reach: Reach, *, retry: bool) -> Plan:
    """Walk the roots and hold them against the library. Opens no file, but for those that hold rules.

    With `retry`, also what failed before is read.
    """
    plan = Plan()
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
                real_path=listing.real_path(file),
            )
            if path in unreached and row is not None:
                plan.well.append(path)
            if not retry and _failed_before(store, wanted, row):
                summary.failed += 1
            else:
                _hold(plan, wanted, row, summary, reach)
        if listing.folder in walk.listed:
            for row in remembered.values():
                (plan.excluded if row.path in walk.excluded else plan.gone).append(row.path)
    _note(store, walk, plan, broken, summary, reach)
    return plan


def _note(store: Store, walk: Walk, plan: Plan, broken: Sequence[ErrorRow], summary: Summary, reach: Reach) -> None:
    """Write down what a walk learned beside the files that it saw."""
    reach.unreadable.update(walk.unreadable)
    fail(store, broken, summary)
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
    store.set_real_paths(plan.led)
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


def _failed_before(store: Store, wanted: Wanted, row: FileRow | None) -> bool:
    # A failure to open has no size: its cure (a permission, a mount) does not show in size or time, so try again.
    error = store.error_at(wanted.path)
    if error is None or (error.path, error.size_bytes, error.mtime_ns) != wanted.stamp:
        return False
    return row is None or (error.reason == REASON and not _is_unchanged(row, wanted))


def _is_unchanged(row: FileRow | None, wanted: Wanted) -> bool:
    """Whether the library has all of a file, as it is now and as finely as it is to be looked at."""
    return (
        row is not None
        and (row.path, row.size_bytes, row.mtime_ns) == wanted.stamp
        and row.is_current
        and row.detail in wanted.detail.texts
    )


def _is_over(store: Store, error: ErrorRow, walk: Walk, reach: Reach) -> bool:
    """Whether a line of the ledger is of a path that is gone or left out. A video that moved takes its line along."""
    if _is_excluded(error.path, walk):
        return True
    folder, name = os.path.split(error.path)
    return is_gone(error.path) and name not in store.files_in(folder) and not reach.is_shut(error.path)


def _hold(plan: Plan, wanted: Wanted, row: FileRow | None, summary: Summary, reach: Reach) -> None:
    """Hold one file against what the library has of it."""
    is_video = wanted.path.lower().endswith(_VIDEO_SUFFIXES)
    is_same = row is not None and (row.size_bytes, row.mtime_ns) == (wanted.size_bytes, wanted.mtime_ns)
    if row is not None and is_same:
        assert wanted.mount_id is not None, "the walk says what holds every folder"
        reach.confirm(row, wanted.mount_id)
        if row.mount_id != wanted.mount_id:
            plan.seen.append((wanted.mount_id, row.id))
        if row.real_path != wanted.real_path:
            plan.led.append((wanted.real_path, row.id))
        if _is_unchanged(row, wanted):
            summary.unchanged += 1
            return
        if row.is_begun and row.detail in wanted.detail.texts:
            wanted = replace(wanted, is_known=False, digest=row.digest, position_s=row.position_s)
            wanted = replace(wanted, position_track=row.position_track)
            is_video = True
    (plan.videos if is_video else plan.pictures).append(wanted)


def let_go(store: Store, plan: Plan, reach: Reach, summary: Summary) -> None:
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


def fail(store: Store, broken: Sequence[ErrorRow], summary: Summary) -> None:
    """Write lines into the ledger, and count them."""
    if broken:
        store.fail(broken)
        summary.failed += len(broken)
