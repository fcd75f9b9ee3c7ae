"""Threads that search: a library object belongs to one thread, and each thread here has its own."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from seesay.encoders.encoder import Encoder
from seesay.search.library import Library

T = TypeVar("T")
NUM_THREADS = 4  # a search is milliseconds of one core


class Libraries:
    """The same library, open in a few threads.

    Args:
        folder: where it is, or will be: it is opened when it is first asked for.
        encoder: the model of the service.
    """

    def __init__(self, folder: Path, encoder: Encoder) -> None:
        self.folder = folder
        self._encoder = encoder
        self._own = threading.local()
        self._pool = ThreadPoolExecutor(NUM_THREADS, thread_name_prefix="seesay-search")

    def use(self, work: Callable[[Library], T]) -> T:
        """Do something with the library and wait for it.

        Raises:
            LibraryError: there is none yet, and what the work raises.
        """
        return self._pool.submit(self._work, work).result()

    def close(self) -> None:
        """Finish what was asked for."""
        self._pool.shutdown()

    def _work(self, work: Callable[[Library], T]) -> T:
        library: Library | None = getattr(self._own, "library", None)
        if library is None:
            library = self._own.library = Library.open(self.folder, encoder=self._encoder, create=False)
        return work(library)
