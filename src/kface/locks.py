"""Locks on open files and directories, which the operating system releases when their holder dies."""

import contextlib
from typing import Iterator

try:
    import fcntl
except ImportError:  # Windows has no such lock.
    fcntl = None  # type: ignore[assignment]

#: Whether this system has such locks.
AVAILABLE = fcntl is not None


def lock(handle: int, wait: bool = True) -> bool:
    """Lock an open file or directory for this process, until :func:`unlock` or until its last handle is closed.

    Args:
        handle: The file's descriptor.
        wait: Wait where another process holds it.

    Returns:
        Whether it is locked: False where another process holds it and `wait` is false. Always True on a system without
        locks.

    Raises:
        OSError: It cannot be locked, for instance because the file system has no locks.
    """
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def unlock(handle: int) -> None:
    """Release the lock."""
    if fcntl is not None:
        fcntl.flock(handle, fcntl.LOCK_UN)


@contextlib.contextmanager
def locked(handle: int) -> Iterator[None]:
    """Wait for the lock of an open file, and hold it for a ``with`` block."""
    lock(handle)
    try:
        yield
    finally:
        unlock(handle)
