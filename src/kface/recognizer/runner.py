"""Inference and output side by side: inference takes its frames from the source, the output has a thread of its own."""

import threading
import time
from typing import Callable, Iterable, List, NamedTuple, Optional, Union

import numpy as np

from kface.errors import KFaceError
from kface.recognizer.pipeline import Pipeline, Result
from kface.slot import ClosedError, Slot
from kface.streams.frame import FINAL, Frame
from kface.streams.read_ahead import ReadAhead
from kface.streams.source import VideoSource

#: Seconds that :meth:`Runner.stop` waits for a source, a pipeline or an output to return.
PATIENCE = 10.0
#: Seconds between two looks at whether a source that gives nothing has ended.
LOOK_S = 1.0


class Counts(NamedTuple):
    """What became of the frames.

    Attributes:
        captured: Frames that the source gave.
        skipped: Frames that a newer one replaced before the pipeline took them.
        processed: Frames that the pipeline took and gave a result for.
        unseen: Results that a newer one replaced before the output took them.
        shown: Results that the output took.
    """

    captured: int
    skipped: int
    processed: int
    unseen: int
    shown: int


class Runner(object):
    """Runs a stream through a pipeline.

    Args:
        source: Gives the frames; is started, and closed at the end. Any other iterable of frames or images is read ahead in
            a thread of its own, see :class:`kface.streams.ReadAhead`.
        pipeline: Recognises the people.
        output: Takes each result.
        drop: Whether results, and the frames of an iterable, give way to newer ones, as live pictures should; a file is
            processed without loss where False.
        patience: Seconds that :meth:`stop` waits for the threads.

    Example:
        >>> with Runner(camera, pipeline, show) as runner:  # doctest: +SKIP
        ...     runner.wait()
    """

    def __init__(
        self,
        source: Union[VideoSource, Iterable[Union[Frame, np.ndarray]]],
        pipeline: Pipeline,
        output: Callable[[Result], object],
        drop: bool = True,
        patience: float = PATIENCE,
    ) -> None:
        self._source = source if isinstance(source, VideoSource) else ReadAhead(source, drop)
        self._pipeline = pipeline
        self._output = output
        self._patience = patience
        self._results: Slot[Result] = Slot(drop)
        self._stopping = threading.Event()
        self._done = threading.Event()
        self._failure: Optional[BaseException] = None
        self._lock = threading.Lock()
        self._working = 0
        self._processed = self._shown = 0
        self._threads: List[threading.Thread] = []

    def start(self) -> "Runner":
        """Start the threads; raises KFaceError where that was done before."""
        if self._threads:
            raise KFaceError("was started before", "the stream", "make a new runner for it")
        self._source.start()
        steps = (("inference", self._infer), ("output", self._show))
        self._threads = [
            threading.Thread(target=self._guard, args=(step,), name="kface-" + name, daemon=True)
            for name, step in steps
        ]
        self._working = len(self._threads)
        for thread in self._threads:
            thread.start()
        return self

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Wait for the source's end and for the last result to be taken.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            Whether all is done.

        Raises:
            KFaceError: It was not started.
            BaseException: Whatever a thread ended with.
        """
        if not self._threads:
            raise KFaceError("was not started", "the stream", "call start() before")
        # A source that waits for a camera may go on waiting after the output has failed; this does not wait for it.
        self._done.wait(timeout)
        self._raise()
        return self._done.is_set() and self._join(self._patience)

    def stop(self) -> None:
        """End the stream now: frames and results not taken yet are dropped. May be called twice.

        Raises:
            KFaceError: A thread did not return in time.
            BaseException: Whatever a thread ended with.
        """
        self._halt()
        if not self._join(self._patience):
            stuck = [thread.name for thread in self._all() if thread.is_alive()]
            raise KFaceError("did not end within {:g} s".format(self._patience), ", ".join(stuck))
        self._raise()

    def fail(self, error: BaseException) -> None:
        """End the stream because of what has happened elsewhere, such as behind the output; :meth:`wait` raises it."""
        self._fail(error)
        self._halt()

    @property
    def running(self) -> bool:
        """Whether a thread is still at work."""
        return any(thread.is_alive() for thread in self._all())

    @property
    def counts(self) -> Counts:
        """What has become of the frames so far."""
        return Counts(self._source.captured, self._source.skipped, self._processed, self._results.dropped, self._shown)

    def __enter__(self) -> "Runner":
        return self.start()

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.stop()
            return
        # What the caller failed with counts more than what the threads have to say.
        self._halt()
        self._join(self._patience)

    def _infer(self) -> None:
        source = self._source
        try:
            while not self._stopping.is_set():
                # Asked before the read: the last frame may come in between.
                final = source.state in FINAL
                frame = source.read(LOOK_S)
                if frame is not None:
                    result = self._pipeline.process(frame)
                    self._processed += 1
                    self._results.put(result)
                elif final:
                    return
        finally:
            self._results.close()

    def _show(self) -> None:
        while True:
            result = self._results.get()
            self._output(result)
            self._shown += 1

    def _guard(self, step: Callable[[], None]) -> None:
        try:
            step()
        except ClosedError:
            pass
        # Whatever it is belongs to the caller; here it would be printed and forgotten.
        except BaseException as error:
            self.fail(error)
        finally:
            with self._lock:
                self._working -= 1
                if not self._working:
                    self._done.set()

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self._failure = self._failure or error
        self._done.set()

    def _halt(self) -> None:
        first = not self._stopping.is_set()
        self._stopping.set()
        self._results.close(discard=True)
        if first:
            try:
                self._source.close()
            except BaseException as error:
                self._fail(error)

    def _join(self, timeout: Optional[float]) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        for thread in self._all():
            thread.join(None if deadline is None else max(deadline - time.monotonic(), 0))
        return not self.running

    def _all(self) -> List[threading.Thread]:
        return list(self._source.threads) + self._threads

    def _raise(self) -> None:
        with self._lock:
            failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
