"""The file of an item, as long as it is the one that the index read.

Whoever may write into an indexed folder could put a link to any other file in the place of a picture, or in the place
of a folder above it, and ask the service for it. So the file is opened once; what was opened must be where the index
found it when links are followed, and have that size and time; and what was opened is what is sent. An album of links
goes on working: the index wrote down where they led.
"""

import os
import stat
from dataclasses import dataclass

from seesay.base.errors import InputError, reason
from seesay.search.rows import ItemRow
from seesay.search.walk import fit_ns
from seesay.serve.errors import NotFoundError

_CURE = "bring the library up to date with `seesay index`"
_GONE = f"the file is not there any more; {_CURE}"


@dataclass(frozen=True, slots=True)
class Original:
    """An open file.

    Attributes:
        number: of the file, open; whoever has it closes it.
        facts: size and times.
    """

    number: int
    facts: os.stat_result

    @property
    def path(self) -> str:
        """A path that leads to this open file, whatever has its name by now."""
        return f"/dev/fd/{self.number}"

    def close(self) -> None:
        """Close it."""
        os.close(self.number)


def open_original(row: ItemRow) -> Original:
    """Open the file of an item.

    Raises:
        NotFoundError: it is gone, or is another one than the index read.
        InputError: it cannot be read.
    """
    try:
        number = os.open(row.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise NotFoundError(_GONE) from error
    except OSError as error:
        raise InputError(f"the file cannot be read: {reason(error)}") from error
    try:
        facts = os.fstat(number)
        if not stat.S_ISREG(facts.st_mode):
            raise NotFoundError(_GONE)
        if _real_path(number, row.path) != (row.real_path or row.path):
            raise NotFoundError(f"a link leads elsewhere than when the file was indexed; {_CURE}")
        if (facts.st_size, fit_ns(facts.st_mtime_ns)) != (row.facts.size_bytes, row.facts.mtime_ns):
            raise NotFoundError(f"the file has changed since it was indexed; {_CURE}")
    except BaseException:
        os.close(number)
        raise
    return Original(number, facts)


def check_original(row: ItemRow) -> None:
    """Look whether `open_original` would open the file of an item, for a decoder that opens it by its name.

    Raises:
        NotFoundError: it is gone, or is another one than the index read.
        InputError: it cannot be read.
    """
    open_original(row).close()


def _real_path(number: int, path: bytes) -> bytes:
    """Where an open file is. Linux says it of the open file itself, so that nothing can change in between."""
    try:
        return os.readlink(f"/proc/self/fd/{number}".encode())  # noqa: PTH115 (its text may be any bytes)
    except OSError:  # no such folder on this system
        return os.path.realpath(path)
