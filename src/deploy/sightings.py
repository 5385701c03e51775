"""Who was in front of the camera last: a picture of each, good enough to enrol the person from after they have left."""

import itertools
import threading
import time
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

import cv2
import numpy as np

from deploy.events import LEFT, Event
from deploy.outputs.snapshots import BETTER, view_worth
from kface.errors import KFaceError
from kface.faces import Faces
from kface.gallery.quality import Quality, measure
from kface.recognizer import RECOGNISED, UNKNOWN, Result

#: People that are kept.
KEPT = 24
#: Seconds between two looks at whether a track has a better view.
LOOK_EVERY_S = 0.25
#: A face's side in the picture that is kept of it, in pixels at most, and how much around it, in parts of the side.
SIDE, AROUND = 160, 1.0


class Sighting(NamedTuple):
    """A person who was recognised, or unknown.

    Attributes:
        id: Names it to :meth:`deploy.session.Session.pick_sighting`.
        number: Grows with each change of any sighting.
        time: When, as :attr:`deploy.events.Event.time`.
        kind: "recognised" or "unknown".
        name: Who; None for an unknown person.
        score: See :class:`deploy.events.Event`.
        track: The track's number; None without tracks.
        crop: uint8 (112, 112, 3), RGB, the aligned face.
        picture: uint8 (h, w, 3), RGB, the face and what was around it.
        face: The face in it, as :class:`kface.faces.Faces` of one.
        quality: How the face was seen in its frame.
        box: x1 y1 x2 y2 in pixels of the frame.
    """

    id: str
    number: int
    time: str
    kind: str
    name: Optional[str]
    score: Optional[float]
    track: Optional[int]
    crop: np.ndarray
    picture: np.ndarray
    face: Faces
    quality: Quality
    box: Tuple[float, float, float, float]


class _Followed(NamedTuple):
    id: str
    worth: float
    looked: float


