"""Where a bundle is made: a directory of its own beside the target, which takes the target's place when it is complete.

Two exports of one run at once do not meet: each has its directory, locked for as long as its process lives. What a killed
export left behind is found by its lock being free, and removed.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kface import locks

SUFFIX = ".partial"
#: Attempts to put the new directory in the old one's place, where other exports do the same.
ATTEMPTS = 100


@contextmanager
def workplace(target: Path) -> Iterator[Path]:
    """Yield an empty directory that becomes the target at the end, unless the block raises.

    Whoever reads the old target keeps it until the new one is complete.

    Args:
        target: The directory to make or replace.

    Raises:
        OSError: The disk is full, the directory is read-only, and so on; the old target stays.
    """
    target = Path(os.path.abspath(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    _clear(target)
    home, lock = _locked(target)
    try:
        made = home / "new"
        made.mkdir()
        yield made
        _swap(made, target, home / "old")
    finally:
        # Where the new one could not take the place, the old one returns to it.
        _restore(home, target)
        shutil.rmtree(home, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _prefix(target: Path) -> str:
    return f".{target.name}-"


def _locked(target: Path) -> tuple[Path, int | None]:
    """Make a directory that holds a lock; a process that is clearing up may take it away before it is locked."""
    while True:
        home = Path(tempfile.mkdtemp(prefix=_prefix(target), suffix=SUFFIX, dir=target.parent))
        # On Windows nothing is locked, and so nothing of others is removed.
        if not locks.AVAILABLE:
            return home, None
        lock = os.open(home, os.O_RDONLY)
        try:
            if locks.lock(lock, wait=False) and os.path.samestat(os.stat(home), os.fstat(lock)):
                return home, lock
        except FileNotFoundError:
            pass
        except OSError:
            # A file system without locks.
            return home, lock
        os.close(lock)


def _swap(made: Path, target: Path, old: Path) -> None:
    for attempt in range(ATTEMPTS):
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(old, ignore_errors=True)
            target.rename(old)
        try:
            made.rename(target)
            return
        except OSError:
            # Another export was faster; its bundle makes room for this one.
            if attempt == ATTEMPTS - 1 or not target.exists():
                raise


def _restore(home: Path, target: Path) -> None:
    if (home / "old").exists() and not target.exists():
        with contextlib.suppress(OSError):
            (home / "old").rename(target)


def _clear(target: Path) -> None:
    """Remove what killed exports of the same target left."""
    if not locks.AVAILABLE:
        return
    for home in target.parent.glob(f"{_glob(_prefix(target))}*{SUFFIX}"):
        try:
            lock = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            # Otherwise it is alive, or another's to clear.
            if locks.lock(lock, wait=False):
                _restore(home, target)
                shutil.rmtree(home, ignore_errors=True)
        except OSError:
            # A file system without locks.
            continue
        finally:
            os.close(lock)


def _glob(text: str) -> str:
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in text)
