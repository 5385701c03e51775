"""What a session publishes: events and pictures on request, and every result for the outputs that subscribed."""

import errno
import time
from typing import Callable, List, Optional, Sequence, Tuple

from deploy.events import STREAM, Event, EventLog, Observer
from deploy.outputs.base import Output
from deploy.sightings import Sightings
from deploy.status import Meter
from deploy.subscription import Subscription
from deploy.view import Viewer
from kface import heap
from kface.errors import KFaceError
from kface.recognizer import Result

#: Seconds after which memory that was freed is given back to the system.
TRIM_EVERY_S = 60.0
#: Seconds for writing what is queued when a live stream ends. A service has 20 s to stop (TimeoutStopSec).
DRAIN_S = 5.0
#: The kind of events about outputs.
OUTPUT = "output"


class Publisher(object):
    """Publishes one session's events and pictures; see ``docs/adr/0013-the-session-publishes.md``.

    A viewer (page, window) asks for the newest picture and for the events after the last it has seen: a bounded log with a
    position for each reader, none of which can hold up anything. What writes everything down
    subscribes as an :class:`~deploy.outputs.Output`, and gets a bounded queue and a thread of its own.

    Args:
        view: Width and height that pictures fit into.
        state: Returns the stream's state and the reason for it.
        crashed: Called where an output ends with what is a mistake in it.

    Attributes:
        log: The events.
        viewer: The pictures.
        meter: Rate and latency of the results.
        sightings: Who was there last.
        failures: What outputs ended with; they were closed, the others go on.
    """

    def __init__(
        self,
        view: Tuple[int, int],
        state: Callable[[], Tuple[str, str]],
        crashed: Callable[[BaseException], None],
    ) -> None:
        self.log = EventLog()
        self.viewer = Viewer(view, state)
        self.meter = Meter()
        self.sightings = Sightings()
        self.failures: List[KFaceError] = []
        self._crashed = crashed
        self._observer = Observer(self.log)
        self._pending: List[Event] = []
        self._subscriptions: List[Subscription] = []
        self._trimmed = time.monotonic()

    @property
    def dropped(self) -> int:
        """Results that outputs were too slow for."""
        return sum(subscription.dropped for subscription in list(self._subscriptions))

    def subscribe(self, output: Output) -> None:
        """Give every result from now on and its events to an output; it is closed at the end."""
        self._subscriptions.append(Subscription(output, self._failed, self._crashed, self._late))

    def unsubscribe(self, output: Output) -> None:
        """Write what is queued for an output, and close it; nothing happens where it has ended by itself.

        Raises:
            KFaceError: It does not end.
        """
        for subscription in [one for one in list(self._subscriptions) if one.output is output]:
            subscription.close((), DRAIN_S)
            subscription.join()

    def subscribed(self, output: Output) -> bool:
        """Return whether an output still gets results."""
        return any(one.output is output and not one.over for one in list(self._subscriptions))

    def publish(self, result: Result, fmr: Optional[float], complete: bool) -> None:
        """Publish the stream's next result.

        Args:
            result: The result.
            fmr: What the threshold stands for.
            complete: Wait for outputs that are behind; otherwise they miss something.
        """
        self.meter.take(result.frame.time_monotonic, result.brightened is not None)
        events = self._pending + self._observer.observe(result, fmr)
        self._pending = []
        self.viewer.take(result)
        self.sightings.take(result, events)
        for subscription in list(self._subscriptions):
            subscription.put(result, events, complete)
        if time.monotonic() - self._trimmed >= TRIM_EVERY_S:
            self._trimmed = time.monotonic()
            heap.trim()

    def turn_over(self) -> None:
        """End all tracks and the live picture: tracks and frames are numbered from the beginning again.

        Not to be called at the same time as :meth:`publish`.
        """
        self._pending += self._observer.finish()
        self._observer = Observer(self.log)
        self.sightings.forget_tracks()
        self.viewer.clear()

    def release(self) -> None:
        """No longer wait for outputs in :meth:`publish`; for the end."""
        for subscription in list(self._subscriptions):
            subscription.release()

    def close(self, more: Sequence[str], complete: bool) -> None:
        """End all tracks, write what is queued, close the outputs, and wake up everyone who waits.

        Args:
            more: What else to report about the stream's end, a line each.
            complete: As for :meth:`publish`: all that is queued is written, however long that takes.
        """
        events = self._pending + self._observer.finish() + [self.log.add(STREAM, reason=line) for line in more]
        subscriptions = list(self._subscriptions)
        for subscription in subscriptions:
            subscription.close(events, None if complete else DRAIN_S)
        for subscription in subscriptions:
            try:
                subscription.join()
            except KFaceError as error:
                self._failed(subscription.output, error)
            if subscription.dropped:
                line = "{}: {} of {} frames dropped: output too slow"
                about = subscription.output.name, subscription.dropped, subscription.published
                self.log.add(OUTPUT, reason=line.format(*about))
        self.viewer.close()
        self.log.close()

    # ---- called from the subscriptions' threads

    def _failed(self, output: Output, error: Exception) -> None:
        """Let an output that fails (a full disk) go, and the others go on."""
        failure = error if isinstance(error, KFaceError) else _written(error, output.name)
        self.failures.append(failure)
        self.log.add(OUTPUT, reason=str(failure))

    def _late(self, output: Output) -> None:
        self.log.add(OUTPUT, reason="{}: too slow; dropping frames".format(output.name))


def _written(error: Exception, name: str) -> KFaceError:
    number = error.errno if isinstance(error, OSError) else None
    full = number in (errno.ENOSPC, errno.EDQUOT)
    return KFaceError(
        "cannot be written ({})".format((isinstance(error, OSError) and error.strerror) or error),
        name,
        "make room" if full else "choose another path",
    )
