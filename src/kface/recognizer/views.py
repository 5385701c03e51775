"""How a face looks in one frame: what decides whether it is worth embedding again, and how much its vote counts."""

from typing import List, NamedTuple, Sequence

import cv2
import numpy as np

from kface import alignment
from kface.faces import Faces
from kface.recognizer.settings import TrackSettings

#: Sharpness at which half of a vote's weight is reached, in squared grey levels.
HALF_SHARP = 100.0
#: A vote weighs at least this much: small and blurred faces are little evidence, but some.
LEAST_WEIGHT = 0.01


class View(NamedTuple):
    """A face in one frame.

    Attributes:
        shape: float64 (5, 2), where the landmarks lie in the 112x112 crop once place, size and roll are taken out: what is
            left of them changes with yaw, pitch and expression.
        side: Geometric mean of the box's sides, in pixels.
        sharpness: Variance of the crop's Laplacian, in squared grey levels.
    """

    shape: np.ndarray
    side: float
    sharpness: float

    @property
    def weight(self) -> float:
        """How much the view's vote counts, from 0 to 1: larger and sharper faces count more."""
        size = min(self.side / alignment.SIZE, 1.0)
        return max(size * self.sharpness / (self.sharpness + HALF_SHARP), LEAST_WEIGHT)


def alignable(landmarks: np.ndarray) -> np.ndarray:
    """Return, as bool (n,), which landmarks (n, 5, 2) are finite and do not all coincide."""
    points = np.asarray(landmarks, np.float64).reshape(-1, 5, 2)
    with np.errstate(invalid="ignore"):
        spread = np.abs(points - points.mean(axis=1, keepdims=True)).sum(axis=(1, 2))
    return np.isfinite(spread) & (spread > 1e-3)


def sharpness(crops: np.ndarray) -> np.ndarray:
    """Return the variance of the Laplacian of crops, uint8 (n, h, w, 3) RGB, as float32 (n,)."""
    found = np.zeros((len(crops),), np.float32)
    for number, crop in enumerate(crops):
        found[number] = cv2.Laplacian(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.CV_32F).var()
    return found


def views_of(faces: Faces, sharp: np.ndarray) -> List[View]:
    """Return the views of faces that can be aligned.

    Args:
        faces: The faces, n.
        sharp: (n,), of :func:`sharpness`.
    """
    matrices = alignment.similarity(faces.landmarks)
    shapes = np.einsum("nij,nkj->nki", matrices[:, :, :2], faces.landmarks.astype(np.float64)) + matrices[:, None, :, 2]
    return [View(shape, float(np.sqrt(area)), float(value)) for shape, area, value in zip(shapes, faces.areas, sharp)]


def is_new(view: View, seen: Sequence[View], settings: TrackSettings) -> bool:
    """Return whether a view shows a face otherwise, larger or sharper than all views that were embedded."""
    if not seen:
        return True
    moved = min(float(np.abs(view.shape - other.shape).max()) for other in seen)
    return (
        moved > settings.moved
        or view.side > settings.grown * max(other.side for other in seen)
        or view.sharpness > settings.sharpened * max(other.sharpness for other in seen)
    )
