"""A call from the window: the work in a thread of the bridge, its answer in Qt's."""

import logging
from typing import Any, Callable, Optional

from kface.errors import KFaceError

LOGGER = logging.getLogger(__name__)


def unexpected(error: Exception) -> str:
    """Return the line for an error that is a mistake of ours."""
    return "unexpected error: {}: {}".format(type(error).__name__, error)


class Call(object):
    """A call that was given to :meth:`SessionBridge.call`.

    It refers to objects of Qt, and Qt's signals to it: it must also end in Qt's thread, as ends in another have crashed
    PySide6. The bridge keeps it until its answer has been handed over.

    Attributes:
        forgotten: Whether the answer is not wanted any more.
    """

    def __init__(
        self,
        work: Callable[[], Any],
        done: Optional[Callable[[Any], object]],
        failed: Optional[Callable[[str], object]],
    ) -> None:
        self.forgotten = False
        self._work = work
        self._done, self._failed = done, failed
        self._result: Any = None
        self._error: Optional[str] = None

    def forget(self, *_: object) -> None:
        """Drop the answer; what has begun is not undone."""
        self.forgotten = True

    def run(self) -> None:
        """Do the work; in a thread of the bridge."""
        try:
            self._result = self._work()
        except KFaceError as error:
            self._error = str(error)
        except Exception as error:
            # A mistake of ours: the window lives on, and the log has the traceback.
            LOGGER.exception("a call of the window failed")
            self._error = unexpected(error)

    def answer(self) -> None:
        """Hand over what came out; in Qt's thread."""
        if self.forgotten:
            return
        if self._error is None:
            if self._done is not None:
                self._done(self._result)
        elif self._failed is not None:
            self._failed(self._error)
