"""Frames that are read one ahead, in a thread of their own: decoding and inference overlap."""

import queue
import threading
import time
import types
from typing import Callable, Iterable, Iterator, Optional, Tuple, Union

import numpy as np

from kface.slot import ClosedError, Slot
from kface.streams.frame import Frame, State
from kface.streams.source import VideoSource


class ReadAhead(VideoSource):
    """Reads an iterable in a thread of its own, from :meth:`start` on. Before that, iterating reads it directly.

    Args:
        frames: Gives the frames, or just images (uint8 (h, w, 3), RGB), which are numbered and dated then. A generator is
            closed by the thread that runs it.
        drop: Whether a newer frame replaces one that is not read yet; otherwise each is kept until it is read.
        wake: Called by :meth:`close`, so that an iterable that waits for something returns.
    """

    def __init__(
        self,
        frames: Iterable[Union[Frame, np.ndarray]] = (),
        drop: bool = False,
        wake: Optional[Callable[[], object]] = None,
    ) -> None:
        self._given = frames
        self._wake = wake
        self._slot: Slot[Frame] = Slot(drop)
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._captured = 0
        self._failure: Optional[BaseException] = None
        self._reason = ""
        self._thread: Optional[threading.Thread] = None

    def frames(self) -> Iterator[Union[Frame, np.ndarray]]:
        """Return what gives the frames, to be run by one thread."""
        return iter(self._given)

    def release(self) -> None:
        """Give back what :meth:`frames` needs; called by the thread that reads, or by :meth:`close` where none does."""

    def start(self) -> "ReadAhead":
        """Begin to read; returns itself."""
        with self._lock:
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._run, name="kface-capture", daemon=True)
                self._thread.start()
        return self

    def read(self, timeout: float = 1.0) -> Optional[Frame]:
        """Wait for the next frame; see :meth:`VideoSource.read`. Raises whatever reading ended with, once."""
        try:
            found: Frame = self._slot.get(timeout)
            return found
        except queue.Empty:
            return None
        except ClosedError:
            with self._lock:
                failure, self._failure = self._failure, None
            if failure is not None:
                raise failure
            return None

    def close(self) -> None:
        """End. A thread that is in the decoder releases what it has when it returns; see :attr:`threads`."""
        with self._lock:
            first = not self._closing.is_set()
            self._closing.set()
            thread = self._thread
        self._slot.close(discard=True)
        if first and self._wake is not None:
            self._wake()
        if first and thread is None:
            self.release()

    @property
    def state(self) -> State:
        """Connecting before the start, live until the last frame was read, then ended; closed."""
        if self._closing.is_set():
            return State.CLOSED
        if self._thread is None:
            return State.CONNECTING
        return State.ENDED if self._slot.over else State.LIVE

    @property
    def reason(self) -> str:
        """What reading ended with; empty where that was the end."""
        return self._reason

    @property
    def captured(self) -> int:
        """How many frames were read."""
        return self._captured

    @property
    def skipped(self) -> int:
        """How many of these were not read."""
        return self._slot.dropped

    @property
    def threads(self) -> Tuple[threading.Thread, ...]:
        """The one that reads."""
        return () if self._thread is None else (self._thread,)

    def __enter__(self) -> "ReadAhead":
        """Return itself, not yet started: iterating reads in the caller's thread."""
        return self

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames; where it was not started, they are read in the caller's thread."""
        return self._numbered(self.frames()) if self._thread is None else super(ReadAhead, self).__iter__()

    def _run(self) -> None:
        try:
            self._read_all()
        except ClosedError:
            pass
        except Exception as error:
            # What is closed while it is waited for may well complain about that.
            if not self._closing.is_set():
                self._fail(error)
        # Any error belongs to the reader; here it would be printed and forgotten.
        except BaseException as error:
            self._fail(error)
        finally:
            self._slot.close()

    def _read_all(self) -> None:
        frames = self.frames()
        try:
            for frame in self._numbered(frames):
                self._slot.put(frame)
        finally:
            if isinstance(frames, types.GeneratorType):
                frames.close()
            self.release()

    def _numbered(self, frames: Iterator[Union[Frame, np.ndarray]]) -> Iterator[Frame]:
        for number, item in enumerate(frames):
            if self._closing.is_set():
                return
            self._captured += 1
            yield Frame(item, time.monotonic(), number) if isinstance(item, np.ndarray) else item

    def _fail(self, error: BaseException) -> None:
        self._reason = str(error)
        with self._lock:
            self._failure = error
