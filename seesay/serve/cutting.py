"""Clips for clients: a few at a time, in a folder of this service alone that never outlives it.

Cutting can keep a core busy for minutes, and its result lies on disk until it is sent. So there are a few places; work
ends when its client goes, when it takes too long or when the service stops; and every file goes when its answer is
sent, when the service ends, or, after a kill, when the next service of the same user starts. Must not know HTTP.
"""

import contextlib
import os
import re
import shutil
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from seesay.base.errors import InputError, UsageError, reason
from seesay.search.clips import cut_clip
from seesay.search.rows import ItemRow
from seesay.serve.batching import BusyError
from seesay.serve.leaving import check_client
from seesay.serve.settings import Budget

if sys.platform != "win32":
    import fcntl

_PREFIX = "seesay-clips-"
_OURS = re.compile(rf"{_PREFIX}\d+-\w{{8}}")  # with the process's number, for whoever looks into the folder
_CHUNK_BYTES = 1 << 20
_LOOK_S = 0.1  # between two looks at how much disk is taken


class Made(NamedTuple):
    """A file to send, and the folder that is to go when it was sent."""

    path: Path
    folder: Path


class Clips:
    """The clips of one service. Safe from any thread.

    Args:
        budget: how many, how long, how large.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._places = threading.BoundedSemaphore(budget.clips_at_once)
        self._is_stopped = threading.Event()
        self._lock = threading.Lock()
        self._folder: _OwnFolder | None = None
        self._next_look_s = 0.0
        remove_left_over()

    def cut(self, row: ItemRow, start_s: float, end_s: float) -> Made:
        """A part of a video as a file.

        Args:
            row: a moment of it.
            start_s: seconds from the video's first picture.
            end_s: where the clip ends, in the same seconds.

        Raises:
            UsageError: it would be longer than the budget allows, or has no length.
            InputError: the video cannot be read, or cutting takes too long.
            BusyError: others are being cut, the disk's share is used up, or the service is stopping.
            GoneError: the client is not there any more.
        """
        longest_s = self._budget.clip_s
        if not 0 < end_s - start_s <= longest_s:
            raise UsageError(f"a clip must end after it begins, and at most {longest_s:.0f} s later")
        with self._place(), self._scratch() as folder:
            until = time.monotonic() + self._budget.clip_work_s

            def check() -> None:
                self._check()
                if time.monotonic() > until:
                    raise InputError(
                        f"this clip was not ready after {self._budget.clip_work_s:g} s, since the video's pictures "
                        "have to be encoded anew; ask for a shorter one"
                    )

            check()
            clip = cut_clip(os.fsdecode(row.path), start_s, end_s, folder / "clip", track=row.track, check=check)
            return Made(clip.path, folder)

    def copy(self, path: str, start: int, num_bytes: int) -> Made:
        """A part of a file, byte for byte, as a file: the film inside a photograph.

        Raises:
            InputError: it cannot be read.
            BusyError: the disk's share is used up, or the service is stopping.
            GoneError: the client is not there any more.
        """
        with self._scratch() as folder:
            to = folder / "film.mp4"
            try:
                with Path(path).open("rb") as source, to.open("wb") as target:
                    source.seek(start)
                    while num_bytes > 0 and (chunk := source.read(min(_CHUNK_BYTES, num_bytes))):
                        target.write(chunk)
                        num_bytes -= len(chunk)
                        self._check()
            except OSError as error:
                raise InputError(f"the film inside it cannot be read: {reason(error)}") from error
            return Made(to, folder)

    def stop(self) -> None:
        """End what is being cut, and take nothing more."""
        self._is_stopped.set()

    def close(self) -> None:
        """Stop, and remove every file."""
        self.stop()
        with self._lock:
            if self._folder is not None:
                self._folder.remove()
                self._folder = None

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise BusyError(
                f"{self._budget.clips_at_once} clips are being cut already, which is the most at a time; try again in "
                "a moment"
            )
        try:
            yield
        finally:
            self._places.release()

    @contextlib.contextmanager
    def _scratch(self) -> Iterator[Path]:
        """A folder for one file, which stays if nothing goes wrong."""
        self._check()
        try:
            with self._lock:
                if self._folder is None:
                    self._folder = _OwnFolder()
                folder = Path(tempfile.mkdtemp(dir=self._folder.path))
        except OSError as error:
            raise InputError(f"there is no room for a clip in {tempfile.gettempdir()}: {reason(error)}") from error
        is_made = False
        try:
            yield folder
            is_made = True
        finally:
            if not is_made:
                shutil.rmtree(folder, ignore_errors=True)

    def _check(self) -> None:
        check_client()
        if self._is_stopped.is_set():
            raise BusyError("the service is stopping; try again in a moment")
        folder, now_s = self._folder, time.monotonic()
        if folder is None or now_s < self._next_look_s:
            return
        if _size_bytes(folder.path) > self._budget.clip_bytes:
            raise BusyError(
                f"the clips that are being cut and sent take more than the {self._budget.clip_bytes >> 20:,} MiB of "
                "disk that the service gives them; ask for a shorter clip, or try again in a moment"
            )
        self._next_look_s = now_s + _LOOK_S


class _OwnFolder:
    """A folder among the temporary files, locked for as long as this process lives.

    The lock, and not the process's number, says whether it is in use: numbers come again, and in a container they are
    those of other processes.
    """

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        self._descriptor: int | None = None
        if sys.platform != "win32":
            self._descriptor = os.open(self.path, os.O_RDONLY)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def remove(self) -> None:
        """Delete it, and let go."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._descriptor is not None:
            os.close(self._descriptor)


def remove_left_over() -> None:
    """Delete the folders of this user's services that were killed; nothing of anybody else, and nothing in use."""
    with contextlib.suppress(OSError):  # no temporary folder at all: then there is nothing in it
        for entry in os.scandir(tempfile.gettempdir()):
            if _OURS.fullmatch(entry.name):
                with contextlib.suppress(OSError):  # it is in use, or somebody else is removing it
                    _remove_unused(entry.path)


def _remove_unused(path: str) -> None:
    if sys.platform == "win32":  # without such locks nobody can tell whether it is in use
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        facts = os.fstat(descriptor)
        if facts.st_uid == os.getuid() and stat.S_IMODE(facts.st_mode) == 0o700:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path)
    finally:
        os.close(descriptor)


def _size_bytes(folder: Path) -> int:
    total = 0
    for own in os.scandir(folder):
        with contextlib.suppress(OSError):  # another clip's, which has just gone
            total += sum(entry.stat().st_size for entry in os.scandir(own.path))
    return total
