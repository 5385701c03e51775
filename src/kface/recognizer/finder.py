"""Finds the faces of a stream's next frame: follows those of the frame before, or runs the cascade, or both.

It owns the detector, the reduced size that the detector sees, and the second look at brightened copies.
"""

import time
from typing import NamedTuple, Optional, Tuple

import numpy as np

from kface.faces import Faces
from kface.mtcnn import Detector
from kface.mtcnn.boxes import SAME, covered, overlaps
from kface.mtcnn.brighten import brightened
from kface.mtcnn.refine import beside
from kface.recognizer.reduced import Reduced
from kface.recognizer.second_look import DARK, SecondLook
from kface.recognizer.tracks import Tracker
from kface.recognizer.views import alignable


class FoundFaces(NamedTuple):
    """What was found in a frame.

    Attributes:
        faces: The faces, in the frame's pixels, best score first.
        owners: int64 (n,), the tracker's box that each was found in, or -1; None where only the cascade ran.
        looked: bool (n,), which were looked at and did not just move on.
        copied: bool (n,), which were found on a brightened copy.
        detected: Whether the cascade ran.
        brightened: In which way the copy was brightened that was looked at; None where none was.
        copies: Seconds that copies took.
    """

    faces: Faces
    owners: Optional[np.ndarray]
    looked: np.ndarray
    copied: np.ndarray
    detected: bool
    brightened: Optional[str] = None
    copies: float = 0.0

    @classmethod
    def of(cls, faces: Faces, owners: Optional[np.ndarray], detected: bool = False) -> "FoundFaces":
        """Return faces that were all looked at, in the frame as it is."""
        return cls(faces, owners, np.ones((faces.count,), bool), np.zeros((faces.count,), bool), detected)

    def take(self, which: np.ndarray) -> "FoundFaces":
        """Return what an index array or a boolean mask selects."""
        return self._replace(
            faces=self.faces.take(which),
            owners=None if self.owners is None else self.owners[which],
            looked=self.looked[which],
            copied=self.copied[which],
        )

    def plus(
        self, faces: Faces, owners: Optional[np.ndarray], looked: bool = False, copied: bool = False
    ) -> "FoundFaces":
        """Add faces that were found otherwise; with owners where the others have them."""
        if not faces.count:
            return self
        together = self._replace(
            faces=Faces.join([self.faces, faces]),
            owners=None if self.owners is None or owners is None else np.concatenate([self.owners, owners]),
            looked=np.concatenate([self.looked, np.full((faces.count,), looked)]),
            copied=np.concatenate([self.copied, np.full((faces.count,), copied)]),
        )
        return together.take(np.argsort(-together.faces.scores, kind="mergesort"))


