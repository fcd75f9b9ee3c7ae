"""What of the library is gone and what is only out of reach.

A file is gone when nothing is at its path, a root above it is there, and its folder is on the drive that it was on when
it was last seen. In any other case it is out of reach and stays in the library: a drive that is not plugged in, a share
that does not answer, a root that was renamed, another drive in the place of the first.
"""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from seesay.search.mounts import Mount, Mounts, is_same
from seesay.search.rows import FileRow, MountRow
from seesay.search.rules import is_at_or_below
from seesay.search.store import Store
from seesay.search.walk import is_gone


@dataclass(frozen=True, slots=True)
class Judged:
    """Files that a walk did not see."""

    gone: list[FileRow]
    out_of_reach: Counter[bytes]
    """How many, by the root, mount or folder that is not there."""


@dataclass(slots=True)
class Reach:
    """Tells gone from out of reach during one run.

    Attributes:
        store: of the library.
        unreadable: folders that could not be listed.
    """

    store: Store
    unreadable: set[bytes] = field(default_factory=set)
    _ids: dict[Mount, int] = field(default_factory=dict)
    _known: dict[int, MountRow] = field(default_factory=dict)
    _seen: set[tuple[int | None, str]] = field(default_factory=set)
    _real: dict[bytes, bytes] = field(default_factory=dict)
    _missing: dict[bytes, bool] = field(default_factory=dict)
    _roots: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Take what was mounted in the runs before."""
        self._known = self.store.mounts()
        self._roots = list(self.store.roots())

    def mount_id(self, mount: Mount, mounts: Mounts) -> int:
        """The library's id of what holds a folder."""
        if mount not in self._ids:
            row = MountRow(point=mount.point, root=mount.root, identity=mounts.identity(mount))
            self._ids[mount] = self.store.add_mount(row)
            self._known[self._ids[mount]] = row
        return self._ids[mount]

    def confirm(self, row: FileRow, mount_id: int) -> None:
        """A file of the library was seen unchanged: the drive is the same, even where two identities do not tell."""
        self._seen.add((row.mount_id, self._known[mount_id].identity))

    def judge(self, rows: Iterable[FileRow]) -> Judged:
        """Sort files that the walk did not see. One that is there all the same is in neither part.

        The mounts are read before and after looking, so that a drive that is pulled out meanwhile takes nothing along.
        """
        gone: list[FileRow] = []
        away: Counter[bytes] = Counter()
        self._missing.clear()
        self._real.clear()
        before = Mounts.now()
        for row in rows:
            if (place := self._out_of_reach(row, before)) is not None:
                away[place] += 1
            elif is_gone(row.path):
                gone.append(row)
        after = Mounts.now()
        if after != before:
            kept = [row for row in gone if self._is_there(row, after)]
            away.update(self._place(row) for row in gone if not self._is_there(row, after))
            gone = kept
        return Judged(gone, away)

    def may_have_moved(self, row: FileRow, to_mount_id: int | None) -> bool:
        """Whether a file of the library, whose content was found elsewhere, was moved or renamed.

        Its root may be gone, having been renamed. Its drive must be there, or be the one where the content is now.
        """
        if not is_gone(row.path):
            return False
        here = self._known.get(to_mount_id) if to_mount_id is not None else None
        was = self._known.get(row.mount_id) if row.mount_id is not None else None
        if here is not None and was is not None and here.root == was.root and is_same(was.identity, here.identity):
            return True
        return self.is_on_its_mount(row)

    def is_on_its_mount(self, row: FileRow) -> bool:
        """Whether a file's folder is on the drive that it was on when the file was last seen, as far as is known."""
        return self._is_there(row, Mounts.now(), else_=row.mount_id is None)

    def is_shut(self, path: bytes) -> bool:
        """Whether nothing can be said of a path, because a root above it or a mount of the library is not there."""
        if self._lost_root(path):
            return True
        now, real = Mounts.now(), os.path.realpath(os.path.dirname(path))
        above = [row.point for row in self._known.values() if is_at_or_below(real, row.point)]
        return bool(above) and now.at(real).point != max(above, key=len)

    def _out_of_reach(self, row: FileRow, mounts: Mounts) -> bytes | None:
        """What is not there, or cannot be read; None when its folder can be trusted."""
        for folder in self.unreadable:
            if is_at_or_below(row.path, folder):
                return folder
        if root := self._lost_root(row.path):
            return root
        if not self._is_there(row, mounts):
            return self._place(row)
        try:
            os.lstat(row.path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            return row.folder
        return None

    def _lost_root(self, path: bytes) -> bytes | None:
        """The nearest root above a path, when neither that nor one above it is there."""
        roots = [root for root in self._roots if is_at_or_below(path, root) and root != path]
        for root in roots:
            if root not in self._missing:
                self._missing[root] = not os.path.exists(root)  # of a link what it leads to
        if roots and all(self._missing[root] for root in roots):
            return max(roots, key=len)
        return None

    def _is_there(self, row: FileRow, mounts: Mounts, *, else_: bool = False) -> bool:
        """Whether the drive that holds a file's folder now is the one that held it when the file was last seen.

        `else_` is the answer where neither the identities tell nor other files of that drive that were seen.
        """
        if row.folder not in self._real:
            self._real[row.folder] = os.path.realpath(row.folder)
        mount = mounts.at(self._real[row.folder])
        identity = mounts.identity(mount)
        known = self._known.get(row.mount_id) if row.mount_id is not None else None
        if known is None:
            # From before mounts were remembered by more than their point.
            points = [one.point for one in self._known.values() if not one.identity]
            if any(is_at_or_below(row.folder, point) and not os.path.ismount(point) for point in points):
                return False
        same = None if known is None else _is_same_place(known, mount, identity, self._real[row.folder])
        return else_ or (row.mount_id, identity) in self._seen if same is None else same

    def _place(self, row: FileRow) -> bytes:
        known = self._known.get(row.mount_id) if row.mount_id is not None else None
        if known is not None:
            return known.point
        return max((root for root in self._roots if is_at_or_below(row.path, root)), key=len, default=row.folder)


def _is_same_place(known: MountRow, mount: Mount, identity: str, folder: bytes) -> bool | None:
    """Whether a folder is in the same part of the same drive as before; None where nobody knows.

    A bind mount of the same file system is another part of it, unless it shows what was there before.

    Args:
        known: what held the folder before.
        mount: what holds it now.
        identity: of that.
        folder: without links.
    """
    same = is_same(known.identity, identity)
    if not same:
        return same
    if not is_at_or_below(folder, known.point):
        return known.root == mount.root  # the drive is at another place now, and a link led us there
    return _inside(known.root, known.point, folder) == _inside(mount.root, mount.point, folder)


def _inside(root: bytes, point: bytes, folder: bytes) -> bytes:
    """Where in its file system a folder is."""
    return os.path.normpath(root + b"/" + folder[len(point.rstrip(b"/")) :])


def out_of_reach(store: Store, paths: Sequence[bytes]) -> set[bytes]:
    """Those of some files of the library that cannot be reached now.

    No file is opened, and a file system that may not answer is not asked: its files are in reach while it is mounted.
    """
    mounts = Mounts.now()
    return {path for path in paths if _is_out_of_reach(store, path, mounts)}


def _is_out_of_reach(store: Store, path: bytes, mounts: Mounts) -> bool:
    mount, real = mounts.resolve(os.path.dirname(path))
    if mount.is_automatic:
        return False  # it is mounted when somebody looks at it
    known = store.mount_of(path)
    is_elsewhere = (
        real is not None and known is not None and _is_same_place(known, mount, mounts.identity(mount), real) is False
    )
    return is_elsewhere or mounts.resolve(path)[1] is None
