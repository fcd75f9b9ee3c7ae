"""Memory for a picture is asked for before it is taken.

Decoding many pictures at once can take more than there is. `reserving` hands a function in which is told how many bytes
the next picture will take, by the size that its file declares; it may wait for others, or raise. Must not know who
shares the memory.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Reserve = Callable[[int], None]

_reserve: ContextVar[Reserve | None] = ContextVar("seesay_reserve", default=None)


@contextmanager
def reserving(reserve: Reserve) -> Iterator[None]:
    """A context in which whoever is about to decode a picture in this thread asks here first."""
    mark = _reserve.set(reserve)
    try:
        yield
    finally:
        _reserve.reset(mark)


def reserve_bytes(num_bytes: int) -> None:
    """Wait until so much memory may be taken; at once, unless somebody shares it out."""
    reserve = _reserve.get()
    if reserve is not None:
        reserve(num_bytes)
