"""Whether a face may be enrolled: the measures of :mod:`kface.gallery.quality`, and whether it is upright after all."""

from typing import List, Optional, Sequence, Tuple

import cv2
import numpy as np

from kface.faces import Faces
from kface.gallery.quality import Limits, Quality, Refusal, measure, refusals, wrapped
from kface.mtcnn import FaceDetector
from kface.mtcnn.again import alike

#: Quarter turns that a picture may have been taken with, in degrees against the clock.
TURNS = (0, 90, 180, 270)
#: A face is taken for a turned one where a detector is this many times as sure of it once it is turned back (the ratio of the
#: odds). Of upright faces none came nearer than 0.3 times (134 of LFW, CFP and ORL); of upside-down ones that are found at
#: all, 20 of 134, none less than 8 times.
SURER = 2.0
#: Side of the faces that are looked at turned, in pixels, and how much around them, as a factor.
SIDE, AROUND = 80, 2.0


class QualityGate(object):
    """Decides whether faces are good enough to be enrolled.

    Args:
        limits: What a face must be.
        detector: Finds faces, see :class:`kface.mtcnn.Detector`. A cascade takes an upside-down face for an upright one with
            the eyes where its mouth is, so that only looking again shows it. None leaves that out.

    Attributes:
        limits: As given.
    """

    def __init__(self, limits: Optional[Limits] = None, detector: Optional[FaceDetector] = None) -> None:
        self.limits = Limits() if limits is None else limits
        # All turns of a picture have to be looked at alike: what only a copy of one of them shows compares with nothing.
        self._detector = None if detector is None else alike(detector)

    def refusals(self, rgb: np.ndarray, faces: Faces, crop: Optional[np.ndarray] = None) -> List[Refusal]:
        """Return all reasons against enrolling from a picture; none where it is good enough.

        Args:
            rgb: uint8 (h, w, 3), RGB, the complete picture.
            faces: The faces that were found in it; of a live picture, the one that was picked.
            crop: uint8 (112, 112, 3), RGB, the aligned face; needed where there is one face.
        """
        if faces.count != 1 or crop is None:
            found = refusals(faces.count, None, self.limits)
            turn = 0 if faces.count or self._detector is None else self._whole_turned(self._detector, rgb)
            return found + ([self._roll(float(turn))] if turn else [])
        return refusals(1, self.quality(rgb, faces, crop), self.limits)

    def quality(self, rgb: np.ndarray, faces: Faces, crop: np.ndarray) -> Quality:
        """Measure the first of some faces; see :meth:`refusals`."""
        quality = measure(faces.boxes[0], faces.landmarks[0], crop, rgb.shape)
        if self._detector is None or not np.isfinite(faces.boxes[0]).all():
            return quality
        turned = self._turned(self._detector, rgb, faces.boxes[0], float(faces.scores[0]))
        return quality if turned is None else quality._replace(roll=turned)

    def _roll(self, degrees: float) -> Refusal:
        upright = Quality(np.inf, np.inf, 0.0, float(np.mean(self.limits.pitch)), roll=wrapped(degrees))
        return refusals(1, upright, self.limits)[0]

    def _turned(self, detector: FaceDetector, rgb: np.ndarray, box: np.ndarray, score: float) -> Optional[float]:
        """Return the roll of a face that is surer to be one when turned by quarters; None where it is upright as it is."""
        side = max(float(SIDE), 1.5 * detector.min_face)
        odds, rolls = zip(*self._look(detector, [_patch(rgb, box, turn, side) for turn in TURNS], side))
        best = int(np.argmax(odds))
        if best == 0 or odds[best] < SURER * max(odds[0], _odds(score)):
            return None
        return wrapped(TURNS[best] + rolls[best])

    def _look(self, detector: FaceDetector, patches: Sequence[np.ndarray], side: float) -> List[Tuple[float, float]]:
        """Return the odds that there is a face in the middle of each patch, and its roll in degrees."""
        seen = []
        for patch, faces in zip(patches, detector.detect_many(list(patches))):
            centres = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2
            near = np.flatnonzero(np.abs(centres - patch.shape[0] / 2.0).max(axis=1) < 0.4 * side)
            if len(near):
                best = near[np.argmax(faces.scores[near])]
                across = faces.landmarks[best][1] - faces.landmarks[best][0]
                seen.append((_odds(float(faces.scores[best])), float(np.degrees(np.arctan2(across[1], across[0])))))
            else:
                seen.append((0.0, 0.0))
        return seen

    def _whole_turned(self, detector: FaceDetector, rgb: np.ndarray) -> int:
        """Return by how many degrees a picture without faces has to be turned to have one; 0 where that does not help."""
        turns = [turn for turn in TURNS if turn]
        found = detector.detect_many([np.ascontiguousarray(np.rot90(rgb, turn // 90)) for turn in turns])
        scores = [float(faces.scores.max()) if faces.count else 0.0 for faces in found]
        return turns[int(np.argmax(scores))] if max(scores) > 0 else 0


def _patch(rgb: np.ndarray, box: np.ndarray, turn: int, side: float) -> np.ndarray:
    """Cut a face out with what is around it, scaled to a size and turned against the clock, uint8 (n, n, 3)."""
    size = int(round(AROUND * side))
    centre = (np.asarray(box[:2], np.float64) + box[2:]) / 2
    scale = side / max(float(max(box[2] - box[0], box[3] - box[1])), 1.0)
    matrix = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), turn, scale)
    matrix[:, 2] += size / 2.0 - centre
    # Smoothed before it is made much smaller, as the cascade's pyramid is.
    image = cv2.blur(rgb, (int(round(1 / scale)),) * 2) if scale < 0.5 else rgb
    return cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _odds(score: float) -> float:
    return score / max(1 - score, 1e-7)
