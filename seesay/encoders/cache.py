"""Vectors of texts that were encoded before: the label or query that comes again costs nothing.

Least recently used goes first when it is full. Knows strings and rows of numbers, no model.
"""

import sys
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from seesay.encoders.encoder import Vectors

LIMIT_BYTES = 64 << 20  # about 30,000 vectors of 512 numbers
_ENTRY_BYTES = 200  # of an entry beside its numbers and letters: the dictionary's slot and the array's head


class TextCache:
    """Text -> vector, for one encoder; any thread may use it.

    Args:
        limit_bytes: how much memory it may take; 0 keeps nothing.
    """

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._vectors: OrderedDict[str, Vectors] = OrderedDict()
        self._size_bytes = 0

    @property
    def size_bytes(self) -> int:
        """How much memory it takes, to within a few bytes an entry."""
        return self._size_bytes

    def __len__(self) -> int:
        """How many texts it knows."""
        return len(self._vectors)

    def find(self, texts: Iterable[str]) -> dict[str, Vectors]:
        """Those of the texts that it knows, each with its (E,) vector, which is the cache's own and read-only."""
        with self._lock:
            found = {text: self._vectors[text] for text in texts if text in self._vectors}
            for text in found:
                self._vectors.move_to_end(text)
        return found

    def keep(self, texts: Sequence[str], vectors: Vectors) -> None:
        """Remember copies of (N, E) vectors, row i for text i; the oldest are forgotten when it is full."""
        with self._lock:
            for text, vector in zip(texts, vectors, strict=True):
                size_bytes = _size_bytes(text, vector)
                if text in self._vectors or size_bytes > self._limit_bytes:
                    continue
                own = vector.copy()
                own.flags.writeable = False
                self._vectors[text] = own
                self._size_bytes += size_bytes
                while self._size_bytes > self._limit_bytes:
                    self._size_bytes -= _size_bytes(*self._vectors.popitem(last=False))


def _size_bytes(text: str, vector: Vectors) -> int:
    return vector.nbytes + sys.getsizeof(text) + _ENTRY_BYTES
