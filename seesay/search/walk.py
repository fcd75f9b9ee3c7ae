"""Going through folders: which pictures and videos are there now, and which places could not be read.

It knows names, sizes and times. It opens no file, but `.ignore` files and those that may be TypeScript.
"""

import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from seesay.base.paths import show
from seesay.inputs.pictures import PICTURE_SUFFIXES
from seesay.inputs.video import VIDEO_SUFFIXES
from seesay.search.mounts import Mount, Mounts
from seesay.search.rules import Rules, Scope

SUFFIXES = tuple(suffix.encode() for suffix in PICTURE_SUFFIXES | VIDEO_SUFFIXES)
_PROGRAM_SUFFIXES = (b".ts", b".mts")  # of MPEG streams, and of TypeScript, which is text


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A picture or video file by its name. With a `problem`, the reason why it cannot be opened."""

    name: bytes
    size_bytes: int = 0
    mtime_ns: int = 0
    problem: str | None = None
    is_out_of_reach: bool = False
    """The name is there, and what it leads to is not: a link to a drive that is away."""
    may_come_back: bool = False
    """The problem is of the place and not of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A folder's own pictures and videos, in the order of their names."""

    folder: bytes
    found: list[Found]
    mount: Mount
    """What holds the folder."""


@dataclass(slots=True)
class _Folder:
    """Where a walk goes next."""

    path: bytes
    scope: Scope
    """Of the folder above it; of a root its own."""


@dataclass(slots=True)
class Walk:
    """One pass over some roots. Iterate it once, then ask what it learned.

    Hidden files and folders (a leading dot) are passed over, links to folders are not followed,
    as ripgrep does. A root that is a file is taken whatever it is called.

    Attributes:
        listed: folders whose every entry was seen.
        unreadable: folders that could not be listed, and why.
        missing: roots that are not there.
        excluded: files and folders that a rule leaves out, and the rule.
        passed_over: for each root, how many files that are no pictures or videos, by suffix.
        mounts: of now, or of when it was last seen that something was mounted.
    """

    roots: list[bytes]
    rules: Rules = field(default_factory=lambda: Rules({}))
    listed: set[bytes] = field(default_factory=set)
    unreadable: dict[bytes, str] = field(default_factory=dict)
    missing: set[bytes] = field(default_factory=set)
    excluded: dict[bytes, str] = field(default_factory=dict)
    passed_over: dict[bytes, Counter[str]] = field(default_factory=dict)
    mounts: Mounts = field(default_factory=Mounts.now)
    _devices: set[int] = field(default_factory=set)
    _waiting: list[bytes] = field(default_factory=list)
    """Roots in what a rule leaves out: they are taken all the same."""

    def __iter__(self) -> Iterator[Listing]:
        """Folders and names in order, one listing in memory at a time."""
        for root in self.roots:
            yield from self._root(root)

    def _root(self, root: bytes) -> Iterator[Listing]:
        if is_gone(root) or (not os.path.exists(root) and os.path.islink(root) and not is_media(root)):
            self.missing.add(root)  # or it is a link to a folder that is not there
            return
        try:
            scope, out = self.rules.trace(root)
        except OSError as error:
            self.unreadable[root] = f"the rules of the folders above it cannot be read: {error.strerror}"
            return
        if out:
            self._leave_out(*out, at=root)
        elif os.path.isdir(root):
            yield from self._folders(root, scope)
        else:
            folder, name = os.path.split(root)
            try:
                mount = self._mount(os.path.realpath(folder))
            except OSError as error:
                self.unreadable[root] = f"cannot be reached: {error.strerror}"
                return
            yield Listing(folder=folder, found=[_found(name, root)], mount=mount)
        while self._waiting:
            yield from self._root(self._waiting.pop())

    def _leave_out(self, path: bytes, rule: str, *, at: bytes) -> None:
        self.excluded[path] = rule
        self._waiting += self.rules.named_below(at)

    def _folders(self, root: bytes, scope: Scope) -> Iterator[Listing]:
        counts: Counter[str] = Counter()
        real = os.path.realpath(root)
        waiting = [_Folder(root, scope)]
        while waiting:
            folder = waiting.pop()
            below = folder.path[len(root) :].lstrip(b"/")
            try:
                listing = self._list(folder, waiting, counts, real=os.path.join(real, below) if below else real)
            except OSError as error:
                self.unreadable[folder.path] = f"the folder cannot be listed: {error.strerror}"
                continue
            if listing is not None:
                self.listed.add(folder.path)
                yield listing
        if root in self.listed and self.rules.is_named(root):
            self.passed_over[root] = counts

    def _list(self, folder: _Folder, waiting: list[_Folder], counts: Counter[str], *, real: bytes) -> Listing | None:
        """Its files; its folders go to `waiting`. None when a rule leaves it out because of what it holds."""
        with os.scandir(folder.path) as opened:
            entries = sorted(opened, key=lambda entry: entry.name)
        names = {entry.name for entry in entries if entry.name.startswith(b".")}
        if rule := self.rules.rule_inside(folder.scope, folder.path, names):
            self._leave_out(folder.path, rule, at=folder.path)
            return None
        scope = self.rules.enter(folder.scope, folder.path, names)
        found: list[Found] = []
        folders: list[_Folder] = []
        for entry in entries:
            if entry.name.startswith(b"."):
                continue
            is_folder = entry.is_dir(follow_symlinks=False)
            if rule := self.rules.rule(scope, entry.path, is_folder=is_folder):
                if is_folder or is_media(entry.path):
                    self._leave_out(entry.path, rule, at=entry.path)
            elif is_folder:
                folders.append(_Folder(entry.path, scope))
            elif not is_media(entry.path):
                if entry.is_file(follow_symlinks=False):
                    counts[_suffix(entry.name)] += 1
            elif not entry.is_dir():
                found.append(_found(entry.name, entry.path))
        waiting.extend(reversed(folders))
        return Listing(folder=folder.path, found=found, mount=self._mount(real))

    def _mount(self, real: bytes) -> Mount:
        """What holds a folder, asked after it was listed: an automatic mount comes with that."""
        device = os.stat(real).st_dev
        if device not in self._devices:
            self.mounts = Mounts.now()
            self._devices.add(device)
        return self.mounts.at(real)


def is_media(path: bytes) -> bool:
    """Whether a file is a picture or video by its name; of `.ts` also by its first bytes."""
    name = path.lower()
    if not name.endswith(SUFFIXES):
        return False
    if name.endswith(_PROGRAM_SUFFIXES) and os.path.isfile(path):
        try:
            with open(path, "rb") as file:
                begin = file.read(5)
        except OSError:
            return True  # the ledger will say why
        return not begin or 0x47 in (begin[0], begin[-1])  # a packet's first byte, after a time of 4 bytes in .m2ts
    return True


def is_gone(path: bytes) -> bool:
    """Whether nothing is at `path`. False when that cannot be known: a folder above may not let us look."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _found(name: bytes, path: bytes) -> Found:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        problem = "a link to a file that is not there"
        return Found(name=name, problem=problem, is_out_of_reach=True, may_come_back=True)
    except OSError as error:
        return Found(name=name, problem=f"cannot be reached: {error.strerror}", may_come_back=True)
    if not stat.S_ISREG(status.st_mode):
        return Found(name=name, problem="not a regular file (a pipe, a socket or a device)")
    return Found(name=name, size_bytes=status.st_size, mtime_ns=status.st_mtime_ns)


def _suffix(name: bytes) -> str:
    """In lower case, with its dot; empty where there is none."""
    return show(os.path.splitext(name)[1].lower())
