"""What a worker process does before its first task, whichever stage it works for."""

import contextlib
import os
import signal
import threading
import time

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


def _end_with(parent: int) -> None:
    """End this worker soon after its parent was killed; it would wait for work, and hold its memory, for minutes."""
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(1)