class Finder(object):
    """Finds the faces of one stream, frame by frame. For one thread.

    Args:
        detector: Finds faces. Where it brightens images, frames are looked at again as well, but within a budget of work: by
            itself it would look at every empty frame twice.
        tracker: Whose faces to follow; None finds the faces of each frame afresh.
        size: Width and height in pixels that frames are reduced to for the detector; None leaves them as they are.
    """

    def __init__(
        self, detector: Detector, tracker: Optional[Tracker] = None, size: Optional[Tuple[int, int]] = None
    ) -> None:
        self._detector = detector.plain()
        self._second_look = SecondLook(detector.brighten)
        self._tracker = tracker
        self._size = size
        # The way and the places, in the frame's pixels, of the faces that only a copy has shown.
        self._copied: Optional[Tuple[str, np.ndarray]] = None
        # In which way copies of this frame were brightened, and the seconds that they took.
        self._way: Optional[str] = None
        self._copies = 0.0

    def find(self, rgb: np.ndarray) -> FoundFaces:
        """Find the faces of the next frame, before the tracker begins it.

        Args:
            rgb: uint8 (h, w, 3), RGB.

        Returns:
            The faces; with a tracker only those whose landmarks can be aligned, since no other could be followed.

        Raises:
            ImageError: It is not such an image.
        """
        self._way, self._copies = None, 0.0
        frame = Reduced.of(rgb, self._size)
        found = self._find_once(frame)
        if found.detected:
            found = self._look_again(frame, found)
        self._copied = self._known_from_copies(found)
        self._second_look.frame(found.detected)
        found = found._replace(brightened=self._way, copies=self._copies)
        if self._tracker is None:
            return found
        fit = alignable(found.faces.landmarks)
        return found if fit.all() else found.take(fit)

    def _find_once(self, frame: Reduced) -> FoundFaces:
        """Follow the faces of the frame before, or run the cascade on the frame as it is."""
        detector, tracker = self._detector, self._tracker
        if tracker is not None and tracker.follows:
            turn = tracker.turn()
            found = self._follow(frame, tracker, turn)
            if found.owners is not None and not tracker.lost(found.owners, turn):
                found = found.plus(*tracker.moved_on(turn))
                if not tracker.due:
                    return found
                others = frame.enlarged(detector.detect_others(frame.image, frame.boxes(found.faces.boxes)))
                return found.plus(others, np.full((others.count,), -1, np.int64), True)._replace(detected=True)
        found = FoundFaces.of(detector.detect(frame.image), None, detected=True)
        if self._copied is not None and tracker is not None:
            found = self._refine_on_copy(frame, found, frame.boxes(self._copied[1]), None)
        return found._replace(faces=frame.enlarged(found.faces))

    def _look_again(self, frame: Reduced, found: FoundFaces) -> FoundFaces:
        """Look at a brightened copy for faces that the cascade has not found, where that is worth its time."""
        # Without tracks each frame stands alone.
        before = 0 if self._tracker is None else self._tracker.count
        new = max(found.faces.count - before, 0) if found.owners is None else int((found.owners < 0).sum())
        way = self._second_look.way(found.faces.count < before, is_dark(frame.image), new)
        if way is None:
            return found
        began = time.perf_counter()
        known = frame.boxes(found.faces.boxes)
        others = frame.enlarged(self._detector.detect_others(brightened(frame.image, way), known))
        self._way = way
        self._copies += time.perf_counter() - began
        self._second_look.looked(others.count > 0)
        owners = None if found.owners is None else np.full((others.count,), -1, np.int64)
        return found.plus(others, owners, True, True)

    def _follow(self, frame: Reduced, tracker: Tracker, turn: np.ndarray) -> FoundFaces:
        """Return the faces whose turn it is, and in which boxes of the tracker they are."""
        detector, boxes = self._detector, frame.boxes(tracker.boxes)
        faces, places = detector.refine(frame.image, boxes[turn])
        owners = turn[places]
        lost = tracker.lost(owners, turn)
        if lost:
            # Mostly they are still there, and a little beside is enough to see them: far less work than the cascade.
            nudged, places = detector.refine(frame.image, beside(boxes[lost]))
            _, first = np.unique(places % len(lost), return_index=True)
            first = first[~covered(nudged.boxes[first], faces.boxes)]
            faces = Faces.join([faces, nudged.take(first)])
            owners = np.concatenate([owners, np.array(lost, np.int64)[places[first] % len(lost)]])
        found = FoundFaces.of(faces, owners)
        lost = tracker.lost(owners, turn)
        if lost and self._copied is not None:
            near = (overlaps(boxes[lost], frame.boxes(self._copied[1])) > SAME).any(axis=1)
            left = np.array(lost, np.int64)[near]
            found = self._refine_on_copy(frame, found, boxes[left], left)
        return found._replace(faces=frame.enlarged(found.faces))

    def _refine_on_copy(
        self, frame: Reduced, found: FoundFaces, boxes: np.ndarray, owners: Optional[np.ndarray]
    ) -> FoundFaces:
        """Look on a copy for faces that were seen on one in the frame before; all in pixels of the reduced frame."""
        assert self._copied is not None
        left = ~covered(boxes, found.faces.boxes)
        if not left.any():
            return found
        began = time.perf_counter()
        self._way = self._copied[0]
        faces, places = self._detector.refine(brightened(frame.image, self._way), boxes[left])
        apart = ~covered(faces.boxes, found.faces.boxes)
        self._copies += time.perf_counter() - began
        return found.plus(faces.take(apart), None if owners is None else owners[left][places[apart]], True, True)

    def _known_from_copies(self, found: FoundFaces) -> Optional[Tuple[str, np.ndarray]]:
        """Return the way and the places, in the frame's pixels, of the faces that only a copy has shown last."""
        copied = found.copied.copy()
        if self._copied is not None and found.faces.count:
            # Those that just moved on were not looked at.
            near = (overlaps(found.faces.boxes, self._copied[1]) > SAME).any(axis=1)
            copied |= ~found.looked & near
        way = self._way or (self._copied[0] if self._copied is not None else None)
        return (way, found.faces.boxes[copied].astype(np.float64)) if way is not None and copied.any() else None


def is_dark(rgb: np.ndarray) -> bool:
    """Return whether an image, uint8 (h, w, 3), RGB, is dark, by its green, which is most of its luma."""
    return bool(rgb.size) and float(rgb[::8, ::8, 1].mean()) < DARK
