"""Keeping a library up to date while folders change.

    changes of the file system ─→ waiting until a path is quiet ─→ `Library.refresh` of these paths

A file that is being written says so again and again, and is read when that has stopped; the two ends of a rename come
together, so a moved file keeps its vectors. After a burst, and now and then in any case (a network drive tells
nothing), everything is looked through, which opens no file that has not changed.
"""

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from seesay.base.errors import LibraryBusyError, LibraryError, reason
from seesay.search.index import Report, Summary
from seesay.search.library import Library
from seesay.search.mounts import Mount, Mounts
from seesay.search.rules import IGNORE_FILE, NO_MEDIA_FILE
from seesay.search.walk import is_media

SETTLE_S = 2.0  # a path is quiet when nothing happened to it for as long
LOOK_EVERY_S = 600.0
_RULES = {os.fsdecode(name) for name in (IGNORE_FILE, NO_MEDIA_FILE)}
BURST = 500  # paths at once above which one walk is quicker than asking for each

Changes = Iterable[set[str]]
"""Paths to which something happened since the last; often, and empty when nothing did."""


class Watch:
    """What changed and was not read yet.

    Args:
        library: to keep up to date.
        roots: absolute paths of the folders that are watched.
        report: told how far a run is.
        clock: seconds; for tests.
    """

    def __init__(
        self,
        library: Library,
        roots: Sequence[str],
        *,
        report: Report | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._library, self._roots, self._report, self._clock = library, list(roots), report, clock
        self._waiting: dict[str, float] = {}
        self._looked_at = -math.inf  # the first look is at everything: who watches may have begun late

    def note(self, paths: Iterable[str]) -> None:
        """Remember paths to which something happened just now."""
        now = self._clock()
        for path in paths:
            if os.path.basename(path) in _RULES:
                path = os.path.dirname(path)  # what the rules say of everything below it
            if self._matters(path):
                self._waiting[path] = now

    def look_again(self) -> None:
        """Look through everything next, as at the beginning."""
        self._looked_at = -math.inf

    def is_due(self) -> bool:
        """Whether it is time to look through everything."""
        return self._clock() - self._looked_at >= LOOK_EVERY_S

    def work(self) -> Summary | None:
        """Bring the library up to date with the paths that are quiet; None when there was nothing to do.

        Another process that is writing is waited for: the paths stay for the next call.
        """
        now = self._clock()
        quiet = [path for path, since in self._waiting.items() if now - since >= SETTLE_S]
        if not quiet and not self.is_due():
            return None
        is_burst = len(quiet) > BURST
        try:
            if is_burst or self.is_due():
                summary = self._library.refresh(*self._roots, report=self._report)
                self._looked_at = self._clock()
            else:
                summary = self._library.refresh(*quiet, report=self._report)
        except LibraryBusyError:
            return None
        for path in quiet:
            self._waiting.pop(path)
        return summary

    def _matters(self, path: str) -> bool:
        """Whether `seesay index` would look at it: not hidden, left out or below a link; media, a folder, or gone."""
        if path in self._roots:
            return True
        root = next((root for root in self._roots if path.startswith(root.rstrip(os.sep) + os.sep)), None)
        if root is None:
            return False
        parts = os.path.relpath(path, root).split(os.sep)
        if any(part.startswith(".") for part in parts):
            return False
        above = [os.path.join(root, *parts[:depth]) for depth in range(1, len(parts))]
        if any(os.path.islink(folder) for folder in above) or self._library.is_left_out(path):
            return False
        if not os.path.lexists(path):
            return True
        return not os.path.islink(path) if os.path.isdir(path) else is_media(os.fsencode(path))


def changes(roots: Sequence[str], *, pause_ms: int = 500) -> Iterator[set[str]]:
    """What happens below some folders, from now on; an empty set when nothing did for `pause_ms`.

    Raises:
        LibraryError: the system cannot watch them.
    """
    import watchfiles

    try:
        for events in watchfiles.watch(
            *(Path(root) for root in roots),
            watch_filter=None,
            debounce=1000,
            rust_timeout=pause_ms,
            yield_on_timeout=True,
            ignore_permission_denied=True,
        ):
            yield {path for _, path in events}
    except (OSError, RuntimeError) as error:  # as watchfiles says that the system gives no more watches, or lost one
        raise LibraryError(
            f"the folders cannot be watched: {reason(error)}; on Linux raise fs.inotify.max_user_watches, "
            "or run `seesay index` now and then"
        ) from error


def watch(
    library: Library,
    *,
    report: Report | None = None,
    source: Callable[[Sequence[str]], Changes] = changes,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Summary]:
    """Keep a library up to date with all that was ever added to it; yields the counts of each run that did something.

    It ends when `source` ends, the real one never. A root that is not there now is watched once it is; when a drive
    comes or goes, everything is looked through.

    Args:
        library: open, with something added.
        report: told how far a run is.
        source: from roots to what happens below them.
        clock: seconds.
    """
    watched = library.roots()
    state = Watch(library, watched, report=report, clock=clock)
    while True:
        present, mounts = _present(watched), Mounts.now()
        drives = _drives(watched, mounts)
        for paths in source(present):
            state.note(paths)
            if (now := Mounts.now()) != mounts:
                mounts = now
                if drives != _drives(watched, now):
                    state.look_again()
            has_looked = state.is_due()
            if summary := state.work():
                yield summary
            if has_looked and (present != _present(watched) or drives != _drives(watched, mounts)):
                break  # begin anew with what is there now: the system watches folders, not paths
        else:
            return


def _present(roots: Sequence[str]) -> list[str]:
    return [root for root in roots if os.path.exists(root)]


def _drives(roots: Sequence[str], mounts: Mounts) -> list[frozenset[Mount]]:
    """What holds each root and what is mounted in it."""
    return [mounts.around(os.path.realpath(os.fsencode(root))) for root in roots]
