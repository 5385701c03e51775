"""One try of a stream, for the button "Test connection": a picture, or the reason why there is none, within bounded time."""

import queue
import time
from typing import TYPE_CHECKING, NamedTuple, Optional, Tuple

import numpy as np

from kface.errors import KFaceError
from kface.streams import State, StateChange, Stream, StreamSettings, Timing
from kface.streams.worker import Opener

if TYPE_CHECKING:
    from deploy.session import Session

#: Seconds for all of it. Asking a camera takes 3 at most, opening a decoder 4.
PATIENCE_S = 10.0


class Outcome(NamedTuple):
    """What came out.

    Attributes:
        image: uint8 (h, w, 3), RGB; None where there is no picture.
        size: The picture's width and height; None without one.
        reason: Why there is none, in one line without credentials; empty where there is one, or where it was cancelled.
    """

    image: Optional[np.ndarray] = None
    size: Optional[Tuple[int, int]] = None
    reason: str = ""


class ConnectionTest(object):
    """Opens a stream as a session would, waits for its first picture, and closes it. Opened once: a refusal is not repeated.

    Args:
        settings: The stream's.
        session: What runs: a camera that it holds cannot be opened twice, and its picture is taken from there.
        patience: Seconds for all of it.
        opener: What opens captures, instead of the house's own.

    Example:
        >>> ConnectionTest(settings).run().reason  # doctest: +SKIP
        'rtsp://10.0.0.7:554/live: rejected the id or the password; correct them in the stream's settings'
    """

    def __init__(
        self,
        settings: StreamSettings,
        session: Optional["Session"] = None,
        patience: float = PATIENCE_S,
        opener: Optional[Opener] = None,
    ) -> None:
        self._settings = settings
        self._session = session
        self._patience = patience
        self._opener = opener
        # None stands for the end of the patience with it: the user's.
        self._changes: "queue.Queue[Optional[StateChange]]" = queue.Queue()

    def cancel(self) -> None:
        """End it soon; may be called from any thread, and does not wait."""
        self._changes.put(None)

    def run(self) -> Outcome:
        """Try; to be called once, and not from a GUI thread."""
        if self._session is not None and self._held(self._session):
            return self._from_session(self._session)
        timing = Timing(opening=self._patience)
        try:
            stream = Stream(self._settings, self._changes.put, timing, opener=self._opener)
        except KFaceError as error:
            return Outcome(reason=str(error))
        with stream:
            return self._wait(stream)

    def _wait(self, stream: Stream) -> Outcome:
        deadline = time.monotonic() + self._patience
        while True:
            try:
                change = self._changes.get(timeout=max(deadline - time.monotonic(), 0.001))
            except queue.Empty:
                return Outcome(reason="{}: no frame within {:g} s".format(self._settings.uri, self._patience))
            if change is None:
                return Outcome()
            frame = stream.latest() if change.state in (State.LIVE, State.ENDED) else None
            if frame is not None:
                height, width = frame.image.shape[:2]
                return Outcome(frame.image, (width, height))
            if change.state in (State.LOST, State.ENDED):
                return Outcome(reason=change.reason or "{}: no frame".format(self._settings.uri))

    def _held(self, session: "Session") -> bool:
        """Return whether the session watches this very camera, which has room for one."""
        watched = session.settings.stream
        return (
            watched is not None
            and self._settings.kind in ("csi", "v4l2")
            and (watched.kind, watched.device) == (self._settings.kind, self._settings.device)
            and session.running
        )

    def _from_session(self, session: "Session") -> Outcome:
        number, deadline = 0, time.monotonic() + self._patience
        while self._changes.empty() and session.running and time.monotonic() < deadline:
            view = session.wait_view(number, 0.25)
            if view is not None:
                number = view.number
                if view.live:
                    return Outcome(view.image if view.plain is None else view.plain, view.size)
                if session.status.reason:
                    return Outcome(reason=session.status.reason)
        cancelled = not self._changes.empty()
        return Outcome(
            reason="" if cancelled else "{}: no frame within {:g} s".format(self._settings.uri, self._patience)
        )
