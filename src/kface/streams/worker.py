"""The thread that reads one capture, from opening it to releasing it, and never touches another."""

import threading
import time
from typing import Callable, Optional

import cv2
import numpy as np

from kface.errors import KFaceError
from kface.streams.backends import Capture
from kface.streams.clock import EXACT, ArrivalClock, Limiter, Timing
from kface.streams.frame import StreamError
from kface.streams.pictures import Pictures, Shortfall
from kface.streams.settings import StreamSettings

#: Frames a second of a source that does not say.
USUAL_FPS = 25.0

Opener = Callable[[StreamSettings], Capture]
#: Takes (worker, image, time, index of the picture in this capture); an image of None only counts.
Sink = Callable[["Worker", Optional[np.ndarray], float, int], None]


def native_fps(capture: Capture) -> float:
    """Return the frame rate that a source reports, or the default where that is not plausible."""
    fps = float(capture.get(cv2.CAP_PROP_FPS) or 0)
    return fps if 0.1 <= fps <= 240 else USUAL_FPS


class Worker(object):
    """Reads one capture in a thread of its own until it ends, fails, is too slow or is stopped.

    A read that is blocked in the decoder cannot be interrupted. The watcher gives this worker up by :meth:`stop` and
    makes another; this one releases its capture when the read returns, and hands out nothing any more.

    Args:
        settings: What to open.
        opener: Opens it; see :func:`kface.streams.backends.open_capture`.
        timing: The patience.
        sink: Takes the pictures.
        done: Called when :attr:`over` has become true.

    Attributes:
        over: Whether the capture came to its end; :attr:`failure` says why.
        failure: What was wrong, None for a file's end.
        live: Whether there was a picture.
        stalled: Whether it ended because a read was too slow.
        shortfall: What a file should have held and did not, at its end.
    """

    def __init__(
        self, settings: StreamSettings, opener: Opener, timing: Timing, sink: Sink, done: Callable[[], None]
    ) -> None:
        self._settings = settings
        self._opener = opener
        self._timing = timing
        self._sink = sink
        self._done = done
        self._stop = threading.Event()
        self._started = time.monotonic()
        self._busy_since: Optional[float] = self._started
        self.live = False
        self.over = False
        self.stalled = False
        self.failure: Optional[KFaceError] = None
        self.shortfall: Optional[Shortfall] = None
        self._thread = threading.Thread(target=self._run, name="kface-capture-" + settings.kind, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Make the thread end as soon as its current read returns."""
        self._stop.set()

    def join(self, timeout: float) -> None:
        """Wait for the thread's end."""
        self._thread.join(timeout)

    @property
    def alive(self) -> bool:
        """Whether the thread has not ended."""
        return self._thread.is_alive()

    def deadline(self) -> Optional[float]:
        """Return when (``time.monotonic()``) the picture that is being waited for is too late, None between two pictures."""
        since = self._busy_since
        if not self.live:
            return self._started + self._timing.opening
        return None if since is None else since + self._timing.stall

    def _run(self) -> None:
        capture = None
        failure: Optional[KFaceError] = None
        try:
            opened = time.monotonic()
            capture = self._opener(self._settings)
            if not self._stop.is_set():
                failure = self._read(capture, opened)
        except KFaceError as error:
            failure = error
        except Exception as error:  # a decoder's own errors are of any class
            detail = "{}: {}".format(type(error).__name__, error)
            failure = StreamError(
                "the decoder failed ({})".format(self._settings.hide(detail)[:200]), self._settings.uri
            )
        finally:
            try:
                if capture is not None:
                    capture.release()
            except Exception as error:
                detail = self._settings.hide(str(error))[:200]
                failure = failure or StreamError("cannot be released ({})".format(detail), self._settings.uri)
            self.failure = failure
            self.over = True
            self._done()

    def _read(self, capture: Capture, opened: float) -> Optional[KFaceError]:
        """Read until the end; returns what was wrong, None for the end of a file or after :meth:`stop`."""
        file = self._settings.kind == "file"
        interval = 1.0 / native_fps(capture)
        clock = ArrivalClock(interval, opened)
        limiter = Limiter(self._settings.fps, EXACT) if file else Limiter(self._settings.fps)
        pictures = Pictures(capture, self._settings)
        due = time.monotonic()
        while not self._stop.is_set():
            if file:
                self._busy_since = None
                now = time.monotonic()
                # After a delay the film goes on where it was, instead of running after the time that was lost.
                due = max(due, now - interval)
                if self._stop.wait(max(0.0, due - now)):
                    return None
                due += interval
            begun = self._busy_since = time.monotonic()
            got = pictures.grab()
            now = time.monotonic()
            taken = now if file or not got else clock.stamp(now)
            fresh = got and now - taken <= self._timing.oldest
            wanted = fresh and limiter.take(pictures.number * interval if file else now)
            rgb = pictures.retrieve() if wanted else None
            took = time.monotonic() - begun
            patience = self._timing.stall if self.live else self._timing.opening
            # A decoder that was stuck hands out a picture from before, and calls that a success.
            if took > patience:
                self.stalled = True
                return StreamError("no frame for {:.1f} s".format(took), self._settings.uri)
            if not got:
                if not file:
                    return StreamError("stopped", self._settings.uri, "check that the camera is on")
                if pictures.number < 0:
                    return StreamError(
                        "has no frame that can be decoded", self._settings.uri, "convert it: ffmpeg -i FILE new.mp4"
                    )
                self.shortfall = pictures.shortfall
                return None
            self.live = True
            self._sink(self, rgb, taken, pictures.number)
        return None
