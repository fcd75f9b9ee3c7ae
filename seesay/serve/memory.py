"""Memory that was used for a moment goes back to the system at once.

glibc learns from large blocks that are freed to keep such blocks, in an arena of each thread. With as many threads as a
service has, what one picture took is kept many times over: of 80 uploads of 48 megapixels, one at a time, 4 GB.
"""

import ctypes
import sys

_M_MMAP_THRESHOLD = -3  # of glibc's malloc.h
_LARGE_BYTES = 1 << 20


def return_large_blocks() -> None:
    """Let this process's allocator map blocks of a megabyte and more, and unmap them when they are freed.

    Source: mallopt(3), M_MMAP_THRESHOLD: to set it also ends its growing. Other allocators do so by themselves.
    """
    if sys.platform == "linux":
        try:
            ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        except AttributeError:  # musl, whose allocator never keeps such blocks
            return
