"""From a face in the live picture to an enrolled person: the paper's flow (Fig. 13), without any window."""

import collections
import itertools
import math
import os
import threading
from typing import NamedTuple, Optional, Tuple, Union

import numpy as np

from deploy.events import ENROLLED, GALLERY, EventLog
from deploy.gallery_watch import GalleryWatch
from deploy.sightings import Sighting
from kface.errors import KFaceError
from kface.gallery import EnrolledFace, Enrolment, Limits, QualityGate
from kface.gallery.quality import Quality, refusals
from kface.gallery.values import clean_name
from kface.recognizer import RECOGNISED, Result

PathLike = Union[str, "os.PathLike[str]"]

#: Candidates that are kept for a front end to come back to.
KEPT = 16


class QualityMeasure(NamedTuple):
    """One measure of a face, and what would be good enough.

    Attributes:
        what: A field of :class:`kface.gallery.quality.Quality`: "size", "sharpness", "yaw", "pitch", "roll" or "outside".
        value: What was found, in that field's unit.
        least: What it has to be at least; None where there is no such bound.
        largest: What it may be at most; likewise.
    """

    what: str
    value: float
    least: Optional[float]
    largest: Optional[float]

    @property
    def short(self) -> float:
        """By how much it is not good enough, below zero where it is below the least; 0 where it is good."""
        if self.least is not None and not self.value >= self.least:
            return self.value - self.least
        if self.largest is not None and not self.value <= self.largest:
            return self.value - self.largest
        return 0.0


def measures_of(quality: Quality, limits: Limits) -> Tuple[QualityMeasure, ...]:
    """Return a face's measures, each with what would be good enough."""
    return (
        QualityMeasure("size", quality.size, limits.size, None),
        QualityMeasure("sharpness", quality.sharpness, limits.sharpness, None),
        QualityMeasure("yaw", quality.yaw, -limits.yaw, limits.yaw),
        QualityMeasure("pitch", quality.pitch, float(limits.pitch[0]), float(limits.pitch[1])),
        QualityMeasure("roll", quality.roll, -limits.roll, limits.roll),
        QualityMeasure("outside", quality.outside, None, limits.outside),
    )


class FaceCandidate(NamedTuple):
    """A face that was picked to be enrolled.

    Attributes:
        id: Names it to :meth:`deploy.session.Session.enrol`.
        crop: uint8 (112, 112, 3), RGB, the aligned face.
        track: The track's number; None without tracks.
        box: x1 y1 x2 y2 in pixels of the frame.
        name: Who it is where recognised; empty otherwise.
        refusals: Why the face is not good enough, a text each; none where it is.
        measures: All its measures, good or not.
    """

    id: str
    crop: np.ndarray
    track: Optional[int]
    box: Tuple[float, float, float, float]
    name: str
    refusals: Tuple[str, ...]
    measures: Tuple[QualityMeasure, ...] = ()


