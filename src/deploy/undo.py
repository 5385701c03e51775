"""Deletions that can be undone: kept in memory for a while, and then let go of."""

import collections
import itertools
import threading
import time
from typing import Callable, NamedTuple, Optional

from kface.errors import KFaceError
from kface.gallery import Removed

#: Seconds for which a deletion can be undone.
UNDO_S = 300.0
#: Deletions that are kept.
KEPT = 20


class Deletion(NamedTuple):
    """A deletion that can be undone.

    Attributes:
        id: Names it to :meth:`deploy.face_settings.FaceSettings.undo`.
        name: Whose templates were deleted.
        templates: How many templates come back.
        complete: Whether the person was deleted, and not one template.
    """

    id: str
    name: str
    templates: int
    complete: bool


class _Kept(NamedTuple):
    removed: Removed
    until: float


class Deletions(object):
    """Keeps what was deleted, in the clear as an open gallery has it, no longer than promised. Safe for any threads.

    Args:
        seconds: How long.
        clock: Returns the time in seconds.
    """

    def __init__(self, seconds: float = UNDO_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._kept = collections.OrderedDict()  # type: collections.OrderedDict[str, _Kept]
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._timer: Optional[threading.Timer] = None
        self._closed = False

    def put(self, removed: Removed) -> Deletion:
        """Keep what was deleted."""
        with self._lock:
            made = Deletion("d{}".format(next(self._numbers)), removed.name, len(removed.templates), removed.complete)
            if not self._closed:
                self._kept[made.id] = _Kept(removed, self._clock() + self._seconds)
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
                self._set_timer()
            return made

    def get(self, id: str) -> Removed:
        """Return what was deleted; raises KFaceError where that is kept no longer."""
        self.expire()
        with self._lock:
            kept = self._kept.get(id)
        if kept is None:
            where = "deletion {}".format(ascii(str(id)[:40]))
            raise KFaceError("can no longer be undone", where, "enrol the person again")
        return kept.removed

    def drop(self, id: str) -> None:
        """Forget a deletion."""
        with self._lock:
            self._kept.pop(id, None)

    def expire(self) -> None:
        """Forget what is too old."""
        with self._lock:
            now = self._clock()
            for id in [id for id, kept in self._kept.items() if kept.until <= now]:
                del self._kept[id]
            self._set_timer()

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._closed = True
            self._kept.clear()
            self._set_timer()

    def _set_timer(self) -> None:
        # Nothing else runs at the right moment: a stream may have no frames for hours.
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._kept:
            first = min(kept.until for kept in self._kept.values())
            self._timer = threading.Timer(max(first - self._clock(), 0.01), self.expire)
            self._timer.daemon = True
            self._timer.start()
