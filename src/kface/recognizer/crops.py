"""The aligned faces of one frame, cut out as they are asked for: most faces that are followed are only looked at."""

from typing import Dict, Optional, Sequence

import numpy as np

from kface import alignment
from kface.faces import Faces
from kface.recognizer.views import alignable, appearance
from kface.sharpness import sharpness


def crops_of(rgb: np.ndarray, faces: Faces) -> np.ndarray:
    """Return the aligned faces, uint8 (n, 112, 112, 3); black where landmarks cannot be aligned."""
    fit = alignable(faces.landmarks)
    if fit.all():
        return alignment.align(rgb, faces.landmarks)
    crops = np.zeros((len(fit), alignment.SIZE, alignment.SIZE, 3), np.uint8)
    crops[fit] = alignment.align(rgb, faces.landmarks[fit])
    return crops


class Crops(object):
    """Cuts faces out of a frame, each at most once.

    Args:
        rgb: uint8 (h, w, 3), RGB; not to be changed.
        faces: The faces, n, with landmarks that can be aligned.

    Attributes:
        matrices: float64 (n, 2, 3), see :func:`kface.alignment.similarity`.
    """

    def __init__(self, rgb: np.ndarray, faces: Faces) -> None:
        self.matrices = alignment.similarity(faces.landmarks)
        self._rgb = rgb
        self._cut: Dict[int, np.ndarray] = {}

    def take(self, which: Sequence[int]) -> np.ndarray:
        """Return the crops of the faces with these numbers, uint8 (m, 112, 112, 3), RGB."""
        new = [number for number in which if number not in self._cut]
        self._cut.update(zip(new, alignment.cut(self._rgb, self.matrices[new])))
        crops = [self._cut[number] for number in which]
        return np.stack(crops) if crops else np.zeros((0,) + (alignment.SIZE,) * 2 + (3,), np.uint8)

    def sharpness(self, number: int) -> float:
        """Return how sharp a face is, see :func:`kface.sharpness.sharpness`."""
        return float(sharpness(self.take([number]))[0])

    def look(self, number: int) -> Optional[np.ndarray]:
        """Return what a face looks like, see :func:`kface.recognizer.views.appearance`."""
        return appearance(self.take([number])[0])
