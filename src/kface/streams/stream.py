"""A stream that stays: the newest picture at any time, a watchdog over the reading thread, and reconnection."""

import collections
import logging
import threading
import time
from typing import Callable, Deque, Iterator, List, Optional, Union

import numpy as np

from kface.errors import ConfigError, KFaceError
from kface.streams.backends import check, open_capture
from kface.streams.clock import Backoff, Timing
from kface.streams.frame import FINAL, Frame, State, StateChange, StreamError, StreamRefusedError, UnusableStreamError
from kface.streams.pictures import Shortfall
from kface.streams.settings import StreamSettings
from kface.streams.source import VideoSource
from kface.streams.worker import Opener, Worker

LOGGER = logging.getLogger(__name__)

#: How long closing waits for a thread that is in the decoder, in seconds.
CLOSING_SECONDS = 2.0
#: What the next attempt will hardly mend.
HOPELESS = (StreamRefusedError, UnusableStreamError, ConfigError)


class Stream(VideoSource):
    """Plays a stream and keeps its newest frame only; frames not taken in time are dropped. Safe to share between threads.

    One thread reads. Another watches it: a read that takes longer than ``timing.stall`` is a loss at once, even if it later
    succeeds, and the next attempt gets a capture and a thread of its own. Losses are repaired with growing waits until the
    stream is closed. A file plays at its own speed and then ends; :class:`kface.streams.VideoFile` reads one without loss.

    Args:
        source: Settings or a URI; id and password may come from the environment or a file
            (:meth:`StreamSettings.with_credentials`).
        on_state: Called with each :class:`StateChange`, in order, from the watching thread: it must return at once.
        timing: The patience.
        loop: Whether a file begins again at its end.
        opener: What opens captures, instead of :func:`kface.streams.backends.open_capture`.

    Raises:
        ConfigError: A setting is wrong, the file is not there, or this machine has no such camera.

    Example:
        >>> with Stream("rtsp://10.0.0.7/live") as stream:  # doctest: +SKIP
        ...     for frame in stream:
        ...         show(frame.image)
    """

    def __init__(
        self,
        source: Union[str, StreamSettings],
        on_state: Optional[Callable[[StateChange], None]] = None,
        timing: Timing = Timing(),  # noqa: B008 - it never changes
        loop: bool = False,
        opener: Optional[Opener] = None,
    ) -> None:
        settings = StreamSettings.from_uri(source) if isinstance(source, str) else source
        self.settings = settings.with_credentials()
        self._timing = timing.check()
        self._loop = loop
        self._on_state = on_state
        if opener is None:
            check(settings)
        self._opener = opener or open_capture
        self._lock = threading.RLock()
        self._news = threading.Condition(self._lock)
        self._events = threading.Condition(self._lock)
        self._changes: Deque[StateChange] = collections.deque()
        self._change = StateChange(State.CONNECTING, "", time.monotonic())
        self._failure: Optional[KFaceError] = None
        self._frame: Optional[Frame] = None
        self._handed = -1
        self._taken = True
        self._captured = self._skipped = 0
        self._first = 0
        self._next = 0
        self._worker: Optional[Worker] = None
        self._given_up: List[Worker] = []
        self._losses = 0
        self._shortfall: Optional[Shortfall] = None
        self._thread: Optional[threading.Thread] = None

    def start(self) -> "Stream":
        """Begin to play, once; returns itself."""
        with self._lock:
            if self._thread is None and self._change.state is not State.CLOSED:
                self._changes.append(self._change)
                name = "kface-stream-" + self.settings.kind
                self._thread = threading.Thread(target=self._play, name=name, daemon=True)
                self._thread.start()
        return self

    def __enter__(self) -> "Stream":
        return self.start()

    @property
    def state(self) -> State:
        """Where the stream stands."""
        return self._change.state

    @property
    def reason(self) -> str:
        """Why it is lost or has ended, in one line without credentials; empty where nothing is wrong."""
        return self._change.reason

    @property
    def losses(self) -> int:
        """How often the stream was live and got lost."""
        return self._losses

    @property
    def shortfall(self) -> Optional[Shortfall]:
        """What a file should have held and did not, once its end was reached; None where nothing is lost."""
        return self._shortfall

    @property
    def captured(self) -> int:
        """How many pictures it has had, without those that the limit of frames a second leaves out."""
        return self._captured

    @property
    def skipped(self) -> int:
        """How many of these a newer one replaced before anybody read them."""
        return self._skipped

    @property
    def refusal(self) -> Optional[KFaceError]:
        """Why it will hardly ever play; None where it plays, or a camera that is off may come yet."""
        with self._lock:
            ended = self._change.state is State.ENDED and bool(self._change.reason)
            hopeless = isinstance(self._failure, HOPELESS) or ended
            return self._failure if hopeless and self._change.state is not State.LIVE else None

    @property
    def blocked(self) -> int:
        """How many reads that were given up have not yet returned from the decoder."""
        with self._lock:
            self._given_up = [worker for worker in self._given_up if worker.alive]
            return len(self._given_up)

    def latest(self) -> Optional[Frame]:
        """Return the newest frame, even if it was handed out before; None where there is none of the last second."""
        with self._lock:
            frame = self._frame
            if frame is None or time.monotonic() - frame.time_monotonic > self._timing.oldest:
                return None
            return frame

    def read(self, timeout: float = 1.0, after: Optional[int] = None) -> Optional[Frame]:
        """Wait for a frame that was not handed out before, and return the newest.

        Args:
            timeout: How long to wait, in seconds.
            after: A frame's number; the frame returned is newer. By default that of the last call: with several consumers,
                each passes its own.

        Returns:
            The frame; None where none came in time, or none will come any more.
        """
        deadline = time.monotonic() + timeout
        with self._lock:
            while True:
                frame = self.latest()
                if frame is not None and frame.number > (self._handed if after is None else after):
                    self._taken = True
                    if after is None:
                        self._handed = frame.number
                    return frame
                left = deadline - time.monotonic()
                if self._change.state in FINAL or left <= 0:
                    return None
                self._news.wait(left)

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames as :meth:`read` returns them, through losses, until the stream has ended or is closed."""
        number = -1
        while True:
            final = self._change.state in FINAL
            frame = self.read(timeout=1.0, after=number)
            if frame is not None:
                number = frame.number
                yield frame
            elif final:
                return

    def wait_live(self, timeout: float = 10.0) -> None:
        """Wait until the first frame is there.

        Raises:
            StreamRefusedError: The camera does not accept the credentials.
            UnusableStreamError: The decoder can make nothing of it.
            ConfigError: A setting cannot work here.
            StreamError: It is not live in time, or has ended or is closed; the message says why.
        """
        deadline = time.monotonic() + timeout
        with self._lock:
            while self._change.state is not State.LIVE:
                left = deadline - time.monotonic()
                hopeless = isinstance(self._failure, HOPELESS)
                if self._change.state in FINAL or hopeless or left <= 0:
                    if self._failure is not None:
                        raise self._failure
                    if self._change.state in FINAL:
                        raise StreamError("has " + self._change.state.value, self.settings.uri)
                    raise StreamError("no frame within {:g} s".format(timeout), self.settings.uri)
                self._news.wait(left)

    def close(self) -> None:
        """Stop; a read that is blocked in the decoder releases its capture when it returns."""
        with self._lock:
            self._become(State.CLOSED)
            self._events.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(2 * CLOSING_SECONDS)

    # ---- the watching thread

    def _play(self) -> None:
        backoff = Backoff(self._timing.first_wait, self._timing.longest_wait)
        while self._attempt(backoff):
            pass
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop()
            worker.join(CLOSING_SECONDS)
            self._give_up(worker)
        self._report()

    def _attempt(self, backoff: Backoff) -> bool:
        """Open the stream, watch it until it is lost, and wait; returns whether there is to be another attempt."""
        worker = Worker(self.settings, self._opener, self._timing, self._take, self._wake)
        with self._lock:
            self._worker = worker
            self._first = self._next
        worker.start()
        lost = self._watch(worker)
        lived = self._change.state is State.LIVE and time.monotonic() - self._change.time_monotonic
        with self._lock:
            if self._change.state is State.CLOSED:
                return False
            self._worker = None
            worker.stop()
            self._give_up(worker)
            self._failure = lost
            if self.settings.kind == "file" and worker.over and not worker.stalled:
                self._shortfall = worker.shortfall or self._shortfall
                if lost is None and self._loop:
                    return True
                self._become(State.ENDED, str(lost or ""))
                return False
            self._frame = None
            self._losses += int(worker.live)
            self._become(State.LOST, str(lost or ""))
        self._report()
        if lived is not False and lived >= self._timing.settled:
            backoff.reset()
        wait = self._timing.refused_wait if isinstance(lost, HOPELESS) else backoff.wait()
        return self._pause(wait)

    def _watch(self, worker: Worker) -> Optional[KFaceError]:
        """Wait for the end of a worker, or of the patience with it; returns what was wrong."""
        while True:
            self._report()
            with self._lock:
                if self._changes:
                    continue
                if self._change.state is State.CLOSED:
                    return None
                if worker.over:
                    return worker.failure
                deadline, now = worker.deadline(), time.monotonic()
                if deadline is not None and now >= deadline:
                    patience = self._timing.stall if worker.live else self._timing.opening
                    return StreamError("no frame for {:g} s".format(patience), self.settings.uri)
                self._events.wait(self._timing.stall if deadline is None else deadline - now)

    def _pause(self, wait: float) -> bool:
        """Wait before the next attempt, and until not too many reads are blocked; returns whether it may begin."""
        until = time.monotonic() + wait
        with self._lock:
            while self._change.state is not State.CLOSED:
                left = until - time.monotonic()
                crowded = self.blocked >= self._timing.abandoned
                if left <= 0 and not crowded:
                    self._become(State.CONNECTING, self._change.reason)
                    return True
                self._events.wait(max(left, 0.2) if crowded else left)
        return False

    def _give_up(self, worker: Worker) -> None:
        with self._lock:
            if worker.alive:
                self._given_up.append(worker)

    def _become(self, state: State, reason: str = "") -> None:
        with self._lock:
            if self._change.state is State.CLOSED:
                return
            self._change = StateChange(state, reason, time.monotonic())
            self._changes.append(self._change)
            if state is State.CLOSED:
                self._frame = None
            self._news.notify_all()

    def _report(self) -> None:
        """Call back with the changes so far, without the lock: the callback may ask the stream anything."""
        while True:
            with self._lock:
                if not self._changes:
                    return
                change = self._changes.popleft()
            if self._on_state is not None:
                try:
                    self._on_state(change)
                except Exception:
                    LOGGER.exception("the stream's state callback failed")

    # ---- called from the reading thread

    def _take(self, worker: Worker, image: Optional[np.ndarray], taken: float, index: int) -> None:
        with self._lock:
            # A worker that was given up may still come back, with a picture from before.
            if worker is not self._worker or self._change.state in FINAL:
                return
            number = self._first + index
            self._next = number + 1
            if image is not None and self._change.state is not State.LIVE:
                self._failure = None
                self._become(State.LIVE)
                self._events.notify_all()
            if image is not None:
                self._frame = Frame(image, taken, number)
                self._captured += 1
                self._skipped += int(not self._taken)
                self._taken = False
                self._news.notify_all()

    def _wake(self) -> None:
        with self._lock:
            self._events.notify_all()
