"""A session without cameras and networks, for tests of what shows and commands one: it has deploy.session.Session's methods."""

import threading
import time

import cv2
import numpy as np

from deploy.events import Event
from deploy.registration import FaceCandidate
from deploy.status import Status
from deploy.view import LivePicture, ViewFace
from kface.errors import KFaceError
from kface.gallery import EnrolledFace, Person
from kface.gallery.values import clean_name

TOKEN = "a-token-for-tests-only"
BEARER = {"Authorization": "Bearer " + TOKEN}


class FakeSession:
    """Two faces that wander: track 1 is good enough to enrol, track 2 is too small.

    Attributes:
        calls: What was commanded, as tuples.
        broken: An exception that the next command raises.
    """

    def __init__(self, size=(640, 360), backdrop=None):
        self.size = size
        self.backdrop = backdrop
        self.calls = []
        self.broken = None
        self.threshold = 0.4
        self.events = []
        self.names = {"Park": 2}
        self.stream = ("live", "")
        self.stopped = False
        self.drawn = 0
        self._number = 1
        self._news = threading.Condition()
        self._candidates = {}
        self._ticking = True
        self._known = {1: None, 2: None}
        self._thread = threading.Thread(target=self._tick, name="fake-session", daemon=True)
        self._thread.start()

    def _tick(self):
        while self._ticking:
            time.sleep(0.04)
            if self.stream[0] == "live":
                with self._news:
                    self._number += 1
                    self._news.notify_all()

    def stop(self):
        self._ticking = False
        self.stream = ("closed", "")
        with self._news:
            self.stopped = True
            self._number += 1
            self._news.notify_all()
        self._thread.join(5)

    def lose(self, reason="no frame for 3 s"):
        self._turn("lost", reason)

    def return_live(self):
        self._turn("live", "")

    def end(self):
        self._turn("ended", "")

    def _turn(self, stream, reason):
        self.stream = (stream, reason)
        with self._news:
            self._number += 1
            self._news.notify_all()
        self.happen("stream", reason=": ".join(part for part in (stream, reason) if part))

    def happen(self, kind, **fields):
        with self._news:
            event = Event(
                len(self.events) + 1, f"2026-11-24T09:30:{len(self.events) % 60:02}.000+09:00", kind, **fields
            )
            self.events.append(event)
            self._news.notify_all()

    @property
    def status(self):
        live = self.stream[0] == "live"
        people = len(self.names)
        return Status(
            "rtsp://10.0.0.7/live", self.stream[0], self.stream[1], 12.5 if live else 0.0, 81.0 if live else None,
            float("nan") if not live else 120.4, 0 if live else 1, 2 if live else 0, people, 100, 3, 97, 1.0, "toy", "fake",
        )  # fmt: skip

    def faces(self):
        shift = self._number % 40
        made = []
        for track, box, score in (
            (1, (60 + shift, 80, 180 + shift, 230), 0.12),
            (2, (400, 100, 440, 150), np.float32(0.3)),
        ):
            name = self._known[track]
            made.append(
                ViewFace(
                    track, tuple(map(float, box)), "recognised" if name else "unknown", name, 0.93 if name else score
                )
            )
        return tuple(made)

    def wait_view(self, after=0, timeout=1.0):
        with self._news:
            self._news.wait_for(lambda: self._number > after or self.stopped, timeout)
            if self._number <= after:
                return None
            number, live = self._number, self.stream[0] == "live"
            self.drawn += 1
            faces = self.faces() if live else ()
        width, height = self.size
        if not live:
            return LivePicture(number, np.full((height, width, 3), 60, np.uint8), False, (), self.size)
        image = np.full((height, width, 3), 110, np.uint8) if self.backdrop is None else self.backdrop.copy()
        for face in faces:
            x1, y1, x2, y2 = (int(side) for side in face.box)
            cv2.rectangle(image, (x1, y1), (x2, y2), (0, 158, 115), 2)
        cv2.circle(image, (20 + number * 7 % (width - 40), height - 20), 12, (213, 94, 0), -1)
        return LivePicture(number, image, True, faces, self.size)

    def wait_events(self, after=0, timeout=1.0):
        with self._news:
            self._news.wait_for(lambda: len(self.events) > after or self.stopped, timeout)
            return self.events[after:]

    def pick(self, x, y):
        self._called("pick", x, y)
        for face in self.faces():
            x1, y1, x2, y2 = face.box
            if x1 <= x <= x2 and y1 <= y <= y2:
                return self._make(face)
        raise KFaceError("no face at this point", f"({x:.0f}, {y:.0f})", "click a face")

    def pick_track(self, track):
        self._called("pick_track", track)
        for face in self.faces():
            if face.track == track:
                return self._make(face)
        raise KFaceError("is not in view", f"track {track}", "in view: 1, 2")

    def _make(self, face):
        crop = np.full((112, 112, 3), 150, np.uint8)
        cv2.circle(crop, (56, 56), 40, (225, 190, 160), -1)
        refusals = ("size 40 (at least 60 pixels)",) if face.track == 2 else ()
        made = FaceCandidate(f"c{len(self._candidates) + 1}", crop, face.track, face.box, face.name or "", refusals)
        self._candidates[made.id] = made
        return made

    def enrol(self, candidate, name, force=False):
        self._called("enrol", candidate, name, force)
        if candidate not in self._candidates:
            raise KFaceError("is no longer available", candidate, "pick the face again")
        face = self._candidates[candidate]
        if face.refusals and not force:
            raise KFaceError("is not good enough to enrol: " + ", ".join(face.refusals), "the face")
        name = clean_name(name)
        self.names[name] = self.names.get(name, 0) + 1
        self._known[face.track] = name
        self.happen("enrolled", name=name, track=face.track)
        self.happen("recognised", name=name, track=face.track, score=0.93)
        return EnrolledFace(name, 7)

    def people(self):
        return [Person("0" * 32, name, count, 0, "2026-11-24T00:30:00Z") for name, count in sorted(self.names.items())]

    def rename(self, name, new_name):
        self._called("rename", name, new_name)
        if name not in self.names:
            raise KFaceError("no such person", name)
        self.names[clean_name(new_name)] = self.names.pop(name)
        self.happen("gallery", name=new_name, reason="renamed from " + name)

    def delete(self, name):
        self._called("delete", name)
        if name not in self.names:
            raise KFaceError("no such person", name)
        del self.names[name]
        self.happen("gallery", name=name, reason="deleted")

    def set_threshold(self, recognised, unknown=None):
        self._called("set_threshold", recognised)
        if not -1 <= recognised <= 1:
            raise KFaceError(f"must be a cosine, from -1 to 1, not {recognised!r}", "match.recognised")
        self.threshold = recognised

    def _called(self, *call):
        self.calls.append(call)
        if self.broken is not None:
            broken, self.broken = self.broken, None
            raise broken
