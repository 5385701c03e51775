"""A bounded queue before an output, and the thread that empties it: a slow disk never slows recognition."""

import collections
import contextlib
import threading
import time
from typing import Callable, Deque, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from deploy.events import Event
from deploy.outputs.base import Output
from kface.errors import KFaceError
from kface.recognizer import Result

#: Bytes of pictures that wait for one output at most: 93 of 640x360 pixels, 24 of 1280x720, 10 of 1920x1080.
LARGEST = 64 << 20
#: Results that wait for one output at most, also where their pictures are not kept.
MOST = 1000
#: Seconds after which an output that is in one and the same write or close is given up at the end.
STUCK_S = 10.0

_NO_PICTURE = np.zeros((0, 0, 3), np.uint8)


class _Waiting(NamedTuple):
    """What waits to be written: a result, its events, and the bytes of its picture."""

    result: Result
    events: Tuple[Event, ...]
    size: int


class Subscription(object):
    """Gives an output its results in a thread of its own, in order. Safe to share between threads.

    Where the queue is full, the publisher of a live stream goes on: the oldest results without events are dropped first,
    then the oldest. A file that is read without loss waits for room.

    Args:
        output: Is used from the subscription's thread alone, and closed by it.
        failed: Called once where the output ends with an OSError or a KFaceError; it gets nothing any more then.
        crashed: Called once where it ends with anything else, which is a mistake in it.
        late: Called with the first drop.
        largest: Bytes of pictures that wait; :data:`LARGEST` where None.
        most: Results that wait; :data:`MOST` where None.

    Attributes:
        output: As given.
        published: Results that there were.
        dropped: Results that the output was too slow for.
    """

    def __init__(
        self,
        output: Output,
        failed: Callable[[Output, Exception], None],
        crashed: Callable[[BaseException], None],
        late: Callable[[Output], None],
        largest: Optional[int] = None,
        most: Optional[int] = None,
    ) -> None:
        self.output = output
        self.published = self.dropped = 0
        self._failed = failed
        self._crashed = crashed
        self._late = late
        self._largest = LARGEST if largest is None else largest
        self._most = MOST if most is None else most
        self._queue: Deque[_Waiting] = collections.deque()
        self._held = 0
        self._news = threading.Condition()
        self._patient = True
        self._last: Optional[Tuple[Event, ...]] = None
        self._until: Optional[float] = None
        self._over = False
        self._moved = time.monotonic()
        self._thread: Optional[threading.Thread] = None

    def put(self, result: Result, events: Sequence[Event], complete: bool) -> None:
        """Queue a result.

        Args:
            result: The next of the stream.
            events: What it meant.
            complete: Wait for room instead of dropping something.
        """
        if not self.output.pictures:
            result = result._replace(frame=result.frame._replace(image=_NO_PICTURE))
        new = _Waiting(result, tuple(events), int(result.frame.image.nbytes))
        with self._news:
            while complete and self._patient and not self._over and self._full(new):
                self._news.wait()
            if self._over or self._last is not None:
                return
            self._start()
            self.published += 1
            before = self.dropped
            self._queue.append(new)
            self._held += new.size
            while not complete and len(self._queue) > 1 and self._full():
                self._drop()
            self._news.notify_all()
        if self.dropped and not before:
            self._late(self.output)

    @property
    def over(self) -> bool:
        """Whether the output gets nothing any more."""
        return self._over or self._last is not None

    def release(self) -> None:
        """Make :meth:`put` wait for room no longer, for the end; what is queued is still written."""
        with self._news:
            self._patient = False
            self._news.notify_all()

    def close(self, events: Sequence[Event], seconds: Optional[float] = None) -> None:
        """Write what is queued, then close the output; :meth:`join` waits for that.

        Args:
            events: Those of the stream's end.
            seconds: For writing what is queued; what is left then is dropped. As long as it takes where None.
        """
        with self._news:
            if self._last is not None or self._over:
                return
            self._last = tuple(events)
            self._until = None if seconds is None else time.monotonic() + seconds
            self._moved = time.monotonic()
            self._start()
            self._news.notify_all()

    def join(self, stuck: float = STUCK_S) -> None:
        """Wait until the output is closed.

        Args:
            stuck: Seconds without any progress after which it is given up.

        Raises:
            KFaceError: It was given up.
        """
        thread = self._thread
        while thread is not None and thread.is_alive():
            thread.join(0.1)
            if thread.is_alive() and time.monotonic() - self._moved > stuck:
                with self._news:
                    left, self._over = len(self._queue), True
                    self.dropped += left
                    self._queue.clear()
                raise KFaceError(
                    "write blocked for {:g} s; {} queued frames lost".format(stuck, left),
                    self.output.name,
                    "check the disk",
                )

    # ---- with the lock held

    def _full(self, new: Optional[_Waiting] = None) -> bool:
        """Return whether there is too much, or would be with one more."""
        count, held = len(self._queue), self._held
        if new is None:
            return count > self._most or held > self._largest
        return bool(count) and (count >= self._most or held + new.size > self._largest)

    def _drop(self) -> None:
        place = next((n for n, waiting in enumerate(self._queue) if not waiting.events), 0)
        self._held -= self._queue[place].size
        del self._queue[place]
        self.dropped += 1

    def _start(self) -> None:
        if self._thread is None:
            name = "kface-write-{}".format(type(self.output).__name__.lower())
            self._thread = threading.Thread(target=self._run, name=name, daemon=True)
            self._thread.start()

    # ---- the thread

    def _run(self) -> None:
        try:
            self._write()
        except (KFaceError, OSError) as error:
            self._end()
            self._failed(self.output, error)
        except BaseException as error:
            self._end()
            self._crashed(error)
        finally:
            self._end()

    def _write(self) -> None:
        try:
            while True:
                waiting = self._next()
                if waiting is None:
                    break
                self.output.write(waiting.result, waiting.events)
        except BaseException:
            # It has failed already, and that counts more.
            with contextlib.suppress(Exception):
                self.output.close([])
            raise
        self.output.close(list(self._last or ()))

    def _next(self) -> Optional[_Waiting]:
        with self._news:
            self._moved = time.monotonic()
            while not self._queue and self._last is None and not self._over:
                self._news.wait()
            if self._until is not None and time.monotonic() > self._until:
                self.dropped += len(self._queue)
                self._queue.clear()
            if self._over or not self._queue:
                return None
            waiting = self._queue.popleft()
            self._held -= waiting.size
            self._moved = time.monotonic()
            self._news.notify_all()
            return waiting

    def _end(self) -> None:
        with self._news:
            self._over = True
            self._queue.clear()
            self._news.notify_all()
