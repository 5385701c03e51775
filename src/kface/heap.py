"""Gives memory that was freed back to the operating system.

The C library keeps freed memory of many sizes and threads for itself: a program that runs for weeks beside others on a board of
2 or 4 GB looks as if it leaked (about 1 MB a minute were seen with frames of 0.7 MB and reconnecting streams).
"""

import ctypes


def trim() -> bool:
    """Give freed memory back, which takes some milliseconds; returns whether this C library can."""
    try:
        malloc_trim = ctypes.CDLL("libc.so.6").malloc_trim
    # There is none in musl, macOS and Windows.
    except (OSError, AttributeError):
        return False
    malloc_trim(ctypes.c_size_t(0))
    return True
