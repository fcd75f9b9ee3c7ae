"""Work on a long file ends between two of its packets when whoever started it says so.

`stopping` hands a check in, and whatever reads for long calls `check_stop` now and then. The check raises an exception
of its own, which comes out where the work was started. Must not know why work is stopped.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Check = Callable[[], None]


def go_on() -> None:
    """The check of work that nobody stops."""


_check: ContextVar[Check] = ContextVar("seesay_check_stop", default=go_on)


@contextmanager
def stopping(check: Check) -> Iterator[None]:
    """A context in which `check_stop` calls this, in this thread."""
    mark = _check.set(check)
    try:
        yield
    finally:
        _check.reset(mark)


def check_stop() -> None:
    """Go on, unless whoever started the work wants it to end: then this raises what they raise."""
    _check.get()()
