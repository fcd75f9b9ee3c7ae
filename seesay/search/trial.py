"""Reading a file in a process of its own, to see whether that process ends.

Two runs that ended while a file was read may have been killed for any reason. So before it is passed over it is read
once more where its decoder can do no harm.
"""

import os
import signal
import sys
import time
import warnings

from seesay.inputs.transform import ImageTransform
from seesay.inputs.video import is_video
from seesay.search.reading import Wanted, read_parts, read_picture

LIMIT_S = 30.0  # the largest picture takes a few seconds
_LOOK_S = 0.02


def is_survived(wanted: Wanted, transform: ImageTransform) -> bool:
    """Whether a process that reads the file ends by itself, in time; of a video or a file of pages its next part.

    Call it while no other thread reads. Where a process cannot be copied (Windows) nobody knows, and the answer is no.
    """
    if sys.platform == "win32":
        return False
    with warnings.catch_warnings():
        # Python warns of locks that other threads may hold; none of ours runs, and the child is killed if it waits
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            _read(wanted, transform)
        finally:
            os._exit(0)  # what Python raises is no end of a process: reading it gives the reason
    try:
        return _ends(child)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise


def _read(wanted: Wanted, transform: ImageTransform) -> None:
    if is_video(os.fsdecode(wanted.path)) or read_picture(wanted, frozenset(), transform).has_parts:
        next(read_parts(wanted, b"", transform), None)


def _ends(child: int) -> bool:
    """Wait for it, and kill it after `LIMIT_S`."""
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status == 0
        time.sleep(_LOOK_S)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False
