"""Streams, a recogniser and a gallery at work together: what every front end shows and commands, and none decides."""

import os
from typing import List, Optional, Tuple, Union

import numpy as np

from deploy.events import Event
from deploy.face_settings import FaceSettings
from deploy.outputs.base import Output
from deploy.publishing import Publisher
from deploy.recognition import Recognition
from deploy.recording import Recorder
from deploy.registration import FaceCandidate
from deploy.settings import DeploySettings
from deploy.sightings import Sighting
from deploy.status import Status
from deploy.view import LivePicture
from deploy.watching import SessionParts, SourceMaker, Watching
from kface.bundle import Thresholds
from kface.errors import KFaceError
from kface.gallery import EnrolledFace, Gallery, Person
from kface.recognizer import FaceRecognizer, OperatingPoint, PipelineSettings, Result
from kface.streams import Shortfall, VideoSource

PathLike = Union[str, "os.PathLike[str]"]


class Session(object):
    """Recognises people in a stream until it ends or is stopped. Methods may be called from any thread.

    Args:
        settings: All settings.
        recognizer: Finds and embeds faces; the session's alone.
        gallery: Who is enrolled; opened for the recogniser's model.
        make_source: Makes what gives the frames.
        source: What the stream is called, without credentials.
        drop: Whether frames give way to newer ones.
        model: The bundle's name.
        thresholds: The bundle's table, for the FMR that a threshold stands for.

    Attributes:
        settings: As given, with what was changed since.
        face_settings: The paper's Table 7: people and templates, what a threshold means, detector, tracks and models.

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
        self._recognition = Recognition(settings, gallery, recognizer, model, thresholds)
        self._publisher = Publisher(settings.view, self._state, self._fail)
        parts = SessionParts(self._recognition, self._publisher)
        self._registrar = parts.registrar
        self._recorder = Recorder(self._publisher, self._newest)
        self._watching = Watching(parts, make_source, source, not drop)
        self.face_settings = FaceSettings(parts, self._watching)

    def add_output(self, output: Output) -> None:
        """Give every result from now on and its events to an output, which is closed at the end.

        A slow output of a live stream misses results, which are counted and reported; a file without loss waits for it.
        """
        self._publisher.subscribe(output)

    def start(self) -> "Session":
        """Begin; returns itself."""
        self._watching.start()
        return self

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Wait for the stream's end; returns whether it has come.

        Raises:
            KFaceError: The stream, the networks or the gallery failed.
        """
        return self._watching.wait(timeout)

    def stop(self) -> None:
        """End now, and close everything but the gallery and the recogniser. May be called twice, from any thread."""
        self.face_settings.close()
        # First of all, as another stream may be waiting for an output to take this one's place.
        self._publisher.release()
        self._watching.stop()

    def __enter__(self) -> "Session":
        return self.start()

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            self.stop()
        except Exception:
            # What the caller failed with counts more than what the end has to say.
            if kind is None:
                raise

    @property
    def stream(self) -> VideoSource:
        """What gives the frames."""
        return self._watching.line.source

    @property
    def recognizer(self) -> FaceRecognizer:
        """What finds and embeds faces; to be left alone but for closing it after the end."""
        return self._recognition.recognizer

    @property
    def gallery(self) -> Gallery:
        """Who is enrolled; to be left alone but for closing it after the end."""
        return self._recognition.gallery

    @property
    def shortfall(self) -> Optional[Shortfall]:
        """What a video file should have held and did not, at its end, or None."""
        return self._watching.line.source.shortfall

    @property
    def failures(self) -> List[KFaceError]:
        """What outputs ended with; they were closed, the others go on."""
        return self._publisher.failures

    @property
    def running(self) -> bool:
        """Whether frames are still being processed."""
        return self._watching.line.runner.running

    @property
    def status(self) -> Status:
        """How the session is doing."""
        state, reason = self._state()
        fps, p50, p95 = self._publisher.meter.read()
        line = self._watching.line
        counts = self._watching.counts()
        newest = self._publisher.viewer.newest()
        return Status(
            source=line.name,
            stream=state,
            reason=reason,
            fps=fps,
            latency_p50_ms=p50,
            latency_p95_ms=p95,
            losses=line.source.losses,
            faces=0 if newest is None else newest.faces.count,
            people=self.gallery.size,
            captured=counts.captured,
            skipped=counts.skipped,
            processed=counts.processed,
            started=self._watching.started,
            model=self._recognition.model,
            runtime=self._recognition.recognizer.embedder.runtime,
            damaged=len(self.gallery.damage),
            dropped=self._publisher.dropped,
            brightened=self._publisher.meter.brightened,
        )

    def wait_view(self, after: int = 0, timeout: float = 1.0) -> Optional[LivePicture]:
        """Return the newest annotated picture with a number greater than `after`; None where none comes in time.

        A picture that was captured more than a second ago is never returned: a grey one says why there is no live picture.
        """
        return self._publisher.viewer.wait(after, timeout)

    def wait_events(self, after: int = 0, timeout: float = 1.0) -> List[Event]:
        """Return the events with numbers greater than `after`, at least one unless none comes in time."""
        return self._publisher.log.wait(after, timeout)

    @property
    def view(self) -> Tuple[int, int]:
        """Width and height that pictures fit into."""
        return self._publisher.viewer.size

    def pick(self, x: float, y: float, size: Optional[Tuple[int, int]] = None) -> FaceCandidate:
        """Pick the face at a point of the view, to be enrolled.

        Args:
            x: In the picture's pixels.
            y: Likewise.
            size: Of the picture that the point is in, :attr:`LivePicture.size`; what the view has now where None.

        Raises:
            KFaceError: No face is there, or there is no live picture.
        """
        result = self._newest()
        height, width = result.frame.image.shape[:2]
        scale = size[0] / float(width) if size else min(self.view[0] / float(width), self.view[1] / float(height), 1.0)
        return self._registrar.pick(result, x / scale, y / scale)

    def pick_track(self, track: int) -> FaceCandidate:
        """Pick the face of a track, to be enrolled; raises KFaceError where it is not in the picture."""
        return self._registrar.pick_track(self._newest(), track)

    def sightings(self) -> Tuple[Sighting, ...]:
        """Return who was recognised or unknown last, the newest first."""
        return self._publisher.sightings.newest_first()

    def pick_sighting(self, sighting: str) -> FaceCandidate:
        """Pick the face of a :class:`Sighting` by its ID, to be enrolled; raises KFaceError where it is gone."""
        return self._registrar.pick_sighting(self._publisher.sightings.get(sighting))

    @property
    def recording(self) -> Optional[str]:
        """The video that is being recorded; None where there is none, or its disk was full (an event says so)."""
        return self._recorder.file

    def start_recording(self, path: str) -> None:
        """Write an annotated video from now on; FILE.mp4 or FILE.avi, replaced where it is there.

        Raises:
            KFaceError: It cannot be written, or another one is being recorded.
        """
        self._recorder.start(path)

    def stop_recording(self) -> Optional[str]:
        """Finish the video, and return its path; None where there is none."""
        return self._recorder.stop()

    def save_picture(self, path: str) -> None:
        """Write the newest annotated frame in its own size as FILE.jpg, which only its owner can read.

        Raises:
            KFaceError: There is no live picture, or it cannot be written.
        """
        self._recorder.save_picture(path)

    def enrol(self, candidate: str, name: str, force: bool = False) -> EnrolledFace:
        """Enrol a face that was picked; see :meth:`kface.gallery.Enrolment.enrol_face`.

        Args:
            candidate: The :attr:`FaceCandidate.id`.
            name: Of the person, who may be enrolled already.
            force: Enrol it even where it is not good enough.

        Raises:
            KFaceError: The candidate is no longer available, or the face is not good enough, or the name is invalid.
        """
        return self._registrar.enrol(candidate, name, force)

    def enrol_image(self, image: Union[np.ndarray, PathLike], name: str, force: bool = False) -> EnrolledFace:
        """Enrol the one face of an image, which is uint8 (h, w, 3) RGB, or a file.

        Raises:
            KFaceError: It cannot be read or enrolled; see :meth:`kface.gallery.Enrolment.enrol_image`.
        """
        return self._registrar.enrol_image(image, name, force)

    def people(self) -> List[Person]:
        """Return who is enrolled, by name."""
        return self.gallery.list()

    def rename(self, name: str, new_name: str) -> None:
        """Rename a person; raises GalleryError where the person does not exist or the new name is taken."""
        before = next((person.name for person in self.people() if name in (person.id, person.name)), name)
        self._publisher.sightings.rename(before, self._registrar.rename(name, new_name))

    def delete(self, name: str) -> None:
        """Delete a person; raises GalleryError where the person does not exist."""
        self._registrar.delete(name)
        self._publisher.sightings.forget(name)

    @property
    def operating_point(self) -> OperatingPoint:
        """The thresholds."""
        return self._recognition.operating_point

    @property
    def threshold(self) -> float:
        """The cosine from which on a face is recognised (Table 7 of the paper has the distance in its place)."""
        return self._recognition.operating_point.recognised

    def set_threshold(self, recognised: float, unknown: Optional[float] = None) -> None:
        """Judge by another threshold from the next frame on; it lasts as long as the session.

        Args:
            recognised: From this cosine on it is the person.
            unknown: Below this cosine it is no one enrolled; unchanged where None, but at most `recognised`.

        Raises:
            ConfigError: It is not a cosine, or `unknown` is above `recognised`.
        """
        self._recognition.set_threshold(recognised, unknown)

    def change_stream(self, make_source: SourceMaker, name: str, drop: bool = True) -> None:
        """Watch another stream from now on. Who is in the picture has left with the old one.

        A stream that cannot be opened at all (no such file, a wrong setting) is refused, and the old one goes on. A camera
        that is off or refuses the password becomes the session's: its state says so, and it is tried again, as at the start.

        Args:
            make_source: Makes what gives the frames.
            name: What the stream is called, without credentials.
            drop: Whether frames give way to newer ones.

        Raises:
            KFaceError: It cannot be opened, or the session has ended.
        """
        self._watching.change_stream(make_source, name, not drop)

    def change_bundle(
        self,
        recognizer: FaceRecognizer,
        model: str = "",
        thresholds: Optional[Thresholds] = None,
        gallery: Optional[Gallery] = None,
    ) -> FaceRecognizer:
        """Recognise with another bundle from the next frame on; all tracks start again.

        The threshold is the new one's, but for the same model in another runtime or precision.

        Args:
            recognizer: The new one; the session's alone.
            model: The new bundle's name.
            thresholds: The new bundle's table.
            gallery: Another gallery, opened for the new model, which takes the old one's place and is the session's from
                then on; None keeps the old one.

        Returns:
            The old recogniser, which the session does not use any more.

        Raises:
            GalleryError: The gallery has templates of another model. Nothing has changed then.
            ConfigError: The bundle has no thresholds, and none are given. Likewise.
            KFaceError: The session has ended.
        """
        return self._watching.change_bundle(recognizer, model, thresholds, gallery)

    def change_view(self, size: Tuple[int, int]) -> None:
        """Show pictures that fit into another width and height, in pixels, from now on."""
        self.settings = self.settings._replace(view=size)
        self._publisher.viewer.resize(size)

    def change_pipeline(self, pipeline: PipelineSettings) -> None:
        """Process frames in another way (tracks, size for the detector) from the next one on; all tracks start again.

        Raises:
            ConfigError: A setting is out of its range. Nothing has changed then.
            KFaceError: The session has ended.
        """
        pipeline.check()
        with self._watching.other_tracks():
            self.settings = self.settings._replace(pipeline=pipeline)
            self._recognition.set_pipeline(pipeline)

    # ---- for its parts

    def _state(self) -> Tuple[str, str]:
        return self._watching.state()

    def _fail(self, error: BaseException) -> None:
        self._watching.fail(error)

    def _newest(self) -> Result:
        result = self._publisher.viewer.newest()
        if result is None:
            raise KFaceError("no live picture", "the stream", "wait for the stream")
        return result
