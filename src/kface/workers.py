"""Prepares worker processes before their first task."""

import contextlib
import os
import signal
import threading
import time
from typing import Any, Dict, Iterator

import cv2

#: Seconds between two checks of a worker that its parent process still runs.
WATCH_SECONDS = 0.5

_local = threading.local()


def settle(parent: int) -> None:
    """Prepare this process, once: it uses one thread, leaves Ctrl-C to its parent, and ends with its parent.

    Does nothing in the parent itself.

    Args:
        parent: ID of the process that distributes the work.
    """
    if os.getpid() == parent or getattr(_local, "settled", False):
        return
    _local.settled = True
    cv2.setNumThreads(1)
    # Workers on other machines, or of a cluster's own process, have another parent, which decides when they end.
    if os.getppid() == parent:
        end_with(parent)
    # Some backends run tasks outside a process's main thread, where signals cannot be set.
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def settle_here(parent: int) -> None:
    """Prepare a worker on this machine before its first task: :func:`settle`, or end where the parent has ended already.

    It is the backend's initializer: otherwise a worker that waits for its first task would not notice that its parent was
    killed.
    """
    if os.getpid() != parent and os.getppid() != parent:
        os._exit(1)
    settle(parent)


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def backend_of(backend: str, jobs: int) -> Iterator[None]:
    """Choose joblib's backend and number of processes for a ``with`` block; workers on this machine end with this process.

    Raises:
        ValueError: joblib has no such backend.
        ImportError: It is not installed.
    """
    import joblib

    here: Dict[str, Any] = {}
    if backend in ("loky", "multiprocessing"):
        here = {"initializer": settle_here, "initargs": (os.getpid(),)}
    with joblib.parallel_config(backend=backend, n_jobs=jobs, **here):
        yield


def end_with(parent: int) -> None:
    """End this process soon after its parent was killed: otherwise a worker would wait, and hold its memory, for minutes.

    Args:
        parent: ID of the parent process.
    """
    threading.Thread(target=_watch, args=(parent,), name="kface-parent-watch", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(1)