class Sightings(object):
    """Keeps the last people, each once: a known one by the name, an unknown one by the track. Safe to share between threads.

    Args:
        kept: How many.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._all: List[Sighting] = []
        self._followed: Dict[int, _Followed] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def newest_first(self) -> Tuple[Sighting, ...]:
        """Return them, the newest first."""
        with self._lock:
            return tuple(reversed(self._all))

    def get(self, id: str) -> Sighting:
        """Return one; raises KFaceError where it is no longer available."""
        with self._lock:
            for one in self._all:
                if one.id == id:
                    return one
        raise KFaceError("is no longer available", "sighting {}".format(ascii(str(id)[:40])), "choose another")

    def of_track(self, track: int) -> Optional[Sighting]:
        """Return that of a track which was decided; None where there is none."""
        with self._lock:
            followed = self._followed.get(track)
            return next((one for one in self._all if followed is not None and one.id == followed.id), None)

    def forget_tracks(self) -> None:
        """Take no better views of those who are there: tracks are numbered from the beginning again."""
        with self._lock:
            self._followed.clear()

    def forget(self, name: str) -> None:
        """Forget a person, such as one who was deleted."""
        with self._lock:
            self._all = [one for one in self._all if one.name != name]

    def rename(self, name: str, new_name: str) -> None:
        """Call a person by another name; where that person is here as well, the newer one of the two stays."""
        with self._lock:
            renamed = [
                one._replace(name=new_name, number=next(self._numbers)) if one.name == name else one
                for one in self._all
            ]
            newest = next((one.id for one in reversed(renamed) if one.name == new_name), None)
            self._all = [one for one in renamed if one.name != new_name or one.id == newest]

    def take(self, result: Result, events: Sequence[Event]) -> None:
        """Take a result with its events; from one thread."""
        for event in events:
            if event.kind in (RECOGNISED, UNKNOWN) and event.box is not None:
                self._begin(result, event)
            elif event.kind == LEFT and event.track is not None:
                with self._lock:
                    self._followed.pop(event.track, None)
        now = time.monotonic()
        for track, followed in list(self._followed.items()):
            if now - followed.looked >= LOOK_EVERY_S and track in result.ids:
                self._look(result, track, followed, now)

    def _begin(self, result: Result, event: Event) -> None:
        number = self._place_of(result, event)
        if number is None:
            return
        before = None if event.track is None else self._followed.get(event.track)
        id = "s{}".format(next(self._numbers)) if before is None else before.id
        made = self._make(id, result, number)._replace(
            time=event.time, kind=event.kind, name=event.name, score=event.score, track=event.track
        )
        with self._lock:
            self._all = [
                one
                for one in self._all
                if one.id != id and (event.kind != RECOGNISED or one.name != event.name or one.kind != RECOGNISED)
            ] + [made]
            del self._all[: -self._kept]
            if event.track is not None:
                self._followed[event.track] = _Followed(id, view_worth(result, number), time.monotonic())

    def _look(self, result: Result, track: int, followed: _Followed, now: float) -> None:
        number = result.ids.index(track)
        identity = result.identities[number]
        worth = view_worth(result, number)
        with self._lock:
            place = next((place for place, one in enumerate(self._all) if one.id == followed.id), None)
            if place is None:
                del self._followed[track]
                return
            self._followed[track] = followed._replace(looked=now)
            before = self._all[place]
            # A track in doubt may show another person, whose picture must not bear this name.
            if (identity.state, identity.name if identity.state == RECOGNISED else None) != (before.kind, before.name):
                return
            if worth > BETTER * followed.worth:
                self._followed[track] = _Followed(followed.id, worth, now)
                self._all[place] = self._make(followed.id, result, number)._replace(
                    time=before.time, kind=before.kind, name=before.name, score=before.score, track=track
                )

    @staticmethod
    def _place_of(result: Result, event: Event) -> Optional[int]:
        if event.track is not None:
            return result.ids.index(event.track) if event.track in result.ids else None
        near = [float(np.abs(box - np.array(event.box)).max()) for box in result.faces.boxes]
        return int(np.argmin(near)) if near and min(near) < 1 else None

    def _make(self, id: str, result: Result, number: int) -> Sighting:
        crop = result.crops([number])[0]
        box, landmarks = result.faces.boxes[number], result.faces.landmarks[number]
        rgb = result.frame.image
        picture, left, top, scale = _cut(rgb, box)
        origin = np.array([left, top], np.float32)
        face = Faces(
            (box[None].reshape(1, 2, 2) - origin).reshape(1, 4) * scale,
            result.faces.scores[number : number + 1].copy(),
            (landmarks[None] - origin) * scale,
        )
        x1, y1, x2, y2 = box.tolist()
        quality = measure(box, landmarks, crop, rgb.shape)
        return Sighting(
            id, next(self._numbers), "", "", None, None, None, crop, picture, face, quality, (x1, y1, x2, y2)
        )


def _cut(rgb: np.ndarray, box: np.ndarray) -> Tuple[np.ndarray, int, int, float]:
    """Return a face with what is around it, reduced; its left and top in the frame's pixels, and the factor."""
    height, width = rgb.shape[:2]
    side = max(float(max(box[2] - box[0], box[3] - box[1])), 1.0)
    left, top = int(max(box[0] - AROUND * side, 0)), int(max(box[1] - AROUND * side, 0))
    right, bottom = int(min(box[2] + AROUND * side, width)), int(min(box[3] + AROUND * side, height))
    part = rgb[min(top, height - 1) : max(bottom, top + 1), min(left, width - 1) : max(right, left + 1)]
    scale = min(SIDE / side, 1.0)
    if scale == 1:
        return part.copy(), left, top, 1.0
    size = max(int(round(part.shape[1] * scale)), 1), max(int(round(part.shape[0] * scale)), 1)
    return cv2.resize(part, size, interpolation=cv2.INTER_AREA), left, top, scale
