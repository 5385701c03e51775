"""When a picture was really taken, which ones a limit of frames a second lets through, and how long to wait before a retry."""

import collections
import random
from typing import Deque, NamedTuple, Optional

from kface.errors import ConfigError

#: A loss is never noticed later than this, in seconds.
LONGEST_STALL = 5.0


class Timing(NamedTuple):
    """The patience of a stream, in seconds.

    Attributes:
        stall: A picture that takes longer is a loss, whatever the decoder then says. The slowest source is one picture in
            this time.
        opening: From the start of an attempt to its first picture.
        first_wait: Before the first retry; doubled with every further one.
        longest_wait: Where the doubling ends.
        refused_wait: After a camera has refused the credentials: most lock an account after a few attempts.
        settled: A stream that was live for so long begins again with the first wait.
        oldest: A picture older than this is not handed out.
        abandoned: Reads that may be blocked in the decoder at the same time; no further attempt is made before one returns.
    """

    stall: float = 3.0
    opening: float = 10.0
    first_wait: float = 0.5
    longest_wait: float = 10.0
    refused_wait: float = 60.0
    settled: float = 5.0
    oldest: float = 1.0
    abandoned: int = 4

    def check(self) -> "Timing":
        """Return itself.

        Raises:
            ConfigError: A time is not positive, or a loss would be noticed too late.
        """
        for name, value in self._asdict().items():
            if not value > 0:
                raise ConfigError("must be positive, not {!r}".format(value), "stream.timing." + name)
        # The rest is left to the threads' wake-up.
        if self.stall > LONGEST_STALL - 0.5:
            raise ConfigError("must be at most {} s".format(LONGEST_STALL - 0.5), "stream.timing.stall")
        return self


class Backoff(object):
    """Waits that double up to a longest one, each shortened by chance, so that many clients do not come back at once."""

    def __init__(self, first: float, longest: float, chance: Optional[random.Random] = None) -> None:
        self._first = first
        self._longest = longest
        self._next = first
        self._chance = chance or random.Random()

    def wait(self) -> float:
        """Return the next wait in seconds, drawn between half and all of the unjittered wait."""
        wait = self._next
        self._next = min(self._next * 2, self._longest)
        return min(wait, self._longest) * (0.5 + 0.5 * self._chance.random())

    def reset(self) -> None:
        """Begin again with the first wait."""
        self._next = self._first


class ArrivalClock(object):
    """Estimates how old the pictures of a live source are when they arrive.

    After the line was stuck, what waited in buffers comes in a burst, each picture as old as the wait was long. From a pause
    on, pictures are therefore dated one interval after the one before, until they come no faster than the source makes them:
    then what waited is used up, or there was nothing because the source had dropped it.

    Args:
        interval: Seconds between two pictures, until they were measured.
        opened: When the source was opened, as :meth:`stamp` has it: decoders collect pictures, for a second and longer,
            before they hand out the first.
    """

    #: A wait of this number of intervals, and of seconds, is a stuck line.
    STUCK = (2.5, 0.25)
    #: At the live edge so many pictures take at least this part of their intervals, none counting for more than its own:
    #: a busy machine makes pauses in a burst as well.
    EDGE = (8, 0.6)

    def __init__(self, interval: float, opened: float) -> None:
        self._interval = interval
        self._intervals: Deque[float] = collections.deque(maxlen=15)
        self._recent: Deque[float] = collections.deque(maxlen=self.EDGE[0])
        self._arrival: Optional[float] = None
        self._taken = opened
        self._behind = True

    def stamp(self, arrival: float) -> float:
        """Return when the picture that arrived just now should have arrived; both in seconds of one clock."""
        if self._arrival is None:
            self._arrival = arrival
            return self._taken
        spacing, self._arrival = arrival - self._arrival, arrival
        interval = sorted(self._intervals)[len(self._intervals) // 2] if self._intervals else self._interval
        burst = spacing < 0.5 * interval
        due = self._taken + interval
        if spacing > max(self.STUCK[0] * interval, self.STUCK[1]):
            self._behind = True
            self._recent.clear()
        else:
            self._recent.append(min(spacing, interval))
            full = len(self._recent) == self.EDGE[0] and sum(self._recent) >= self.EDGE[0] * self.EDGE[1] * interval
            if full or (spacing > self.STUCK[1] and not burst):
                self._behind = False
        if due >= arrival:
            self._behind = False
        # Measured all the time, because sources become slower at night; only a burst says nothing of their speed. One that
        # always sends in groups is taken for slower than it is, and is at the live edge for that reason.
        if not burst or not self._behind:
            self._intervals.append(spacing)
        self._taken = min(arrival, due) if burst or self._behind else arrival
        return self._taken


#: :class:`Limiter`'s jitter for the times of a file.
EXACT = 1e-3


class Limiter(object):
    """Lets a limited number of frames per second through, evenly spaced.

    Args:
        fps: The limit; none where None.
        jitter: Part of the limit's interval that a frame may come early. A camera that is as fast as the limit jitters
            around it, and would else lose frames; a file's times are exact but for rounding.
    """

    def __init__(self, fps: Optional[float], jitter: float = 0.25) -> None:
        self._jitter = jitter
        self._interval = 1.0 / fps if fps else 0.0
        self._due: Optional[float] = None

    def take(self, time: float) -> bool:
        """Return whether the frame of this time, in seconds, goes through."""
        if self._due is None:
            self._due = time
        if time < self._due - self._jitter * self._interval:
            return False
        self._due = max(self._due + self._interval, time + 0.5 * self._interval)
        return True
