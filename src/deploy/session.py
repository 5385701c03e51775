"""A stream, a recogniser and a gallery at work together: what every front end shows and commands, and none decides."""

import os
import threading
import time
from typing import Any, Callable, Iterator, List, Optional, Tuple, Union

import numpy as np

from deploy.events import ENROLLED, GALLERY, STREAM, Event
from deploy.gallery_watch import GalleryWatch
from deploy.outputs.base import Output
from deploy.publishing import Publisher
from deploy.registration import Candidate, Candidates
from deploy.settings import DeploySettings
from deploy.status import Status
from deploy.view import View, scale_to
from kface.bundle import Thresholds
from kface.errors import KFaceError
from kface.gallery import Enrolled, Enrolment, Gallery, Person
from kface.gallery.values import clean_name
from kface.recognizer import Decision, FaceRecognizer, Pipeline, Result, Runner
from kface.recognizer.decision import bound
from kface.streams import Change, Frame, State

PathLike = Union[str, "os.PathLike[str]"]
#: Makes the source: takes what to call with each change of its state.
SourceMaker = Callable[[Callable[[Change], None]], Any]


class Session(object):
    """Recognises people in one stream until it ends or is stopped. Methods may be called from any thread.

    Args:
        settings: What it was told.
        recognizer: Finds and embeds faces; the session's alone.
        gallery: Who is enrolled.
        make_source: Makes what gives the frames: a :class:`kface.streams.Stream`, or any iterable of frames that ends.
        source: What the stream is called, without credentials.
        drop: Whether frames give way to newer ones.
        model: The bundle's name.
        thresholds: The bundle's table, for the FMR that a threshold stands for.

    Attributes:
        settings: As given.

    Raises:
        ConfigError: The bundle has no thresholds, and none are given.

    Example:
        >>> with open_session(settings) as session:  # doctest: +SKIP
        ...     for event in session.start().wait_events(0, timeout=10):
        ...         print(event.as_dict())
    """

    def __init__(
        self,
        settings: DeploySettings,
        recognizer: FaceRecognizer,
        gallery: Gallery,
        make_source: SourceMaker,
        source: str,
        drop: bool = True,
        model: str = "",
        thresholds: Optional[Thresholds] = None,
    ) -> None:
        self.settings = settings
        self._recognizer = recognizer
        self._gallery = gallery
        self._name = source
        self._model = model
        self._thresholds = thresholds
        self._decision = recognizer.needed_decision()
        self._pipeline = Pipeline(recognizer, gallery, settings.pipeline)
        # Networks are one thread's at a time: the stream's, or that of somebody who enrols.
        self._networks = threading.Lock()
        self._publisher = Publisher(settings.view, self._state, self._fail)
        self._watch = GalleryWatch(gallery, self._publisher.log, self._pipeline.gallery_changed)
        self._enrolment = Enrolment(
            gallery, recognizer, settings.enrolment, settings.gallery.keep_crops, self._networks
        )
        self._candidates = Candidates(self._enrolment.gate)
        self._started = 0.0
        self._closed = False
        self._closing = threading.Lock()
        self._source = make_source(self._stream_changed)
        self._complete = not drop
        # A stream is closed to wake up the thread that waits in it; a file is released by the thread that reads it.
        frames = self._source if hasattr(self._source, "state") else _frames_of(self._source)
        self._runner = Runner(frames, self, self._take, drop)  # type: ignore[arg-type]

    def add_output(self, output: Output) -> None:
        """Give every result from now on and its events to an output, which is closed at the end.

        A slow output never slows recognition: of a live stream it misses results, which are counted and reported. A file
        that is read without loss waits for it.
        """
        self._publisher.subscribe(output)

    def start(self) -> "Session":
        """Begin; returns itself."""
        if hasattr(self._source, "start"):
            self._source.start()
        self._runner.start()
        self._started = self._started or time.time()
        return self

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Wait for the stream's end; returns whether it has come.

        Raises:
            KFaceError: The stream, the networks or the gallery failed.
        """
        return self._runner.wait(timeout)

    def stop(self) -> None:
        """End now, and close everything but the gallery and the recogniser. May be called twice, from any thread."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._publisher.release()
            try:
                self._runner.stop()
            finally:
                self._close()
            # An output may have made a mistake with what was still queued.
            self._runner.stop()

    def __enter__(self) -> "Session":
        return self.start()

    def __exit__(self, kind: Any, *_: object) -> None:
        try:
            self.stop()
        except Exception:
            # What the caller failed with counts more than what the end has to say.
            if kind is None:
                raise

    @property
    def stream(self) -> Any:
        """What gives the frames."""
        return self._source

    @property
    def shortfall(self) -> Any:
        """What a video file should have held and did not, at its end (:class:`kface.streams.Shortfall`), or None."""
        return getattr(self._source, "shortfall", None)

    @property
    def failures(self) -> List[KFaceError]:
        """What outputs ended with; they were closed, the others go on."""
        return self._publisher.failures

    @property
    def running(self) -> bool:
        """Whether frames are still being processed."""
        return self._runner.running

    @property
    def status(self) -> Status:
        """How the session is doing."""
        state, reason = self._state()
        fps, p50, p95 = self._publisher.meter.read()
        counts = self._runner.counts
        newest = self._publisher.viewer.newest()
        return Status(
            source=self._name,
            stream=state,
            reason=reason,
            fps=fps,
            latency_p50_ms=p50,
            latency_p95_ms=p95,
            losses=int(getattr(self._source, "losses", 0)),
            faces=0 if newest is None else newest.faces.count,
            people=self._watch.people,
            captured=counts.captured,
            skipped=counts.skipped,
            processed=counts.processed,
            started=self._started,
            model=self._model,
            runtime=self._recognizer.embedder.runtime,
            damaged=len(self._gallery.damage),
            dropped=self._publisher.dropped,
        )

    def wait_view(self, after: int = 0, timeout: float = 1.0) -> Optional[View]:
        """Return the newest annotated picture with a number greater than `after`; None where none comes in time.

        A picture that was captured more than a second ago is never returned: a grey one says why there is none.
        """
        return self._publisher.viewer.wait(after, timeout)

    def wait_events(self, after: int = 0, timeout: float = 1.0) -> List[Event]:
        """Return the events with numbers greater than `after`, at least one unless none comes in time."""
        return self._publisher.log.wait(after, timeout)

    def pick(self, x: float, y: float) -> Candidate:
        """Pick the face at a point of the view, to be enrolled; raises KFaceError where there is none."""
        result = self._newest()
        scale = scale_to(result.frame.image, self.settings.view)
        with self._networks:
            return self._candidates.at(result, x / scale, y / scale)

    def pick_track(self, track: int) -> Candidate:
        """Pick the face of a track, to be enrolled; raises KFaceError where it is not in the picture."""
        result = self._newest()
        with self._networks:
            return self._candidates.of_track(result, track)

    def enrol(self, candidate: str, name: str, force: bool = False) -> Enrolled:
        """Enrol a face that was picked.

        Args:
            candidate: The :attr:`Candidate.id`.
            name: Of the person, who may be enrolled already.
            force: Enrol it even where it is not good enough.

        Raises:
            KFaceError: The candidate is not kept any more, or not good enough, or the name is none.
        """
        face = self._candidates.get(candidate)
        with self._watch.own_change():
            made = self._enrolment.enrol_face(name, face.crop, face.refusals, force)
        self._candidates.drop(candidate)
        self._publisher.log.add(ENROLLED, track=face.track, person=made.name, reason=made.warning or "")
        return made

    def enrol_image(self, image: Union[np.ndarray, PathLike], name: str, force: bool = False) -> Enrolled:
        """Enrol the one face of an image; see :meth:`kface.gallery.Enrolment.enrol_image`.

        Args:
            image: uint8 (h, w, 3) RGB, or the path of an image file.
            name: Of the person, who may be enrolled already.
            force: Enrol it even where it is not good enough.

        Raises:
            KFaceError: It cannot be read or enrolled; with all the reasons.
        """
        with self._watch.own_change():
            made = self._enrolment.enrol_image(name, image, force)
        self._publisher.log.add(ENROLLED, person=made.name, reason=made.warning or "")
        return made

    def people(self) -> List[Person]:
        """Return who is enrolled, by name."""
        return self._gallery.list()

    def rename(self, person: str, name: str) -> None:
        """Give a person another name; raises GalleryError where that cannot be."""
        with self._watch.own_change():
            self._gallery.rename(person, name)
        self._publisher.log.add(GALLERY, person=clean_name(name), reason="renamed from {}".format(person))

    def delete(self, person: str) -> None:
        """Forget a person; raises GalleryError for nobody."""
        with self._watch.own_change():
            self._gallery.delete(person)
        self._publisher.log.add(GALLERY, person=person, reason="deleted")

    @property
    def decision(self) -> Decision:
        """The thresholds."""
        return self._decision

    @property
    def threshold(self) -> float:
        """The cosine from which on a face is recognised (Table 7 of the paper has the distance in its place)."""
        return self._decision.recognised

    def set_threshold(self, recognised: float, unknown: Optional[float] = None) -> None:
        """Judge by another threshold from the next frame on; it lasts as long as the session.

        Args:
            recognised: From this cosine on it is the person.
            unknown: Below this cosine it is nobody; as before where None, but at most `recognised`.

        Raises:
            ConfigError: It is no cosine, or `unknown` is above `recognised`.
        """
        Decision(recognised, recognised if unknown is None else unknown).check()
        lower = min(self._decision.unknown, recognised) if unknown is None else unknown
        decision = Decision(recognised, lower, bound(self._thresholds, recognised))
        self._pipeline.set_decision(decision)
        self._decision = decision
        self._enrolment.recognised = decision.recognised

    # ---- called from the runner's threads

    def process(self, frame: Frame) -> Result:
        """Recognise the people in the next frame; the runner calls this."""
        self._watch.look()
        with self._networks:
            return self._pipeline.process(frame)

    def _take(self, result: Result) -> None:
        self._publisher.publish(result, self._decision.fmr, self._complete)

    def _fail(self, error: BaseException) -> None:
        """End because of a mistake in an output."""
        self._runner.fail(error)

    def _stream_changed(self, change: Change) -> None:
        self._publisher.log.add(STREAM, reason=": ".join(part for part in (change.state.value, change.reason) if part))
        self._publisher.viewer.changed()

    def _state(self) -> Tuple[str, str]:
        state = getattr(self._source, "state", None)
        if isinstance(state, State):
            return state.value, self._source.reason
        if self._closed:
            return State.CLOSED.value, ""
        if not self._started:
            return State.CONNECTING.value, ""
        return (State.LIVE if self._runner.running else State.ENDED).value, ""

    def _newest(self) -> Result:
        result = self._publisher.viewer.newest()
        if result is None:
            raise KFaceError("there is no live picture", "the stream", "wait until it is live")
        return result

    def _close(self) -> None:
        # A file in whose decoder a thread still waits is that thread's to release.
        if hasattr(self._source, "close") and (hasattr(self._source, "state") or not self._runner.running):
            self._source.close()
        self._watch.report_damage()
        more = [] if self.shortfall is None else ["ended: {}: {}".format(self._name, self.shortfall)]
        self._publisher.close(more, self._complete)


def _frames_of(source: Any) -> "Iterator[Any]":
    try:
        yield from source
    finally:
        if hasattr(source, "close"):
            source.close()
