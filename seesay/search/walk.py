"""Going through folders: which pictures and videos are there now, and which places could not be read.

It knows names, sizes and times. It opens no file, but those that may be TypeScript.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field

from seesay.inputs.pictures import PICTURE_SUFFIXES
from seesay.inputs.video import VIDEO_SUFFIXES

SUFFIXES = tuple(suffix.encode() for suffix in PICTURE_SUFFIXES | VIDEO_SUFFIXES)
_PROGRAM_SUFFIXES = (b".ts", b".mts")  # of MPEG streams, and of TypeScript, which is text


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A picture or video file by its name. With a `problem`, the reason why it cannot be opened."""

    name: bytes
    size_bytes: int = 0
    mtime_ns: int = 0
    problem: str | None = None


@dataclass(slots=True)
class Walk:
    """One pass over some roots. Iterate it once, then ask what it learned.

    Hidden files and folders (a leading dot) are passed over, links to folders are not followed,
    as ripgrep does. A root that is a file is taken whatever it is called.

    Attributes:
        listed: folders whose every entry was seen.
        unreadable: folders that could not be listed, and why.
        missing: roots that are not there.
        mounts: folders where another file system begins.
    """

    roots: list[bytes]
    listed: set[bytes] = field(default_factory=set)
    unreadable: dict[bytes, str] = field(default_factory=dict)
    missing: set[bytes] = field(default_factory=set)
    mounts: set[bytes] = field(default_factory=set)

    def __iter__(self) -> Iterator[tuple[bytes, list[Found]]]:
        """(folder, its own pictures and videos), folders and names in order, one listing in memory at a time."""
        for root in self.roots:
            self.mounts.update(_mounts_above(root))
            if is_gone(root):
                self.missing.add(root)
            elif os.path.isdir(root):
                yield from self._folder(root)
            else:
                folder, name = os.path.split(root)
                yield folder, [_found(name, root)]

    def _folder(self, root: bytes) -> Iterator[tuple[bytes, list[Found]]]:
        waiting = [root]
        while waiting:
            folder = waiting.pop()
            found: list[Found] = []
            folders: list[bytes] = []
            try:
                with os.scandir(folder) as entries:
                    for entry in sorted(entries, key=lambda entry: entry.name):
                        if entry.name.startswith(b"."):
                            continue
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(entry.path)
                        elif is_media(entry.path) and not entry.is_dir():
                            found.append(_found(entry.name, entry.path))
            except OSError as error:
                self.unreadable[folder] = f"the folder cannot be listed: {error.strerror}"
                continue
            self.listed.add(folder)
            self.mounts.update(child for child in folders if os.path.ismount(child))
            waiting.extend(reversed(folders))
            yield folder, found


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
        return Found(name=name, problem="a link to a file that is not there")
    except OSError as error:
        return Found(name=name, problem=f"cannot be reached: {error.strerror}")
    if not stat.S_ISREG(status.st_mode):
        return Found(name=name, problem="not a regular file (a pipe, a socket or a device)")
    return Found(name=name, size_bytes=status.st_size, mtime_ns=status.st_mtime_ns)


def _mounts_above(path: bytes) -> Iterator[bytes]:
    """The file system that holds `path`, by the folder where it begins; nothing for the one at the top."""
    while path != os.path.dirname(path):
        if os.path.ismount(path):
            yield path
        path = os.path.dirname(path)
