"""Pictures of clients are decoded a few at a time, and only as many as fit into a fixed amount of memory.

A file of four kilobytes can declare a hundred megapixels. What decoding takes is known from the head of the file, so
each picture waits until there is room for it. Must not know HTTP.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator

from seesay.base.errors import InputError
from seesay.inputs.reserving import reserving
from seesay.serve.batching import BusyError
from seesay.serve.leaving import check_client
from seesay.serve.settings import Budget

_LOOK_S = 0.2  # between two looks whether a client that waits is still there


class Decoding:
    """The memory and the places for decoding. Safe from any thread.

    Args:
        budget: how many pictures, how many bytes, and how many may wait.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._changed = threading.Condition()
        self._num_decoded = self._num_waiting = self._num_bytes = 0

    @contextlib.contextmanager
    def upload(self) -> Iterator[None]:
        """A context in which a picture of a client may be decoded, one after the other.

        Raises:
            BusyError: so many wait already that this one was not taken.
            InputError: from whoever decodes: a picture that would take more than all the memory there is.
            GoneError: the client is not there any more.
        """
        with self._place(), self._memory(is_refused=True):
            yield

    @contextlib.contextmanager
    def own(self) -> Iterator[None]:
        """The same for a file of the library, which may take more than a client's picture, but then alone.

        Raises:
            BusyError: so many wait already that this one was not taken.
            GoneError: the client is not there any more.
        """
        with self._place(), self._memory(is_refused=False):
            yield

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        with self._changed:
            if self._num_waiting >= self._budget.decodes_waiting:
                raise BusyError("more pictures wait to be decoded than the service takes; try again in a moment")
            self._num_waiting += 1
            try:
                self._wait(lambda: self._num_decoded < self._budget.decoded_at_once)
            finally:
                self._num_waiting -= 1
            self._num_decoded += 1
        try:
            yield
        finally:
            with self._changed:
                self._num_decoded -= 1
                self._changed.notify_all()

    @contextlib.contextmanager
    def _memory(self, *, is_refused: bool) -> Iterator[None]:
        most, held = self._budget.decoding_bytes, 0

        def reserve(num_bytes: int) -> None:
            nonlocal held
            if num_bytes > most and is_refused:
                raise InputError(
                    f"too large: reading it takes {num_bytes / 2**20:,.0f} MiB of memory, and the service gives "
                    f"{most >> 20} MiB; send a smaller copy"
                )
            more = min(num_bytes, most) - held
            if more <= 0:
                return
            with self._changed:
                if (
                    not held
                ):  # who holds some already, as for a second try at the same picture, must not wait for others
                    self._wait(lambda: self._num_bytes + more <= most)
                self._num_bytes += more
            held += more

        try:
            with reserving(reserve):
                yield
        finally:
            with self._changed:
                self._num_bytes -= held
                self._changed.notify_all()

    def _wait(self, is_there: Callable[[], bool]) -> None:
        while not self._changed.wait_for(is_there, _LOOK_S):
            check_client()
