"""Between a session, whose methods block, and the window, which must not: everything comes as a signal in Qt's thread."""

import contextlib
import itertools
import logging
import queue
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, ContextManager, Dict, List, Optional

from qtpy.QtCore import QObject, Signal, Slot

from deploy.app.call import Call, unexpected
from kface.errors import KFaceError

if TYPE_CHECKING:
    from deploy.session import Session

LOGGER = logging.getLogger(__name__)

#: Calls that run at the same time.
WORKERS = 3
#: Seconds between two looks at the session's status.
STATUS_EVERY_S = 0.25
#: Seconds that one wait for a picture or for events lasts: the end is noticed after that.
WAIT_S = 0.25
#: Seconds that :meth:`SessionBridge.close` waits for the session's end.
CLOSE_S = 1.5
#: Bridges whose threads run. Without this the last thread could be the last to hold its bridge, which would then be
#: destroyed in that thread, while Qt's thread hands it a signal.
_running: "List[SessionBridge]" = []


class SessionBridge(QObject):
    """Owns a session, and speaks to it from threads of its own. To be made and used in Qt's thread.

    However slow the window is, only the newest picture waits for it, and the events wait in the session's log.

    Args:
        session: Has the interface of :class:`deploy.session.Session`, and was started; None where it is opened later.
        parent: Qt's.

    Attributes:
        picture: Signal: a :class:`deploy.view.LivePicture`, the newest.
        happened: Signal: a :class:`deploy.events.Event`; each, in order.
        status: Signal: a :class:`deploy.status.Status`, four times a second.
        ended: Signal: the stream has ended; the reason in one line, empty where it is the end of a file.
        opened: Signal: there is a session now.
        failed: Signal: a session could not be opened; why, in one line.
        trouble: Signal: picture, events or status could not be asked for, which is tried again; why, in one line.

    Example:
        >>> bridge = SessionBridge()  # doctest: +SKIP
        >>> bridge.opened.connect(window.show_session)
        >>> bridge.open(open_session(settings))
        >>> bridge.call(bridge.session.rename, "Kim", "Lee", done=window.renamed, failed=window.show_error)
    """

    picture = Signal(object)
    happened = Signal(object)
    status = Signal(object)
    ended = Signal(str)
    opened = Signal()
    failed = Signal(str)
    trouble = Signal(str)
    # From the threads to Qt's; Qt queues them.
    _picture_came = Signal()
    _events_came = Signal()
    _status_came = Signal()
    _answered = Signal(int)

    def __init__(self, session: Optional["Session"] = None, parent: Optional[QObject] = None) -> None:
        super(SessionBridge, self).__init__(parent)
        self._session: Optional["Session"] = None
        self._stack = contextlib.ExitStack()
        self._closing = threading.Event()
        # What was called and not yet answered, by number; only Qt's thread adds and removes.
        self._calls: Dict[int, Call] = {}
        self._numbers = itertools.count(1)
        # The numbers of calls that wait for a thread; None ends one.
        self._waiting: "queue.Queue[Optional[int]]" = queue.Queue()
        # What waits for Qt's thread, a place each: whoever fills it waits until it has been taken.
        self._picture_place: "queue.Queue[Any]" = queue.Queue(1)
        self._events_place: "queue.Queue[Any]" = queue.Queue(1)
        self._status_place: "queue.Queue[Any]" = queue.Queue(1)
        self._threads: List[threading.Thread] = []
        self._ending: Optional[threading.Thread] = None
        self._picture_came.connect(self._hand_picture)
        self._events_came.connect(self._hand_events)
        self._status_came.connect(self._hand_status)
        self._answered.connect(self._hand_answer)
        _release_ended()
        _running.append(self)
        for number in range(WORKERS):
            self._begin("call-{}".format(number + 1), self._work)
        if session is not None:
            self._stack.callback(session.stop)
            self._use(session)

    @property
    def session(self) -> "Session":
        """The session.

        Raises:
            KFaceError: There is none yet.
        """
        if self._session is None:
            raise KFaceError("is not open", "the session", "choose a model first")
        return self._session

    @property
    def has_session(self) -> bool:
        """Whether there is a session."""
        return self._session is not None

    def open(self, opening: "ContextManager[Session]") -> None:
        """Open a session, start it and show it; :attr:`opened` or :attr:`failed` follows.

        Args:
            opening: Such as :func:`deploy.opening.open_session` returns; left at the end.
        """

        def work() -> "Session":
            session = opening.__enter__()
            if self._closing.is_set():
                opening.__exit__(None, None, None)
                raise KFaceError("has ended", "the session")
            self._stack.push(opening)
            return session.start()

        def done(session: "Session") -> None:
            self._use(session)
            self.opened.emit()

        self.call(work, done=done, failed=self.failed.emit)

    def call(
        self,
        function: Callable[..., Any],
        *args: Any,
        done: Optional[Callable[[Any], object]] = None,
        failed: Optional[Callable[[str], object]] = None,
        owner: Optional[QObject] = None,
        **keywords: Any,
    ) -> Call:
        """Call a function in a thread of the bridge.

        Args:
            function: Such as a method of the session.
            *args: Its arguments.
            done: Called with the result, in Qt's thread.
            failed: Called with the one line of the error instead.
            owner: Neither is called after the end of this object, such as a dialog that was closed.
            **keywords: Further arguments of the function.

        Returns:
            The call, which can be forgotten.
        """
        made = Call(lambda: function(*args, **keywords), done, failed)
        if owner is not None:
            owner.destroyed.connect(made.forget)
        number = next(self._numbers)
        self._calls[number] = made
        self._waiting.put(number)
        return made

    def close(self) -> bool:
        """End the session, in any state; returns whether it has ended in time. May be called twice."""
        if self._closing.is_set():
            return True
        self._closing.set()
        for _ in range(WORKERS):
            self._waiting.put(None)
        end = self._ending = threading.Thread(target=self._end, name="kface-app-end", daemon=True)
        end.start()
        deadline = time.monotonic() + CLOSE_S
        for thread in [end] + self._threads:
            thread.join(max(deadline - time.monotonic(), 0))
        self._session = None
        _release_ended()
        return not end.is_alive()

    def wait_end(self, seconds: float) -> bool:
        """Close, and wait longer, for what is recorded to be finished; returns whether everything has ended."""
        self.close()
        if self._ending is not None:
            self._ending.join(seconds)
        _release_ended()
        return self._ending is None or not self._ending.is_alive()

    # ---- in Qt's thread

    @property
    def _has_ended(self) -> bool:
        """Whether it was closed and no thread of it is left."""
        threads = self._threads + ([self._ending] if self._ending is not None else [])
        return self._closing.is_set() and not any(thread.is_alive() for thread in threads)

    def _use(self, session: "Session") -> None:
        self._session = session
        self._begin("pictures", self._pull_pictures)
        self._begin("events", self._pull_events)
        self._begin("status", self._pull_status)

    @Slot()
    def _hand_picture(self) -> None:
        self.picture.emit(self._picture_place.get_nowait())

    @Slot()
    def _hand_events(self) -> None:
        for event in self._events_place.get_nowait():
            self.happened.emit(event)

    @Slot()
    def _hand_status(self) -> None:
        status, end = self._status_place.get_nowait()
        if end is None:
            self.status.emit(status)
        else:
            self.ended.emit(end)

    @Slot(int)
    def _hand_answer(self, number: int) -> None:
        call = self._calls.pop(number)
        if not self._closing.is_set():
            call.answer()

    # ---- in the bridge's threads

    def _begin(self, name: str, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run, name="kface-app-" + name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while True:
            number = self._waiting.get()
            if number is None or self._closing.is_set():
                return
            self._run(number)
            # Here the thread has let go of the call.
            self._send(self._answered, number)

    def _run(self, number: int) -> None:
        call = self._calls[number]
        if not call.forgotten:
            call.run()

    def _pull_pictures(self) -> None:
        session, number = self.session, 0

        def pull() -> None:
            nonlocal number
            begun = time.monotonic()
            picture = session.wait_view(number, WAIT_S)
            if picture is not None:
                number = picture.number
                self._place(self._picture_place, picture, self._picture_came)
            elif time.monotonic() - begun < WAIT_S / 2:
                # A session that has ended does not wait.
                self._closing.wait(WAIT_S)

        self._repeat(pull)

    def _pull_events(self) -> None:
        session, number = self.session, 0

        def pull() -> None:
            nonlocal number
            begun = time.monotonic()
            events = session.wait_events(number, WAIT_S)
            if events:
                number = events[-1].number
                self._place(self._events_place, events, self._events_came)
            elif time.monotonic() - begun < WAIT_S / 2:
                self._closing.wait(WAIT_S)

        self._repeat(pull)

    def _pull_status(self) -> None:
        session, ran = self.session, False

        def pull() -> None:
            nonlocal ran
            runs = session.running
            if ran and not runs:
                end = self._reason(session)
                # None where another stream has begun meanwhile.
                runs = end is None
                if end is not None:
                    # By itself: it must not be lost where the status cannot be read.
                    self._place(self._status_place, (None, end), self._status_came)
            ran = runs
            self._place(self._status_place, (session.status, None), self._status_came)
            self._closing.wait(STATUS_EVERY_S)

        self._repeat(pull)

    def _repeat(self, pull: Callable[[], None]) -> None:
        """Pull until the end. What fails is reported once as :attr:`trouble`, and again after it has gone well meanwhile."""
        reported = None
        while not self._closing.is_set():
            try:
                pull()
                reported = None
                continue
            except KFaceError as error:
                line = str(error)
            except Exception as error:
                line = unexpected(error)
                if line != reported:
                    LOGGER.exception("the session failed")
            if line != reported:
                self._send(self.trouble, line)
                reported = line
            self._closing.wait(WAIT_S)

    @staticmethod
    def _reason(session: "Session") -> Optional[str]:
        try:
            ended = session.wait(0)
        except KFaceError as error:
            return str(error)
        return session.status.reason if ended else None

    def _place(self, place: "queue.Queue[Any]", what: Any, came: Any) -> None:
        """Wait until the last one was taken, so that never more than one waits; the newest is asked for afterwards."""
        while not self._closing.is_set():
            try:
                place.put(what, timeout=WAIT_S)
            except queue.Full:
                continue
            self._send(came)
            return

    def _send(self, signal: Any, *args: Any) -> None:
        # Qt may have taken the object away already.
        with contextlib.suppress(RuntimeError):
            if not self._closing.is_set():
                signal.emit(*args)

    def _end(self) -> None:
        try:
            self._stack.close()
        except KFaceError as error:
            LOGGER.warning("%s", error)
        except Exception:
            LOGGER.exception("the session's end failed")


def _release_ended() -> None:
    """Let go of bridges that have ended; in Qt's thread. One that hangs goes when the next one is made, or never."""
    _running[:] = [bridge for bridge in _running if not bridge._has_ended]
