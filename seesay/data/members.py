"""Members of a tar that anybody may have made: a header is believed only within limits.

A header of 512 bytes can say that what follows has 6 GB, a sparse member has them without a byte in the file, and a
compressed archive unpacks to a thousand times its size and more. So sizes are looked at before anything is read, and
what comes out of a compressed archive is compared with what went in.
"""

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Callable
from typing import IO, Any, Self

from seesay.base.errors import InputError
from seesay.inputs.pictures import PICTURE_SUFFIXES
from seesay.inputs.refusals import MAX_FILE_BYTES

MAX_TEXT_BYTES = 64 << 20
"""The largest member beside a picture (a text, a label, a JSON file)."""
MAX_NAME_BYTES = 1 << 20
"""The largest header that goes before a member: long names, PAX fields."""
MAX_OF_ONE = 64
"""The most members that share a stem."""
MAX_RATIO = 200
"""How many times larger than its bytes an archive may become. Scans as TIFF, nearly all of them white, reach 50."""
_ALWAYS_BYTES = 64 << 20  # what may come out of any archive, so that a small one need not be weighed
_MOST_EMPTY = 3  # reads at the end: to pass over a member of 8 EB, tarfile would read on for years
_CHUNK_BYTES = 1 << 20
_BEFORE_MEMBERS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


class Bounded(tarfile.TarInfo):
    """A header; what only says the name of the next one is read whole by tarfile, so it is small."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Read one from its bytes."""
        header = super().frombuf(buf, encoding, errors)
        if header.type in _BEFORE_MEMBERS and not 0 <= header.size <= MAX_NAME_BYTES:
            raise tarfile.ReadError(f"the name of a member is said to have {header.size:,} bytes")
        return header


class Member(Bounded):
    """A header in a stream; where one is missing or cut, tarfile takes it for the end of the archive."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Self:
        """Read the next one."""
        try:
            return super().fromtarfile(tarfile_)
        except (tarfile.TruncatedHeaderError, tarfile.EmptyHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError("it ends without an end mark, so it was cut short") from error


def check_member(member: tarfile.TarInfo) -> None:
    """Refuse what is larger than anybody wants, before it is read.

    Raises:
        InputError: it is, or it is sparse: then its size says nothing of what is in the archive.
    """
    if member.issparse():
        raise InputError(f"{member.name} is stored as a sparse file, which a picture or text never needs")
    suffix = f".{member.name.rpartition('/')[2].partition('.')[2].lower()}"
    most = MAX_FILE_BYTES if suffix in PICTURE_SUFFIXES else MAX_TEXT_BYTES
    if not 0 <= member.size <= most:
        raise InputError(f"{member.name} has {member.size:,} bytes, the limit is {most:,}")


def read_member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """The content of a member that was checked, taken as it comes: no memory is set aside for what a header says.

    Raises:
        ReadError: it is cut short.
    """
    content = tar.extractfile(member)
    assert content is not None  # only files are read
    parts: list[bytes] = []
    left = member.size
    while left and (part := content.read(min(left, _CHUNK_BYTES))):
        parts.append(part)
        left -= len(part)
    if left:
        raise tarfile.ReadError(f"{member.name} breaks off after {member.size - left:,} of {member.size:,} bytes")
    return b"".join(parts)


class Unpacked:
    """The bytes of a tar, read once from start to end, out of a plain file or out of a compressed one.

    tarfile would unpack for itself, ten kilobytes at a time whatever they become: in bzip2 that can be 13 GB.

    Args:
        file: a file, or a pipe.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._source = _Counted(file)
        unpack = next((unpack for start, unpack in _PACKED.items() if self._source.head.startswith(start)), None)
        self._content = self._source if unpack is None else unpack(self._source)
        self._num_unpacked = self._num_empty = 0

    def read(self, num_bytes: int) -> bytes:
        """The next bytes.

        Raises:
            ReadError: the file unpacks to far more than it has, or ended long before.
        """
        content = self._content.read(num_bytes)
        self._num_unpacked += len(content)
        self._num_empty = 0 if content else self._num_empty + 1
        if self._num_empty > _MOST_EMPTY:
            raise tarfile.ReadError("it breaks off inside a member; copy or download it again")
        num_packed = self._source.num_bytes
        if self._num_unpacked > max(_ALWAYS_BYTES, MAX_RATIO * num_packed):
            raise tarfile.ReadError(
                f"{num_packed:,} bytes of it became {self._num_unpacked:,}; more than {MAX_RATIO} times is no archive "
                "of pictures"
            )
        return bytes(content)


class _Counted:
    """A file of which the first bytes can be looked at, and how many were read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.head = self._ahead = file.read(6)
        self.num_bytes = 0

    def read(self, num_bytes: int = -1) -> bytes:
        if num_bytes < 0:
            content, self._ahead = self._ahead + self._file.read(), b""
        else:
            content, self._ahead = self._ahead[:num_bytes], self._ahead[num_bytes:]
            content = content or self._file.read(num_bytes)
        self.num_bytes += len(content)
        return content


_PACKED: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": lambda source: gzip.GzipFile(fileobj=source, mode="rb"),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
