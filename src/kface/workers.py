"""What a worker process does before its first task, whichever stage it works for."""

import contextlib
import os
import signal
import threading
import time
from typing import Any, Dict, Iterator

import cv2

#: How often a worker looks whether the process that it works for is still there.
WATCH_SECONDS = 0.5

_local = threading.local()


def settle(parent: int) -> None:
    """Prepare this process, once: one thread, Ctrl-C is the parent's business, and it does not outlive the parent.

    Does nothing in the parent itself.

    Args:
        parent: ID of the process that hands out the work.
    """
    if os.getpid() == parent or getattr(_local, "settled", False):
        return
    _local.settled = True
    cv2.setNumThreads(1)
    # Workers on other machines, or of a cluster's own process, have another parent and are not ours to end.
    if os.getppid() == parent:
        threading.Thread(target=_end_with, args=(parent,), name="kface-parent-watch", daemon=True).start()
    # Some backends run tasks outside a process's main thread, where signals cannot be set.
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def settle_here(parent: int) -> None:
    """Prepare a worker that was started on this machine, before it has any work: :func:`settle`, and end if it is late.

    A backend hands this over as its initializer: a worker that waits for its first task would not notice otherwise that
    the process that it works for was killed.
    """
    if os.getpid() != parent and os.getppid() != parent:
        os._exit(1)
    settle(parent)


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def backend_of(backend: str, jobs: int) -> Iterator[None]:
    """Choose joblib's backend and number of processes for a ``with`` block; workers on this machine end with this one.

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


def _end_with(parent: int) -> None:
    """End this worker soon after its parent was killed; it would wait for work, and hold its memory, for minutes."""
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(1)
