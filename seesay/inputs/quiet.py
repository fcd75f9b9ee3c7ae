"""Keep Pillow's warnings from the user while a picture is being read.

Pillow warns of things that are no concern of someone with a folder of photos: a corrupt EXIF tag, a large picture,
a palette. Under `-W error` such a warning would turn a good picture into an error.
"""

import re
import threading
import warnings
from types import TracebackType
from typing import Any

# What `warnings.filterwarnings("ignore", module=r"PIL\.")` would insert. Only warnings raised by Pillow's own
# modules match it, so the rest of the process keeps its filters.
_IGNORE: Any = ("ignore", None, Warning, re.compile(r"PIL\."), 0)


class QuietPillow:
    """A context in which warnings of Pillow's own modules are ignored, for as long as any thread is inside.

    `warnings.catch_warnings` cannot be used: before Python 3.14 it saves and restores the list of the whole process,
    so two threads that overlap leave the wrong one behind. Here one entry goes into the list with the first thread
    and out with the last. It goes in directly, since the functions of `warnings` also forget what was already shown,
    and then every other module's "once" warnings would be shown anew with each picture.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._num_inside = 0

    def __enter__(self) -> None:
        """Come in; the first one switches Pillow's warnings off."""
        with self._lock:
            self._num_inside += 1
            # Looked up each time: somebody else's catch_warnings may have exchanged the list while we were inside.
            current: Any = warnings.filters
            if _IGNORE not in current[:1]:
                current.insert(0, _IGNORE)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Go out; the last one switches them on again."""
        with self._lock:
            self._num_inside -= 1
            current: Any = warnings.filters
            if self._num_inside == 0:
                while _IGNORE in current:
                    current.remove(_IGNORE)
