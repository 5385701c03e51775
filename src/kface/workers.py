"""Prepares worker processes before their first task."""

import contextlib
import os
import signal
import threading
import time
from typing import Any, Dict, Iterator, List, Sequence

import cv2

from kface import checks
from kface.errors import ConfigError
from kface.text import first_line

#: Seconds between two checks of a worker that its parent process still runs.
WATCH_SECONDS = 0.5
#: What runs the tasks; :func:`joblib.register_parallel_backend` adds others.
BACKENDS = ("loky", "threading", "multiprocessing", "dask")
#: Backends of earlier versions.
GONE = ("ray", "spark")
#: Seconds to wait for the scheduler of a cluster.
CONNECT_SECONDS = 10

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


def check_backend(backend: object) -> str:
    """Return the name of a backend.

    Raises:
        ConfigError: It is not a name, or one of :data:`GONE`.
    """
    if not isinstance(backend, str) or backend in GONE:
        choices = "choose one of: {}".format(", ".join(BACKENDS))
        checks.refuse(ConfigError("unknown backend", "backend={}".format(backend), choices))
    return str(backend)


@contextlib.contextmanager
def backend_of(backend: str, jobs: int, shared: Sequence[str] = ()) -> Iterator[None]:
    """Choose joblib's backend and number of processes for a ``with`` block; workers on this machine end with this process.

    Args:
        backend: One of :data:`BACKENDS`, or one that was registered with joblib. "dask" connects to the scheduler that the
            environment variable DASK_SCHEDULER_ADDRESS names, else it starts a cluster of its own on this machine.
        jobs: Processes; -1 for one per core. A cluster that runs already has its own number.
        shared: Absolute paths that the workers of a cluster must see.

    Raises:
        ConfigError: There is no such backend, its package is not installed, the scheduler cannot be reached, or a worker
            lacks kface or a path.
    """
    import joblib

    check_backend(backend)
    here: Dict[str, Any] = {}
    if backend in ("loky", "multiprocessing"):
        here = {"initializer": settle_here, "initargs": (os.getpid(),)}
    with contextlib.ExitStack() as stack:
        if backend == "dask":
            stack.enter_context(_dask(jobs, shared))
        try:
            stack.enter_context(joblib.parallel_config(backend=backend, n_jobs=jobs, **here))
        except (ValueError, ImportError) as error:
            raise ConfigError(
                "cannot be used by joblib ({})".format(first_line(error)), backend, "backend=loky works everywhere"
            )
        yield


@contextlib.contextmanager
def _dask(jobs: int, shared: Sequence[str]) -> Iterator[None]:
    """Connect to a Dask cluster for a ``with`` block."""
    try:
        from distributed import Client
    except ImportError as error:
        raise ConfigError("is not installed here ({})".format(error), "backend=dask", "pip install 'kface[cluster]'")
    import dask

    address = dask.config.get("scheduler-address", None)
    name = "the Dask scheduler {}".format(address or "of this machine")
    try:
        if address:
            client = Client(address, timeout=CONNECT_SECONDS)
        else:
            client = Client(n_workers=cores() if jobs < 0 else jobs, threads_per_worker=1, dashboard_address=None)
    except (OSError, ValueError) as error:
        raise ConfigError(
            "cannot be reached ({})".format(first_line(error)),
            name,
            "start dask scheduler there, or correct DASK_SCHEDULER_ADDRESS",
        )
    with client:
        try:
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        # Its own exception is a TimeoutError of the standard library in later versions only.
        except Exception as error:
            raise ConfigError(
                "has no workers ({})".format(first_line(error)), name, "start dask worker {}".format(address or "")
            )
        # The scheduler may still name a worker that has just died; the others go on without it.
        answers = {
            worker: answer
            for worker, answer in client.run(unseen, list(shared), on_error="return").items()
            if not isinstance(answer, OSError)
        }
        if not answers:
            raise ConfigError("has no workers that answer", name, "start dask worker {}".format(address or ""))
        for worker, paths in sorted(answers.items()):
            if isinstance(paths, Exception):
                raise ConfigError(
                    "cannot run kface ({})".format(first_line(paths)),
                    "the worker {}".format(worker),
                    "install kface there",
                )
            if paths:
                # Otherwise it would report every image as missing.
                raise ConfigError(
                    "does not see {}".format(paths[0]),
                    "the worker {}".format(worker),
                    "mount the same file system there",
                )
        yield


def unseen(paths: Sequence[str]) -> List[str]:
    """Return those of the paths that do not exist on this machine."""
    return [path for path in paths if not os.path.exists(path)]


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
