"""A temporary directory in which a bundle is written; it replaces the target when it is complete.

Two exports of one run at the same time do not interfere: each has its own directory, locked while its process lives. The
directory of a killed export is recognised by its free lock, and removed.
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
#: Attempts to replace the old directory while other exports do the same.
ATTEMPTS = 100


@contextmanager
def workplace(target: Path) -> Iterator[Path]:
    """Yield an empty directory that becomes the target at the end, unless the block raises.

    The old target stays in place until the new one is complete.

    Args:
        target: The directory to create or replace.

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
        # If the new directory could not be moved, restore the old one.
        _restore(home, target)
        shutil.rmtree(home, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _prefix(target: Path) -> str:
    return f".{target.name}-"


def _locked(target: Path) -> tuple[Path, int | None]:
    """Create and lock a directory; a process that is cleaning up may remove it before it is locked."""
    while True:
        home = Path(tempfile.mkdtemp(prefix=_prefix(target), suffix=SUFFIX, dir=target.parent))
        # Windows has no such lock, and so directories of other exports are not removed there.
        if not locks.AVAILABLE:
            return home, None
        lock = os.open(home, os.O_RDONLY)
        try:
            if locks.lock(lock, wait=False) and os.path.samestat(os.stat(home), os.fstat(lock)):
                return home, lock
        except FileNotFoundError:
            pass
        except OSError:
            # The file system does not support locks.
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
            # Another export was faster; replace its bundle.
            if attempt == ATTEMPTS - 1 or not target.exists():
                raise


def _restore(home: Path, target: Path) -> None:
    if (home / "old").exists() and not target.exists():
        with contextlib.suppress(OSError):
            (home / "old").rename(target)


def _clear(target: Path) -> None:
    """Remove the directories that killed exports of the same target left behind."""
    if not locks.AVAILABLE:
        return
    for home in target.parent.glob(f"{_glob(_prefix(target))}*{SUFFIX}"):
        try:
            lock = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            # Otherwise its export is running, or another process is removing it.
            if locks.lock(lock, wait=False):
                _restore(home, target)
                shutil.rmtree(home, ignore_errors=True)
        except OSError:
            # The file system does not support locks.
            continue
        finally:
            os.close(lock)


def _glob(text: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in text)
