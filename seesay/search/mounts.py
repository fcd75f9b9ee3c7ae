"""What is mounted now, and which drive or share a mount is.

A folder that is empty because its drive is away looks like one whose files were deleted. What tells them apart is the
mount that holds the folder. Linux says it in `/proc/self/mountinfo` (proc_pid_mountinfo(5)), bind mounts of the same
file system too; elsewhere a mount begins where the device number changes.

It knows paths and mounts. It must not know the library. All paths are absolute; `at` needs them free of links.
"""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

MOUNTINFO = "/proc/self/mountinfo"
_BY_UUID = "/dev/disk/by-uuid"
_ESCAPES = ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\043", b"#"), (b"\\134", b"\\"))

_REMOTE = frozenset(
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "afpfs",
        "webdav",
        "davfs",
        "9p",
        "afs",
        "ceph",
        "glusterfs",
        "lustre",
        "autofs",
    ]
)
# File systems whose statvfs id is made from their own UUID. Of the others it is the device number, which the next
# drive in the same socket gets too (vfat, exfat, ntfs, xfs).
_OWN_IDS = frozenset(["ext2", "ext3", "ext4", "btrfs", "f2fs", "zfs", "tmpfs"])
_MAX_LINKS = 40  # as Linux allows on the way to one file


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One mount."""

    point: bytes
    """The folder where it begins."""
    root: bytes = b"/"
    """The folder of the file system that it shows; of a bind mount seldom the top one."""
    kind: str = ""
    """The type of the file system."""
    source: bytes = b""
    """The device or share."""

    @property
    def is_remote(self) -> bool:
        """Whether looking at a file may wait for another machine or program, perhaps for ever."""
        return self.kind in _REMOTE or self.kind.startswith("fuse.") or self.kind == "fuse"

    @property
    def is_automatic(self) -> bool:
        """Whether the real mount comes when somebody looks at it."""
        return self.kind == "autofs"


@dataclass(slots=True)
class Mounts:
    """All mounts of one moment."""

    _children: dict[tuple[int, bytes], tuple[int, Mount]] | None
    """(id of the mount that holds the point, point) to (own id, mount); None where the system does not list them."""
    _identities: dict[Mount, str] = field(default_factory=dict, compare=False)
    _folders: dict[bytes, Mount] = field(default_factory=dict, compare=False)

    @classmethod
    def now(cls) -> "Mounts":
        """Read them."""
        text = read_mountinfo()
        return cls(None if text is None else _parse(text))

    def at(self, path: bytes) -> Mount:
        """The mount that holds `path`, which must be free of links and need not be there."""
        if path not in self._folders:
            self._folders[path] = self._find(path)
        return self._folders[path]

    def around(self, path: bytes) -> frozenset[Mount]:
        """The mount that holds `path`, as for `at`, and those below it."""
        every = () if self._children is None else self._children.values()
        base = path.rstrip(b"/") + b"/"
        return frozenset({self.at(path)} | {mount for _, mount in every if mount.point.startswith(base)})

    def resolve(self, path: bytes) -> tuple[Mount, bytes | None]:
        """Follow the links of a path, without ever looking into a file system that may not answer.

        Returns:
            The mount that holds what `path` leads to, and its path without links: None when nothing is there. Of what
            lies on a remote file system it is taken for granted that it is there.
        """
        todo, done, num_links = path.split(b"/")[::-1], b"/", 0
        while todo:
            part = todo.pop()
            if part in (b"", b"."):
                continue
            if part == b"..":
                done = os.path.dirname(done)
                continue
            step = os.path.join(done, part)
            mount = self.at(step)
            if mount.is_remote:
                return mount, os.path.join(step, *todo[::-1])
            try:
                target = os.readlink(step)
            except OSError as error:
                if error.errno != errno.EINVAL:  # "it is no link"
                    return mount, None
                done = step
                continue
            num_links += 1
            if num_links > _MAX_LINKS:
                return mount, None
            done = b"/" if target.startswith(b"/") else done
            todo += target.split(b"/")[::-1]
        return self.at(done), done

    def identity(self, mount: Mount) -> str:
        """What makes a drive or share itself, whenever, wherever and whichever part of it is mounted: `kind:value`.

        `is_same` compares two of them.
        """
        if mount not in self._identities:
            self._identities[mount] = _identity(mount)
        return self._identities[mount]

    def _find(self, path: bytes) -> Mount:
        if self._children is None:
            return _find_by_device(path)
        number, mount = -1, Mount(point=b"/")
        for folder in _from_top(path):
            while child := self._children.get((number, folder)):  # one mount may lie over another
                number, mount = child
        return mount


def is_same(one: str, other: str) -> bool | None:
    """Whether two identities are of one drive; None where they do not tell."""
    if one == other and one:
        return True
    kinds = {one.partition(":")[0], other.partition(":")[0]}
    # The same drive has a uuid where udev runs, as in most systems, and an id where it does not, as in most containers.
    return False if kinds <= {"uuid", "share", "id"} and kinds != {"uuid", "id"} else None


def read_mountinfo() -> bytes | None:
    """The system's list of mounts; None where it has none."""
    try:
        with open(MOUNTINFO, "rb") as file:
            return file.read()
    except OSError:
        return None


