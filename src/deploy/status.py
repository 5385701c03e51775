"""How a session is doing: frames a second, latency, the stream's state."""

import collections
import threading
import time
from typing import Deque, NamedTuple, Optional, Tuple

import numpy as np

#: Seconds that rates and latencies are measured over.
WINDOW_S = 5.0


class Status(NamedTuple):
    """How a session is doing.

    Attributes:
        source: The stream, without credentials.
        stream: "connecting", "live", "lost", "ended" or "closed".
        reason: Why, in one line; empty where nothing is wrong.
        fps: Results a second over the last seconds.
        latency_p50_ms: From capture to result, the median over the last seconds; None where there was no result.
        latency_p95_ms: Likewise, the 95th percentile.
        losses: How often the stream was lost.
        faces: Faces in the newest result; 0 where that is old.
        people: How many are enrolled.
        captured: Frames from the stream.
        skipped: Frames that newer ones replaced.
        processed: Frames with a result.
        started: When the session began, Unix time.
        model: The bundle's name.
        runtime: What runs the embedder.
        damaged: How many people or templates of the gallery are left out because they are damaged, missing or were put back;
            the log names them, and so does ``kface gallery check``.
        dropped: Results that outputs were too slow for, each counted by itself.
        brightened: Whether a brightened copy of a frame was searched in the last seconds: the picture is dark, or a face in it
            is hard to see.
    """

    source: str
    stream: str
    reason: str
    fps: float
    latency_p50_ms: Optional[float]
    latency_p95_ms: Optional[float]
    losses: int
    faces: int
    people: int
    captured: int
    skipped: int
    processed: int
    started: float
    model: str
    runtime: str
    damaged: int = 0
    dropped: int = 0
    brightened: bool = False


class Meter(object):
    """Measures rate and latency over the last seconds. Safe to share between threads."""

    def __init__(self, window: float = WINDOW_S) -> None:
        self._window = window
        self._taken: Deque[Tuple[float, float]] = collections.deque(maxlen=2000)
        self._brightened: Optional[float] = None
        self._lock = threading.Lock()

    def take(self, captured: float, brightened: bool = False) -> None:
        """Count a result.

        Args:
            captured: When its frame was captured, in seconds of ``time.monotonic()``.
            brightened: Whether a brightened copy of it was searched.
        """
        now = time.monotonic()
        with self._lock:
            self._taken.append((now, now - captured))
            if brightened:
                self._brightened = now

    @property
    def brightened(self) -> bool:
        """Whether a brightened copy was searched in the last seconds."""
        at = self._brightened
        return at is not None and time.monotonic() - at <= self._window

    def read(self) -> Tuple[float, Optional[float], Optional[float]]:
        """Return results a second, and the latency's median and 95th percentile in ms (None without results)."""
        now = time.monotonic()
        with self._lock:
            recent = [item for item in self._taken if now - item[0] <= self._window]
        if not recent:
            return 0.0, None, None
        # From the first on: what began a second ago has its rate already.
        span = max(now - recent[0][0], 1e-3)
        rate = (len(recent) - 1) / span if len(recent) > 1 else 0.0
        p50, p95 = np.percentile([latency for _, latency in recent], [50, 95]) * 1000
        return round(rate, 2), round(float(p50), 1), round(float(p95), 1)
