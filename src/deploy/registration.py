"""From a face in the live picture to somebody who is enrolled: the paper's flow (Fig. 13), without any window."""

import collections
import itertools
import math
import threading
from typing import NamedTuple, Optional, Tuple

import numpy as np

from kface.errors import KFaceError
from kface.gallery import QualityGate
from kface.recognizer import RECOGNISED, Result

#: Candidates that are kept for a front end to come back to.
KEPT = 16


class Candidate(NamedTuple):
    """A face that was picked to be enrolled.

    Attributes:
        id: Names it to :meth:`deploy.session.Session.enrol`.
        crop: uint8 (112, 112, 3), RGB, the aligned face.
        track: The track's number; None without tracks.
        box: x1 y1 x2 y2 in pixels of the frame.
        name: Who it is where recognised; empty otherwise.
        refusals: Why the face is not good enough, a text each; none where it is.
    """

    id: str
    crop: np.ndarray
    track: Optional[int]
    box: Tuple[float, float, float, float]
    name: str
    refusals: Tuple[str, ...]


class Candidates(object):
    """Picks faces, and keeps the last of them. Safe to share between threads.

    Args:
        gate: Decides whether a face may be enrolled. Its detector is used by :meth:`at` and :meth:`of_track`.
    """

    def __init__(self, gate: QualityGate) -> None:
        self._gate = gate
        self._kept = collections.OrderedDict()  # type: collections.OrderedDict[str, Candidate]
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def at(self, result: Result, x: float, y: float) -> Candidate:
        """Pick the face at a point, in pixels of the frame; raises KFaceError where there is none."""
        if not (math.isfinite(x) and math.isfinite(y)):
            raise KFaceError("is no point of the picture", "({}, {})".format(x, y))
        best = None  # type: Optional[Tuple[float, int]]
        for number, (x1, y1, x2, y2) in enumerate(result.faces.boxes.tolist()):
            # A face moves between the picture that was clicked and the newest one: a quarter of it around counts as well.
            reach_x, reach_y = 0.25 * (x2 - x1), 0.25 * (y2 - y1)
            if x1 - reach_x <= x <= x2 + reach_x and y1 - reach_y <= y <= y2 + reach_y:
                distance = math.hypot((x1 + x2) / 2 - x, (y1 + y2) / 2 - y) / max(x2 - x1, 1e-6)
                if best is None or distance < best[0]:
                    best = distance, number
        if best is None:
            raise KFaceError("there is no face", "({:.0f}, {:.0f})".format(x, y), "click a face")
        return self._make(result, best[1])

    def of_track(self, result: Result, track: int) -> Candidate:
        """Pick the face of a track; raises KFaceError where it is not in the picture."""
        if track not in result.ids:
            seen = sorted(number for number in result.ids if number is not None)
            raise KFaceError(
                "is not in the picture",
                "track {}".format(track),
                "in it are: {}".format(", ".join(map(str, seen)) or "none"),
            )
        return self._make(result, result.ids.index(track))

    def get(self, id: str) -> Candidate:
        """Return a candidate that was picked; raises KFaceError where it is not kept any more."""
        with self._lock:
            kept = self._kept.get(id)
        if kept is None:
            raise KFaceError("is not kept any more", "candidate {}".format(ascii(str(id)[:40])), "pick the face again")
        return kept

    def drop(self, id: str) -> None:
        """Forget a candidate."""
        with self._lock:
            self._kept.pop(id, None)

    def _make(self, result: Result, number: int) -> Candidate:
        crop = result.crops([number])[0]
        face = result.faces.take(np.array([number]))
        identity = result.identities[number]
        x1, y1, x2, y2 = result.faces.boxes[number].tolist()
        made = Candidate(
            "c{}".format(next(self._numbers)),
            crop,
            result.ids[number],
            (x1, y1, x2, y2),
            identity.person if identity.state == RECOGNISED else "",
            tuple(str(refusal) for refusal in self._gate.refusals(result.frame.image, face, crop)),
        )
        with self._lock:
            self._kept[made.id] = made
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made
