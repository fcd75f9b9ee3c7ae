"""Pictures by number: files on a disk, and members of tars by where they start and how long they are."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seesay.base.errors import InputError
from seesay.evaluation.dataset import Pictures
from seesay.inputs.pictures import Source


class Files:
    """Picture files, in the order given.

    Args:
        paths: N files.
        root: what their keys are relative to.
    """

    def __init__(self, paths: Sequence[Path], root: Path) -> None:
        self._paths = list(paths)
        self._root = root
        self._digest = ""

    def __len__(self) -> int:
        """N."""
        return len(self._paths)

    def __getitem__(self, number: int, /) -> Path:
        """The path of a picture."""
        return self._paths[number]

    @property
    def digest(self) -> str:
        """Over every name, size and time of change, so that no file has to be read for it."""
        if not self._digest:
            self._digest = digest_of(f"{self.key(number)}|{_stamp(path)}" for number, path in enumerate(self._paths))
        return self._digest

    def key(self, number: int) -> str:
        """The path under the root."""
        return os.path.relpath(self._paths[number], self._root)


class Members:
    """Pictures inside tars, never more than one of them in memory.

    Args:
        tars: the archives.
        places: (N, 3) of each picture the number of its archive, the first byte, and how many; 0 bytes for one that
            is missing.
        keys: N names.
    """

    def __init__(self, tars: Sequence[Path], places: NDArray[np.int64], keys: Sequence[str]) -> None:
        self._tars, self._places, self._keys = list(tars), places, list(keys)
        stamps = [f"{tar.name}|{_stamp(tar)}" for tar in self._tars]
        self.digest = digest_of([*stamps, places.astype("<i8").tobytes().hex()])

    def __len__(self) -> int:
        """N."""
        return len(self._keys)

    def __getitem__(self, number: int, /) -> bytes:
        """The bytes of a picture.

        Raises:
            InputError: there is none, or its archive is gone.
        """
        tar, start, size = (int(value) for value in self._places[number])
        if not size:
            raise InputError("has labels or captions, but no picture")
        try:
            with self._tars[tar].open("rb") as file:
                file.seek(start)
                return file.read(size)
        except OSError as error:
            raise InputError(f"{self._tars[tar]} cannot be read: {error.strerror or error}") from error

    def key(self, number: int) -> str:
        """The archive and the name in it."""
        return f"{self._tars[int(self._places[number, 0])].name}/{self._keys[number]}"


class Part:
    """Some of other pictures.

    Args:
        pictures: the others.
        numbers: (n,) which of them.
    """

    def __init__(self, pictures: Pictures, numbers: NDArray[np.int64]) -> None:
        self._pictures, self._numbers = pictures, numbers

    @property
    def digest(self) -> str:
        """Over the others' and the numbers."""
        return digest_of([self._pictures.digest, self._numbers.astype("<i8").tobytes().hex()])

    def __len__(self) -> int:
        """How many."""
        return len(self._numbers)

    def __getitem__(self, number: int, /) -> Source:
        """As the others give it."""
        return self._pictures[int(self._numbers[number])]

    def key(self, number: int) -> str:
        """As the others call it."""
        return self._pictures.key(int(self._numbers[number]))


def digest_of(lines: Iterable[str]) -> str:
    """A short digest of lines, in their order."""
    state = hashlib.blake2b(digest_size=16)
    for line in lines:
        state.update(line.encode("utf-8", "surrogateescape") + b"\n")
    return state.hexdigest()


def _stamp(path: Path) -> str:
    try:
        found = path.stat()
    except OSError:
        return "missing"
    return f"{found.st_size}|{found.st_mtime_ns}"
