"""Locks on open files and directories, which the system drops when their holder dies."""

import contextlib
from typing import Iterator

try:
    import fcntl
except ImportError:  # Windows has no such lock: there processes are on their own.
    fcntl = None  # type: ignore[assignment]

#: Whether this system has them.
AVAILABLE = fcntl is not None


def lock(handle: int, wait: bool = True) -> bool:
    """Lock an open file or directory for this process, until :func:`unlock` or until its last handle is closed.

    Args:
        handle: The file's descriptor.
        wait: Wait for another process that holds it.

    Returns:
        Whether it is locked: False where another holds it and nothing waits. True on a system without locks, where every
        process believes to be alone.

    Raises:
        OSError: The file system has no locks, and so on.
    """
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def unlock(handle: int) -> None:
    """Let others have it."""
    if fcntl is not None:
        fcntl.flock(handle, fcntl.LOCK_UN)


@contextlib.contextmanager
def locked(handle: int) -> Iterator[None]:
    """Hold the lock of an open file for a ``with`` block, and wait for it beforehand."""
    lock(handle)
    try:
        yield
    finally:
        unlock(handle)
