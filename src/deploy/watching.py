"""What of a session can be exchanged while it runs: the stream that it watches, its bundle and its pipeline."""

import contextlib
import threading
import time
from typing import Callable, Iterator, Optional, Tuple

from deploy.events import GALLERY, STREAM
from deploy.gallery_watch import GalleryWatch
from deploy.line import NOTHING, Line, TaggedResult, added
from deploy.publishing import Publisher
from deploy.recognition import Recognition
from deploy.registration import Registrar
from deploy.score_history import ScoreHistory
from kface.bundle import Thresholds
from kface.errors import KFaceError
from kface.gallery import Gallery
from kface.recognizer import FaceRecognizer, Pipeline, Result
from kface.recognizer.runner import Counts
from kface.streams import Frame, StateChange, VideoSource

#: Makes the source: takes what to call with each change of its state.
SourceMaker = Callable[[Callable[[StateChange], None]], VideoSource]


class SessionParts(object):
    """What a session is made of besides its stream.

    Attributes:
        recognition: Its recogniser, thresholds and pipeline.
        watch: Looks after its gallery.
        registrar: Enrols.
        publisher: Publishes its results.
        scores: The scores seen live.
    """

    def __init__(self, recognition: Recognition, publisher: Publisher) -> None:
        self.recognition = recognition
        self.publisher = publisher
        self.watch = GalleryWatch(recognition.gallery, publisher.log, recognition.people_changed)
        self.registrar = Registrar(self.watch, publisher.log, recognition.enrolment())
        self.scores = ScoreHistory()