class FaceCandidates(object):
    """Picks faces, and keeps the last of them. Safe to share between threads.

    Args:
        gate: Decides whether a face may be enrolled. Its detector is used by :meth:`at` and :meth:`of_track`.

    Attributes:
        gate: As given; may be changed.
    """

    def __init__(self, gate: QualityGate) -> None:
        self.gate = gate
        self._kept = collections.OrderedDict()  # type: collections.OrderedDict[str, FaceCandidate]
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def at(self, result: Result, x: float, y: float) -> FaceCandidate:
        """Pick the face at a point, in pixels of the frame; raises KFaceError where there is none."""
        if not (math.isfinite(x) and math.isfinite(y)):
            raise KFaceError("is outside the picture", "({}, {})".format(x, y))
        best = None  # type: Optional[Tuple[float, int]]
        for number, (x1, y1, x2, y2) in enumerate(result.faces.boxes.tolist()):
            # A face moves between the picture that was clicked and the newest one: a quarter of it around counts as well.
            reach_x, reach_y = 0.25 * (x2 - x1), 0.25 * (y2 - y1)
            if x1 - reach_x <= x <= x2 + reach_x and y1 - reach_y <= y <= y2 + reach_y:
                distance = math.hypot((x1 + x2) / 2 - x, (y1 + y2) / 2 - y) / max(x2 - x1, 1e-6)
                if best is None or distance < best[0]:
                    best = distance, number
        if best is None:
            raise KFaceError("no face at this point", "({:.0f}, {:.0f})".format(x, y), "click a face")
        return self._make(result, best[1])

    def of_track(self, result: Result, track: int) -> FaceCandidate:
        """Pick the face of a track; raises KFaceError where it is not in the picture."""
        if track not in result.ids:
            seen = sorted(number for number in result.ids if number is not None)
            raise KFaceError(
                "is not in view",
                "track {}".format(track),
                "in view: {}".format(", ".join(map(str, seen)) or "none"),
            )
        return self._make(result, result.ids.index(track))

    def get(self, id: str) -> FaceCandidate:
        """Return a candidate that was picked; raises KFaceError where it is no longer available."""
        with self._lock:
            kept = self._kept.get(id)
        if kept is None:
            raise KFaceError(
                "is no longer available", "candidate {}".format(ascii(str(id)[:40])), "pick the face again"
            )
        return kept

    def drop(self, id: str) -> None:
        """Forget a candidate."""
        with self._lock:
            self._kept.pop(id, None)

    def of_sighting(self, sighting: Sighting) -> FaceCandidate:
        """Pick the face of a person who was there before."""
        quality = self.gate.quality(sighting.picture, sighting.face, sighting.crop)
        # The picture is reduced, and a part of the frame; whether the face stands on its head it shows all the same.
        quality = sighting.quality._replace(roll=quality.roll)
        name = sighting.name or ""
        return self._keep(sighting.crop, sighting.track, sighting.box, name, quality)

    def _make(self, result: Result, number: int) -> FaceCandidate:
        crop = result.crops([number])[0]
        face = result.faces.take(np.array([number]))
        identity = result.identities[number]
        x1, y1, x2, y2 = result.faces.boxes[number].tolist()
        name = (identity.name or "") if identity.state == RECOGNISED else ""
        quality = self.gate.quality(result.frame.image, face, crop)
        return self._keep(crop, result.ids[number], (x1, y1, x2, y2), name, quality)

    def _keep(
        self,
        crop: np.ndarray,
        track: Optional[int],
        box: Tuple[float, float, float, float],
        name: str,
        quality: Quality,
    ) -> FaceCandidate:
        limits = self.gate.limits
        refused = tuple(str(refusal) for refusal in refusals(1, quality, limits))
        id = "c{}".format(next(self._numbers))
        made = FaceCandidate(id, crop, track, box, name, refused, measures_of(quality, limits))
        with self._lock:
            self._kept[made.id] = made
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made


class Registrar(object):
    """Picks, enrols, renames and deletes people while a stream goes on, and says so. Safe to share between threads.

    Args:
        watch: Looks after the gallery.
        log: Gets an event for what was done.
        enrolment: Enrols; its networks are used by the stream as well.

    Attributes:
        enrolment: As given, see :meth:`use`.
    """

    def __init__(self, watch: GalleryWatch, log: EventLog, enrolment: Enrolment) -> None:
        self.enrolment = enrolment
        self._watch = watch
        self._log = log
        self._candidates = FaceCandidates(enrolment.gate)

    def use(self, enrolment: Enrolment) -> None:
        """Enrol with another recogniser from now on; faces that were picked before can still be enrolled."""
        self.enrolment = enrolment
        self._candidates.gate = enrolment.gate

    def pick(self, result: Result, x: float, y: float) -> FaceCandidate:
        """See :meth:`FaceCandidates.at`."""
        with self.enrolment.networks:
            return self._candidates.at(result, x, y)

    def pick_track(self, result: Result, track: int) -> FaceCandidate:
        """See :meth:`FaceCandidates.of_track`."""
        with self.enrolment.networks:
            return self._candidates.of_track(result, track)

    def pick_sighting(self, sighting: Sighting) -> FaceCandidate:
        """See :meth:`FaceCandidates.of_sighting`."""
        with self.enrolment.networks:
            return self._candidates.of_sighting(sighting)

    def enrol(self, candidate: str, name: str, force: bool) -> EnrolledFace:
        """See :meth:`deploy.session.Session.enrol`."""
        face = self._candidates.get(candidate)
        with self._watch.own_change():
            made = self.enrolment.enrol_face(name, face.crop, face.refusals, force)
        self._candidates.drop(candidate)
        self._log.add(ENROLLED, track=face.track, name=made.name, reason=made.warning or "")
        return made

    def enrol_image(self, image: Union[np.ndarray, PathLike], name: str, force: bool) -> EnrolledFace:
        """See :meth:`deploy.session.Session.enrol_image`."""
        with self._watch.own_change():
            made = self.enrolment.enrol_image(name, image, force)
        self._log.add(ENROLLED, name=made.name, reason=made.warning or "")
        return made

    def rename(self, name: str, new_name: str) -> str:
        """Rename a person, and return the new name as the gallery has it.

        Raises:
            GalleryError: The person does not exist, or the new name is taken.
        """
        with self._watch.own_change():
            self.enrolment.gallery.rename(name, new_name)
        self._log.add(GALLERY, name=clean_name(new_name), reason="renamed from {}".format(name))
        return clean_name(new_name)

    def delete(self, name: str) -> None:
        """Delete a person; raises GalleryError where the person does not exist."""
        with self._watch.own_change():
            self.enrolment.gallery.delete(name)
        self._log.add(GALLERY, name=name, reason="deleted")
