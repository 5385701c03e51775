"""Notices that a session's gallery has changed: by the session itself, by another program, or by damage."""

import contextlib
import threading
import time
from typing import Callable, Iterator, Set

from deploy.events import GALLERY, EventLog
from kface.gallery import Gallery

#: Seconds between two looks at whether another program has changed the gallery.
GALLERY_EVERY_S = 0.5


class GalleryWatch(object):
    """Looks after a gallery. Safe to share between threads.

    Args:
        gallery: Who is enrolled.
        log: Gets an event for what was noticed.
        changed: Called where people have changed, so that the tracks' views vote again.
    """

    def __init__(self, gallery: Gallery, log: EventLog, changed: Callable[[], None]) -> None:
        self._gallery = gallery
        self._log = log
        self._changed = changed
        # Held while the gallery is changed here, so that this is not taken for another program's doing.
        self._changing = threading.Lock()
        self._version = gallery.version()
        self._looked = time.monotonic()
        self._damage: Set[str] = set()

    def look(self) -> None:
        """Look whether another program has changed the gallery, where the last look is a while ago; never waits."""
        # Where it is being changed here, the next look will do.
        if time.monotonic() - self._looked < GALLERY_EVERY_S or not self._changing.acquire(False):
            return
        try:
            self._looked = time.monotonic()
            if self._notice():
                self._log.add(GALLERY, reason="changed by another program")
            self.report_damage()
        finally:
            self._changing.release()

    @contextlib.contextmanager
    def own_change(self) -> "Iterator[None]":
        """Change the gallery in this context."""
        with self._changing:
            yield
            self._notice()

    def use(self, gallery: Gallery) -> None:
        """Look after another gallery from now on; to be called in :meth:`own_change`."""
        self._gallery = gallery
        # Of another object the same number means something else: it has changed in any case.
        self._version = -1
        self._damage.clear()

    def report_damage(self) -> None:
        """Add an event for everything that the gallery had to leave out, once each; the others are recognised as before."""
        for one in map(str, self._gallery.damage):
            if one not in self._damage:
                self._damage.add(one)
                self._log.add(GALLERY, reason="skipped, damaged: {}".format(one))

    def _notice(self) -> bool:
        version, before = self._gallery.version(), self._version
        if version == before:
            return False
        self._version = version
        self._changed()
        return True