class Watching(object):
    """Takes the frames of a stream through the networks to the publisher, whatever takes the place of what meanwhile.

    Safe to share between threads.

    Args:
        parts: Of the session.
        make_source: Makes what gives the frames.
        name: What the stream is called, without credentials.
        complete: Whether each frame is processed; otherwise frames give way to newer ones.

    Attributes:
        line: The stream that is watched now.
        started: Unix time of the start; 0 before.
    """

    def __init__(self, parts: SessionParts, make_source: SourceMaker, name: str, complete: bool) -> None:
        self._parts = parts
        self.started = 0.0
        self._closed = False
        # Held while a result is published, so that none of an old pipeline comes after those of a new one.
        self._publishing = threading.Lock()
        # Held while something is exchanged, and while the session ends.
        self._exchanging = threading.Lock()
        # Set but for the moment in which another stream takes the place of the one that is there.
        self._settled = threading.Event()
        self._settled.set()
        self._before = NOTHING
        self.line = self._make_line(make_source, name, complete)

    def start(self) -> None:
        """Begin."""
        self.line.runner.start()
        self.started = self.started or time.time()

    def wait(self, timeout: Optional[float]) -> bool:
        """See :meth:`deploy.session.Session.wait`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        line = None
        # Another stream may have taken the place of the one that has ended.
        while self._settled.wait(_left(deadline)) and line is not self.line:
            line = self.line
            if not line.runner.wait(_left(deadline)):
                return False
        return self._settled.is_set()

    def stop(self) -> None:
        """End the stream and everything that is published; nothing happens the second time."""
        with self._exchanging:
            if self._closed:
                return
            self._closed = True
            line = self.line
            try:
                line.runner.stop()
            finally:
                self._parts.watch.report_damage()
                shortfall = line.source.shortfall
                more = [] if shortfall is None else ["ended: {}: {}".format(line.name, shortfall)]
                self._parts.publisher.close(more, line.complete)
            # An output may have made a mistake with what was still queued.
            line.runner.stop()

    def state(self) -> Tuple[str, str]:
        """Return the stream's state and the reason for it."""
        return self.line.state(self._closed)

    def counts(self) -> Counts:
        """Return what became of the frames of all streams so far."""
        line = self.line
        return added(self._before, line.runner.counts)

    def fail(self, error: BaseException) -> None:
        """End because of a mistake in an output."""
        self.line.runner.fail(error)

    # ---- exchanges

    @contextlib.contextmanager
    def exchange(self) -> "Iterator[None]":
        """Let nothing else be exchanged in this context; raises KFaceError after the session's end."""
        with self._exchanging:
            if self._closed:
                raise KFaceError("has ended", "the session", "start another session")
            yield

    @contextlib.contextmanager
    def between_frames(self) -> "Iterator[None]":
        """No frame is processed and no result published in this context; for within :meth:`exchange`."""
        with self._parts.recognition.networks, self._publishing:
            yield

    @contextlib.contextmanager
    def other_tracks(self) -> "Iterator[None]":
        """Change how frames are processed from the next one on; all tracks start again.

        Raises:
            KFaceError: The session has ended.
        """
        with self.exchange(), self.between_frames():
            yield
            self._begin_again()

    def change_stream(self, make_source: SourceMaker, name: str, complete: bool) -> None:
        """See :meth:`deploy.session.Session.change_stream`."""
        parts = self._parts
        with self.exchange():
            old, line = self.line, self._make_line(make_source, name, complete)
            self._settled.clear()
            try:
                wrong = old.end()
                with self.between_frames():
                    self._before = added(self._before, old.runner.counts)
                    self.line = line
                    self._begin_again()
                for trouble in (old.source.shortfall, wrong):
                    if trouble is not None:
                        parts.publisher.log.add(STREAM, reason="ended: {}: {}".format(old.name, trouble))
                parts.publisher.log.add(STREAM, reason="changed to {}".format(name))
                if self.started:
                    line.runner.start()
            finally:
                self._settled.set()

    def change_bundle(
        self, recognizer: FaceRecognizer, model: str, thresholds: Optional[Thresholds], gallery: Optional[Gallery]
    ) -> FaceRecognizer:
        """See :meth:`deploy.session.Session.change_bundle`."""
        parts = self._parts
        with self.exchange(), parts.watch.own_change():
            with self.between_frames():
                old = self.put_bundle(recognizer, model, thresholds, gallery)
                if gallery is not None:
                    parts.watch.use(gallery)
            parts.publisher.log.add(GALLERY, reason="recognised by {}".format(model))
            return old

    def put_bundle(
        self,
        recognizer: FaceRecognizer,
        model: str,
        thresholds: Optional[Thresholds],
        gallery: Optional[Gallery] = None,
    ) -> FaceRecognizer:
        """Recognise with another bundle, and return the old recogniser; for within :meth:`between_frames`."""
        parts = self._parts
        old = parts.recognition.change_bundle(recognizer, model, thresholds, gallery)
        parts.registrar.use(parts.recognition.enrolment())
        parts.publisher.turn_over()
        parts.scores.clear()
        return old

    def _begin_again(self) -> None:
        """Start with new tracks, and with nothing live of the old ones; for within :meth:`between_frames`."""
        self._parts.recognition.begin_again()
        self._parts.publisher.turn_over()
        self._parts.scores.turn_over()

    # ---- called from the line's threads

    def _step(self, line: Line, frame: Frame) -> Optional[TaggedResult]:
        self._parts.watch.look()
        with self._parts.recognition.networks:
            if line is not self.line:
                return None
            pipeline = self._parts.recognition.pipeline
            return pipeline, pipeline.process(frame)

    def _publish(self, line: Line, pipeline: Pipeline, result: Result) -> None:
        recognition = self._parts.recognition
        with self._publishing:
            if pipeline is recognition.pipeline:
                self._parts.scores.take(result)
                self._parts.publisher.publish(result, recognition.operating_point.fmr, line.complete)

    def _stream_changed(self, change: StateChange) -> None:
        publisher = self._parts.publisher
        publisher.log.add(STREAM, reason=": ".join(part for part in (change.state.value, change.reason) if part))
        publisher.viewer.changed()

    def _make_line(self, make_source: SourceMaker, name: str, complete: bool) -> Line:
        return Line(make_source(self._stream_changed), name, complete, self._step, self._publish)


def _left(deadline: Optional[float]) -> Optional[float]:
    return None if deadline is None else max(deadline - time.monotonic(), 0.0)
