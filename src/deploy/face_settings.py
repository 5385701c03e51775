"""What a running session offers about faces: the paper's Table 7, for every front end and without any window."""

import threading
from typing import Callable, List, Optional, Sequence, Tuple

import numpy as np

from deploy.events import ENROLLED, GALLERY
from deploy.score_history import SeenScore
from deploy.undo import Deletion, Deletions
from deploy.watching import SessionParts, Watching
from kface.bundle import Thresholds
from kface.errors import KFaceError
from kface.gallery import (
    EnrolledFace,
    FileResult,
    FoundFace,
    Gallery,
    ModelSwitch,
    Reenrolled,
    Review,
    Template,
    check_gallery,
    enrol_file,
    enrol_files,
)
from kface.gallery.several import PathLike
from kface.recognizer import FaceRecognizer, TrackSettings
from kface.recognizer.threshold_meaning import ThresholdMeaning, curve_range, threshold_meaning


class FaceSettings(object):
    """People, thresholds, detector and tracks of a session, to be looked at and changed. Safe to share between threads.

    Args:
        parts: Of the session.
        watching: Runs it.
    """

    def __init__(self, parts: SessionParts, watching: Watching) -> None:
        self._parts = parts
        self._watching = watching
        self._deletions = Deletions()
        self._ended = threading.Event()

    def close(self) -> None:
        """Cancel what is being done, and forget deletions; for the session's end."""
        self._ended.set()
        self._deletions.close()

    # ---- people

    @property
    def gallery_file(self) -> str:
        """The gallery's file."""
        return self._gallery.path

    def templates(self, name: str) -> List[Template]:
        """Return a person's templates; raises GalleryError where there is no such person."""
        return self._gallery.templates(name)

    def crop(self, template: int) -> Optional[np.ndarray]:
        """Return a template's kept crop, uint8 (112, 112, 3) RGB, or None; see :meth:`kface.gallery.Gallery.crop`."""
        return self._gallery.crop(template)

    def add_files(
        self,
        name: str,
        files: Sequence[PathLike],
        progress: Optional[Callable[[int, FileResult], None]] = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> List[FileResult]:
        """Enrol a person from image files, and return what became of each; see :func:`kface.gallery.enrol_files`.

        Raises:
            GalleryError: The name is invalid, or the gallery cannot be used.
        """
        registrar = self._parts.registrar
        known = registrar.enrolment.known_name(name)

        def enrol(file: str) -> FileResult:
            with self._parts.watch.own_change():
                # Another bundle may have taken the first one's place between two files.
                result = enrol_file(registrar.enrolment, known, file)
            if result.made is not None:
                self._report_enrolled(result.made)
            return result

        return enrol_files(enrol, files, progress, lambda: cancelled() or self._ended.is_set())

    def add_found(self, name: str, face: FoundFace, force: bool = False) -> EnrolledFace:
        """Enrol the face that was picked of a file with several; see :meth:`kface.gallery.Enrolment.enrol_found`.

        Raises:
            KFaceError: It is not good enough, or the name is invalid.
        """
        with self._parts.watch.own_change():
            made = self._parts.registrar.enrolment.enrol_found(name, face, force)
        self._report_enrolled(made)
        return made

    def merge(self, into: str, other: str) -> int:
        """Give one person another's templates, and forget the other; returns how many moved.

        Raises:
            GalleryError: One of them does not exist, or the two are one.
        """
        stays, goes = self._name_of(into), self._name_of(other)
        with self._parts.watch.own_change():
            moved = self._gallery.merge(into, other)
        self._parts.publisher.sightings.rename(goes, stays)
        self._log(stays, "merged with {}".format(goes))
        return moved

    def delete(self, name: str, template: Optional[int] = None) -> Deletion:
        """Delete a person, or one template, so that :meth:`undo` can take it back for a while.

        Raises:
            GalleryError: There is no such person or template.
        """
        with self._parts.watch.own_change():
            made = self._deletions.put(self._gallery.take_out(name, template))
        if made.complete:
            self._parts.publisher.sightings.forget(made.name)
        self._log(made.name, "deleted" if template is None else "template {} deleted".format(template))
        return made

    def undo(self, deletion: str) -> int:
        """Undo a deletion, by its ID, and return how many templates are back.

        Raises:
            KFaceError: It was too long ago, or what has changed since forbids it.
        """
        removed = self._deletions.get(deletion)
        with self._parts.watch.own_change():
            count = self._gallery.restore(removed)
        self._deletions.drop(deletion)
        self._log(removed.name, "deletion undone")
        return count

    def review(
        self, progress: Optional[Callable[[float], None]] = None, cancelled: Callable[[], bool] = lambda: False
    ) -> Review:
        """Look for mix-ups, poor single templates and pictures enrolled twice; see :func:`kface.gallery.check_gallery`."""
        return check_gallery(
            self._gallery,
            self._parts.recognition.operating_point.recognised,
            self._parts.registrar.enrolment.gate.limits,
            progress,
            lambda: cancelled() or self._ended.is_set(),
        )

    # ---- threshold

    @property
    def thresholds(self) -> Optional[Thresholds]:
        """The bundle's table."""
        return self._parts.recognition.thresholds

    def meaning(self, threshold: Optional[float] = None) -> ThresholdMeaning:
        """Return what a threshold (that in force where None) means for the number of people enrolled."""
        value = self._parts.recognition.operating_point.recognised if threshold is None else threshold
        return threshold_meaning(self.thresholds, value, self._gallery.size)

    @property
    def curve(self) -> Optional[Tuple[float, float]]:
        """The lowest and the highest threshold that were measured; None where there are none."""
        return curve_range(self.thresholds)

    def scores(self) -> List[SeenScore]:
        """Return the scores of those who were seen lately, the oldest first."""
        return self._parts.scores.scores()

    def recommended(self) -> float:
        """Return the threshold that the bundle recommends for the number of people enrolled."""
        recognition = self._parts.recognition
        return recognition.recognizer.operating_point_for(self._gallery.size).recognised

    # ---- detector and tracks

    @property
    def min_face(self) -> float:
        """Side of the smallest face that is looked for, in pixels."""
        return self._parts.recognition.recognizer.detector.min_face

    def set_min_face(self, pixels: float) -> None:
        """Look for other smallest faces from the next frame on; all tracks start again.

        Raises:
            ConfigError: It is out of its range.
        """
        with self._watching.other_tracks():
            recognition = self._parts.recognition
            recognition.recognizer = recognition.recognizer.with_min_face(pixels)
            self._parts.registrar.use(recognition.enrolment())

    @property
    def tracks(self) -> Optional[TrackSettings]:
        """How faces are followed, None where each frame is decided by itself (``Session.change_pipeline`` changes it)."""
        return self._parts.recognition.tracks

    # ---- model

    def reenrol(
        self,
        recognizer: FaceRecognizer,
        model: str,
        thresholds: Optional[Thresholds],
        discard: bool = False,
        progress: Optional[Callable[[int], None]] = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Tuple[FaceRecognizer, Reenrolled]:
        """Go over to another model: all templates are computed again from their kept crops, and the session recognises with it.

        Until all of them are there the session goes on with the old one.

        Args:
            recognizer: The new one; the session's alone from then on.
            model: The new bundle's name.
            thresholds: Its table.
            discard: Whether templates without a kept crop are removed.
            progress: Gets the number of templates that are computed.
            cancelled: Whether to stop; nothing has changed then.

        Returns:
            The old recogniser, which the session does not use any more, and what was done.

        Raises:
            KFaceError: It was cancelled, the bundle has no thresholds, or there are templates without a crop and not to be
                removed. Nothing has changed then.
        """
        parts = self._parts
        before: List[FaceRecognizer] = []
        made = [0]

        def embed(crops: np.ndarray) -> np.ndarray:
            if cancelled() or self._ended.is_set():
                raise KFaceError("cancelled; nothing has changed", "the new model")
            out = recognizer.embedder.run(crops)
            if out.failed.any():
                raise KFaceError("has no embedding for a kept crop", model or "the new model", "use another bundle")
            made[0] += len(crops)
            if progress is not None:
                progress(made[0])
            return out.vectors

        def committed() -> None:
            before.append(self._watching.put_bundle(recognizer, model, thresholds))

        with self._watching.exchange(), parts.watch.own_change():
            recognizer.operating_point_for(self._gallery.size)
            switch = ModelSwitch(recognizer.fingerprint, self._watching.between_frames, committed)
            done = self._gallery.reenrol_in_use(switch, embed, discard)
        parts.publisher.log.add(GALLERY, reason="recognised by {}".format(model))
        return before[0], done

    # ----

    @property
    def _gallery(self) -> Gallery:
        return self._parts.recognition.gallery

    def _name_of(self, person: str) -> str:
        """Return the name of who is given by name or ID; what is given where there is none."""
        return next((one.name for one in self._gallery.list() if person in (one.id, one.name)), person)

    def _report_enrolled(self, made: EnrolledFace) -> None:
        self._parts.publisher.log.add(ENROLLED, name=made.name, reason=made.warning or "")

    def _log(self, name: str, reason: str) -> None:
        self._parts.publisher.log.add(GALLERY, name=name, reason=reason)
