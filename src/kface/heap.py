"""Gives memory that was freed back to the operating system.

The C library keeps freed memory of many sizes and threads for itself: a program that runs for weeks beside others on a board of
2 or 4 GB looks as if it leaked (about 1 MB a minute were seen with frames of 0.7 MB and reconnecting streams).
"""

import ctypes
from typing import Any, List

#: The function of the C library, looked up once; empty where there is none (musl, macOS, Windows).
_TRIM: List[Any] = []


def trim() -> bool:
    """Give freed memory back, which takes some milliseconds; returns whether this C library can."""
    if not _TRIM:
        try:
            _TRIM.append(ctypes.CDLL("libc.so.6").malloc_trim)
        except (OSError, AttributeError):
            _TRIM.append(None)
    if _TRIM[0] is None:
        return False
    _TRIM[0](ctypes.c_size_t(0))
    return True