def _parse(text: bytes) -> dict[tuple[int, bytes], tuple[int, Mount]]:
    found = []
    for line in text.splitlines():
        before, _, after = line.partition(b" - ")
        number, parent, _, root, point = before.split(b" ")[:5]
        kind, source = after.split(b" ")[:2]
        mount = Mount(point=_plain(point), root=_plain(root), kind=os.fsdecode(kind), source=_plain(source))
        found.append((int(number), int(parent), mount))
    numbers = {number for number, _, _ in found}
    # The parent of the topmost mount is not in the list, or is that mount itself.
    return {
        (parent if parent in numbers and parent != number else -1, mount.point): (number, mount)
        for number, parent, mount in found
    }


def _plain(text: bytes) -> bytes:
    for escape, character in _ESCAPES:
        text = text.replace(escape, character)
    return text


def _from_top(path: bytes) -> Iterator[bytes]:
    """`/`, `/a`, `/a/b` of `/a/b`."""
    yield b"/"
    end = path.find(b"/", 1)
    while end != -1:
        yield path[:end]
        end = path.find(b"/", end + 1)
    if path != b"/":
        yield path


def _find_by_device(path: bytes) -> Mount:
    while path != os.path.dirname(path) and not os.path.ismount(path):
        path = os.path.dirname(path)
    return Mount(point=path)


def _identity(mount: Mount) -> str:
    device = os.path.realpath(mount.source) if mount.source.startswith(b"/dev/") else b""
    if device and (uuid := _uuid_of(device)):
        return f"uuid:{uuid}"
    is_share = b":" in mount.source or mount.source.startswith(b"/")
    if mount.is_remote and not mount.is_automatic and is_share:
        return f"share:{os.fsdecode(mount.source)!r}"
    if mount.is_remote:  # asking it may wait for ever
        return f"name:{mount.kind} {os.fsdecode(mount.source)!r} {mount.point!r}"
    try:
        status, number = os.statvfs(mount.point), os.stat(mount.point).st_dev
    except OSError:
        return ""
    if mount.kind in _OWN_IDS and status.f_fsid:
        return f"id:{status.f_fsid:x}"
    # A loop device shows one file, then another; the size tells most drives apart.
    origin = _loop_file(device) or os.fsdecode(mount.source) or f"device {number}"
    return f"name:{mount.kind} {origin!r} {status.f_blocks * status.f_frsize}"


def _uuid_of(device: bytes) -> str | None:
    """As udev writes it, for everybody to read."""
    try:
        names = os.listdir(_BY_UUID)
    except OSError:
        return None
    return next((name for name in names if os.fsencode(os.path.realpath(f"{_BY_UUID}/{name}")) == device), None)


def _loop_file(device: bytes) -> str | None:
    try:
        with open(f"/sys/block/{os.fsdecode(os.path.basename(device))}/loop/backing_file", encoding="utf-8") as file:
            return file.read().strip()
    except (OSError, UnicodeDecodeError):
        return None
